"""Checks of a running process: are its endpoints there, and does it run this configuration?"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from switchgear.cli._remote import Answer
from switchgear.cli._validate._check import Finding
from switchgear.cli._validate._facts import Facts, Running

#: What is found in the answer of each endpoint of a process that is fit for users.
EXPECTED = {
    "/livez": '"ok"',
    "/startupz": '"ok"',
    "/readyz": '"ok"',
    "/healthz": '"app"',
    "/metrics": "switchgear_",
    "/api/state": '"services"',
    "/api/timeline": "[",
    "/api/openapi.json": '"paths"',
    "/api/session": '"actions"',
}


def endpoints(facts: Facts) -> Iterator[Finding]:
    """Each endpoint answers, and as that of a process that is alive, started, ready and not unhealthy."""
    if facts.running:
        for path, content in EXPECTED.items():
            answer = facts.running.answers[path]
            if isinstance(answer, str):
                yield Finding(path, answer)
            else:
                said = answer.body.decode(errors="replace")
                why = f"It answers {answer.status}: {_start(said)}"
                yield Finding(path, "" if answer.ok and content in said else why, told=f"{answer.status}")


def events(facts: Facts) -> Iterator[Finding]:
    """The stream of events begins with the state."""
    if facts.running:
        kind = facts.running.events
        yield Finding("/events", "" if kind == "state" else kind, told="a state")


def same_version(facts: Facts) -> Iterator[Finding]:
    """The process runs the switchgear that validates it."""
    if facts.running and facts.running.state:
        theirs, ours = facts.running.state.version, version("switchgear")
        why = f"It runs {theirs}, and this is {ours}. Validate with what is deployed."
        yield Finding(facts.running.url, why if theirs != ours else "", told=theirs)


def same_services(facts: Facts) -> Iterator[Finding]:
    """The process has each service of this file, with the same backend, and requiring the same."""
    if facts.running and facts.running.state:
        theirs = {service.name: service for service in facts.running.state.services}
        for service in facts.config.services:
            there = theirs.get(service.name)
            if there is None:
                yield Finding(service.name, _stranger(facts.running, "service"))
            else:
                ours = service.backend.name, set(service.requires)
                why = f"There it is of the backend {there.backend}, requiring {', '.join(there.requires) or 'nothing'}."
                yield Finding(
                    service.name, why if ours != (there.backend, set(there.requires)) else "", told="the same"
                )


def same_capabilities(facts: Facts) -> Iterator[Finding]:
    """The process offers each capability of this file, by the same means."""
    if facts.running and facts.running.state:
        theirs = {capability.name: capability for capability in facts.running.state.capabilities}
        for name, given in facts.config.capabilities.items():
            there = theirs.get(name)
            if there is None:
                yield Finding(name, _stranger(facts.running, "capability"))
            else:
                needs = set(there.requires), dict(there.prefers), sorted(map(sorted, there.any_of)), there.criticality
                ours = (
                    set(given.requires),
                    dict(given.prefers),
                    sorted(map(sorted, given.any_of)),
                    str(given.criticality),
                )
                why = "There it has other needs, or another criticality. Restart the process with this file."
                yield Finding(name, why if needs != ours else "", told=there.level)


def exported_metrics(facts: Facts) -> Iterator[Finding]:
    """The metrics of the process name each of its services."""
    if facts.running and facts.running.state and isinstance(metrics := facts.running.answers["/metrics"], Answer):
        told = metrics.body.decode(errors="replace")
        for service in facts.running.state.services:
            there = told.count(f'service="{service.name}"')
            why = "" if there else "No series names it: dashboards and alerts are blind to it."
            yield Finding(service.name, why, told=f"{there} series")


def _stranger(running: Running, what: str) -> str:
    return f"The process at {running.url} has no such {what}. Does it run this file, or an older version of it?"


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"  # noqa: PLR2004 - as much as is read in a table
