"""Checks of what the backends said when they were asked with the credentials of this configuration."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from switchgear.cli._validate._check import Finding
from switchgear.cli._validate._facts import Asked, Facts


def connection(facts: Facts) -> Iterator[Finding]:
    """Each backend is reached, and accepts the credentials."""
    for service, asked in facts.services():
        why = "" if _accepted(asked) else asked.probed.error or ""
        told = "it answers" if asked.probed.ok is not None else "it is connected; its plugin cannot tell more"
        yield Finding(service.name, why, told=told)


def active_check(facts: Facts) -> Iterator[Finding]:
    """Where breakers are probed by active checks, these may do what they do: else only users find out it is back."""
    for service, asked in facts.services():
        if service.breaker.probe_with != "traffic" and service.backend.probe is not None and _accepted(asked):
            denied = (
                f'{asked.probed.error} Allow it to the account, or set probe_with = "traffic".'
                if asked.probed.ok is False else ""
            )  # fmt: skip
            yield Finding(service.name, denied, told="permitted")


def permissions(facts: Facts) -> Iterator[Finding]:
    """The account may do what the service is for, and no more than that."""
    for service, asked in facts.services():
        for what, why in (asked.permissions or {}).items():
            problem = f"{why.rstrip('.')}. Change that, unless it is meant." if why else ""
            yield Finding(f"{service.name} {what}", problem, told="permitted")


def server_version(facts: Facts) -> Iterator[Finding]:
    """The server says its name and version, so that it is known what was validated against."""
    for service, asked in facts.services():
        if service.backend.identify is not None and _accepted(asked):
            yield Finding(
                service.name, "" if asked.probed.server else "It does not say.", told=asked.probed.server or ""
            )


def first_latency(facts: Facts) -> Iterator[Finding]:
    """A check on an open connection is answered sooner than what users are content with."""
    for service, asked in facts.services():
        latency, tolerated = asked.probed.latency, service.health.tolerated_for("read")
        if latency is not None and tolerated < inf:
            why = f"It took {latency:.3f} s, and users are content with {tolerated:g} s. Is it far away, or overloaded?"
            yield Finding(service.name, why if latency > tolerated else "", told=f"{1000 * latency:.1f} ms")


def gauges(facts: Facts) -> Iterator[Finding]:
    """What a plugin reads of its client is what it declares, so that no reading is lost."""
    for service, asked in facts.services():
        if service.backend.gauges is not None and asked.gauges:
            declared = {metric.name for metric in service.backend.metrics if metric.kind == "gauge"}
            lost = sorted(asked.gauges - declared)
            why = f"It reads {', '.join(lost)}, and declares no such gauge. Tell its authors." if lost else ""
            yield Finding(service.name, why, told=f"{len(asked.gauges)} read")


def plugin_functions(facts: Facts) -> Iterator[Finding]:
    """The plugin can say what its client keeps itself to, and how full it is."""
    for service, asked in facts.services():
        if asked.raised:
            yield Finding(service.name, f"{'; '.join(asked.raised)}. This is for the plugin's authors to mend.")


def _accepted(asked: Asked) -> bool:
    """Whether the backend was reached and knows the account, whatever it allows it."""
    return asked.probed.ok is not False or asked.permissions is not None
