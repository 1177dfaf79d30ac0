"""Checks of a drill: did the application fall as its graph says, no further, and come back?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from switchgear._cascade import effective
from switchgear._criticality import Criticality
from switchgear._document import Report as ReportDocument
from switchgear._document import State
from switchgear._graph import Capability, Graph
from switchgear._level import Level
from switchgear._report import Report
from switchgear.cli._validate._check import Finding
from switchgear.cli._validate._facts import Drilled, Facts, named


def well_before_drill(facts: Facts) -> Iterator[Finding]:
    """Before anything is broken all breakers are CLOSED and all levels FULL: a process in trouble is not drilled."""
    if facts.drill:
        why = "It is not, so nothing was isolated. See `switchgear status`, and drill it when it is well."
        yield Finding(facts.drill.before.app.name, "" if facts.drill.services else why, told="all is well")


def isolation(facts: Facts) -> Iterator[Finding]:
    """A service that is isolated refuses all calls, and its score is 0."""
    for drilled, _ in _drilled(facts):
        service = named(drilled.during, drilled.service)
        refuses = service.breakers[0].state == "FORCED_OPEN" and service.score == 0
        why = f"It is {service.breakers[0].state} with a score of {service.score:.0f}, though it was isolated."
        yield Finding(drilled.service, "" if refuses else why, told="FORCED_OPEN")


def levels_fall(facts: Facts) -> Iterator[Finding]:
    """The level of each capability that needs or wants the service falls as far as the graph says, at once."""
    for drilled, expected in _drilled(facts):
        graph = _graph(drilled.during)
        for capability in drilled.during.capabilities:
            if drilled.service in graph.ancestors(capability.name):
                should = Level.of(expected[capability.name].score)
                why = f"It is {capability.level}, and should have fallen to {should}. Does an override hold it?"
                fallen = Level[capability.level] <= should
                subject = f"{drilled.service} -> {capability.name}"
                yield Finding(subject, "" if fallen else why, told=f"{capability.level} ({capability.score:.0f})")


def no_cascade(facts: Facts) -> Iterator[Finding]:
    """Nothing else is impaired by it: no other service, and no capability further than the graph says."""
    for drilled, expected in _drilled(facts):
        everything = (*drilled.during.services, *drilled.during.capabilities)
        worse = [one.name for one in everything if Level.of(one.score) < Level.of(expected[one.name].score)]
        why = (
            f"{', '.join(worse)} suffered more than the graph says. Do fallbacks put their load there? Give them a "
            "bulkhead, or say in the graph that they need it."
        )
        yield Finding(drilled.service, why if worse else "", told="as the graph says")


def liveness(facts: Facts) -> Iterator[Finding]:
    """/livez stays 200 whatever is down: a restart would mend nothing."""
    for drilled, _ in _drilled(facts):
        why = f"It answers {drilled.alive.status}. Whatever restarts the process by it would do so in each outage."
        yield Finding(drilled.service, "" if drilled.alive.ok else why, told="200")


def readiness(facts: Facts) -> Iterator[Finding]:
    """/readyz turns 503 without what a CRITICAL capability cannot do without, and stays 200 without anything else."""
    for drilled, _ in _drilled(facts):
        required = _required(_graph(drilled.during), drilled.service)
        status = drilled.ready.status
        if required:
            why = f"It answers {status}, and users would be sent to an instance that cannot serve them."
            yield Finding(drilled.service, "" if status == 503 else why, told="503, it is required")  # noqa: PLR2004
        else:
            why = (
                f"It answers {status}, though no CRITICAL capability requires it: all instances at once would get no "
                "more requests. Is it named in create_app(required=...)?"
            )
            yield Finding(drilled.service, "" if drilled.ready.ok else why, told="200, it is not required")


def told_in_metrics(facts: Facts) -> Iterator[Finding]:
    """The metrics say that the breaker is held open, so that alerts and dashboards do."""
    for drilled, _ in _drilled(facts):
        series = rf'^switchgear_breaker_state{{.*service="{re.escape(drilled.service)}".*state="forced_open".*}} 1'
        told = re.search(series, drilled.metrics.body.decode(errors="replace"), re.MULTILINE | re.IGNORECASE)
        why = "switchgear_breaker_state does not say that it is FORCED_OPEN."
        yield Finding(drilled.service, "" if told else why, told="FORCED_OPEN")


def closing(facts: Facts) -> Iterator[Finding]:
    """A service that is closed again is well again, within seconds."""
    for drilled, _ in _drilled(facts):
        service = named(drilled.after, drilled.service)
        well = service.breakers[0].state == "CLOSED" and not _report(service).impaired
        why = f"It is {service.breakers[0].state} with a score of {service.score:.0f}: {service.reason}."
        yield Finding(drilled.service, "" if well else why, told=f"CLOSED ({service.score:.0f})")


def levels_return(facts: Facts) -> Iterator[Finding]:
    """All levels return to FULL by themselves."""
    for drilled, _ in _drilled(facts):
        late = [f"{one.name} is {one.level}" for one in drilled.returned.capabilities if one.level != Level.FULL.name]
        why = f"After {drilled.seconds:.0f} s {', '.join(late)}."
        yield Finding(drilled.service, why if late else "", told=f"FULL after {drilled.seconds:.0f} s")


# -- what the graph says ---------------------------------------------------------------------------------------------


def _drilled(facts: Facts) -> Iterator[tuple[Drilled, Mapping[str, Report]]]:
    """What was seen, beside what should have been: the reports from before, but for the service that was isolated."""
    if facts.drill:
        before = facts.drill.before
        own = {service.name: _report(service) for service in before.services}
        for drilled in facts.drill.services:
            isolated = replace(own[drilled.service], score=0.0)
            yield drilled, effective(_graph(before), {**own, drilled.service: isolated})


def _report(report: ReportDocument) -> Report:
    return Report(
        name=report.name, score=report.score, confidence=report.confidence, path=report.path, reason=report.reason
    )


def _graph(state: State) -> Graph:
    """That of the process, with what is declared in its code."""
    capabilities = {
        one.name: Capability(
            requires=one.requires,
            prefers=one.prefers,
            any_of=one.any_of,
            criticality=Criticality[one.criticality],
            importance=one.importance,
        )
        for one in state.capabilities
    }
    return Graph({one.name: one.requires for one in state.services}, capabilities)


def _required(graph: Graph, service: str) -> bool:
    """Whether a CRITICAL capability cannot do without it."""

    def needs(name: str) -> bool:
        if name == service:
            return True
        if name in graph.services:
            return any(map(needs, graph.services[name]))
        given = graph.capabilities[name]
        return any(map(needs, given.requires)) or any(all(map(needs, group)) for group in given.any_of)

    critical = [name for name, given in graph.capabilities.items() if given.criticality is Criticality.CRITICAL]
    return any(map(needs, critical))
