"""Checks of the file alone: what it says, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from switchgear._criticality import Criticality
from switchgear._hookspecs import VERSION
from switchgear._metrics import exported_name, of_backend
from switchgear.cli._validate._check import Finding
from switchgear.cli._validate._facts import Facts

_FOUND_OUT = {"traffic": "by users' calls", "health": "by the active check", "both": "by whichever comes first"}


def configuration(facts: Facts) -> Iterator[Finding]:
    """The file is there, and all its keys, values and names are right; the graph has no cycle."""
    for problem in facts.problems:
        yield Finding(problem.key or facts.source, problem.problem)
    if not facts.problems:
        config = facts.config
        yield Finding(facts.source, told=f"services: {len(config.services)}, capabilities: {len(config.capabilities)}")


def plugins(facts: Facts) -> Iterator[Finding]:
    """Each plugin that is named is installed, loads, and is known by distribution and version."""
    for plugin in facts.config.plugins:
        yield Finding(plugin.name, plugin.error or "", told=f"{plugin.dist} {plugin.version}")


def plugin_interface(facts: Facts) -> Iterator[Finding]:
    """Each plugin is written for this version of the plugin interface, or for an older one that fits."""
    ours = _version(VERSION)
    for plugin in facts.config.plugins:
        if plugin.spi is not None:
            newer = (
                f"It is written for version {plugin.spi} of the interface, and this switchgear has {VERSION}. Upgrade: "
                "pip install --upgrade switchgear"
            )
            yield Finding(plugin.name, newer if _version(plugin.spi) > ours else "", told=plugin.spi)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def secrets(facts: Facts) -> Iterator[Finding]:
    """No password, key or token stands in the file: secrets come from the environment."""
    for key in facts.literals:
        yield Finding(key, "It is a secret, and in the file for all to read. Write ${NAME}, and set that variable.")
    if facts.config.services and not facts.literals:
        yield Finding(facts.source, told="none in it")


def metrics(facts: Facts) -> Iterator[Finding]:
    """Each plugin declares metrics, each under a name of its own and with a help text."""
    for backend in {service.backend.name: service.backend for service in facts.config.services}.values():
        declared = of_backend(backend)
        names = [exported_name(metric) for metric in declared]
        problems = [f"{name} is declared twice" for name in sorted({name for name in names if names.count(name) > 1})]
        problems += [f"{exported_name(metric)} has no help text" for metric in declared if not metric.help.strip()]
        if not declared:
            problems.append("it declares none")
        why = f"{'; '.join(problems)}. Its dashboards would have gaps: tell its authors." if problems else ""
        yield Finding(backend.name, why, told=f"{len(declared)} declared")


def recovery(facts: Facts) -> Iterator[Finding]:
    """Each breaker that opens can close again: where only an active check may tell, the plugin has one."""
    for service in facts.config.services:
        alone = service.breaker.probe_with == "health" and service.backend.probe is None
        why = (
            f'probe_with is "health", and the backend {service.backend.name!r} has no active check: once open, its '
            'breaker stays so. Set probe_with = "traffic".'
        )
        yield Finding(service.name, why if alone else "", told=_FOUND_OUT[service.breaker.probe_with])


# -- the graph -------------------------------------------------------------------------------------------------------


def capabilities(facts: Facts) -> Iterator[Finding]:
    """It is said what the application offers, so that there are levels, and readiness means something."""
    if facts.config.services:
        why = (
            "No capability is declared, so nothing has a level, and /readyz stays 200 whatever is down. Declare them: "
            "[capabilities.NAME], or gear.capability(...) in the application."
        )
        count = len(facts.config.capabilities)
        yield Finding(facts.source, "" if count else why, told=f"{count} declared")


def critical_capability(facts: Facts) -> Iterator[Finding]:
    """At least one capability is CRITICAL: else nothing makes the application unready."""
    offered = facts.config.capabilities
    critical = [name for name, given in offered.items() if given.criticality is Criticality.CRITICAL]
    if offered:
        why = 'None is, so /readyz stays 200 whatever is down. Leave criticality out where it is "critical".'
        yield Finding(facts.source, "" if critical else why, told=", ".join(critical))


def reach(facts: Facts) -> Iterator[Finding]:
    """Each capability stands on services, by itself or through other capabilities."""
    graph = facts.config.graph()
    for name in facts.config.capabilities:
        reached = sorted(graph.ancestors(name) & graph.services.keys())
        why = "It needs no service, so its level is FULL whatever is down. Say what it requires, or take it out."
        yield Finding(name, "" if reached else why, told=", ".join(reached))


def unused_services(facts: Facts) -> Iterator[Finding]:
    """Each service is needed or wanted by a capability, or by a service that is."""
    graph = facts.config.graph()
    if graph.capabilities:
        used = frozenset[str]().union(*(graph.ancestors(name) for name in graph.capabilities))
        for name in graph.services:
            why = "No capability needs or wants it, so its failure is nobody's. Name it in one, or take it out."
            yield Finding(name, "" if name in used else why, told="used")
