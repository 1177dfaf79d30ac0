"""Everything that can be read off a gear at one moment, without a call to any backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from switchgear import _metrics as metrics
from switchgear._circuit import CircuitBreaker
from switchgear._gear import Switchgear
from switchgear._histogram import Histogram
from switchgear._plugins import PluginState
from switchgear._service import Service
from switchgear._shed import Shed
from switchgear._spec import Metric
from switchgear._state import State
from switchgear.observers._family import Labels
from switchgear.observers._of_pipeline import counted


class Reading(NamedTuple):
    """One value, with the values of the metric's labels in its order."""

    metric: Metric
    labels: Labels
    value: float
    #: Of a counter: what has counted so far since its own beginning. One day it may be gone, and its count with it.
    source: object = None


class Distribution(NamedTuple):
    """What a plugin has observed of a histogram since the beginning."""

    metric: Metric
    labels: Labels
    value: Histogram


def readings(gear: Switchgear) -> Iterator[Reading | Distribution]:
    """All there is: service by service, then the health of all, and the plugins."""
    for service in gear.services.values():
        yield from _of_breakers(service)
        yield from _of_pipeline(service)
        yield from _of_plugin(service)
        yield from _shed(service.name, service.shed)
    yield from _shed("", gear.shed)
    yield from _of_health(gear)
    for plugin in gear.plugins:
        for state in PluginState:
            yield Reading(metrics.PLUGIN_STATUS, (plugin.name, state.value), state is plugin.state)


def _of_breakers(service: Service) -> Iterator[Reading]:
    # The main sees calls only while it is not closed, and those the branches see too: its verdicts would count twice.
    main = service.group.main
    seen = main.snapshot()
    yield from _refused(service.name, main, seen.refused)
    states = {"": seen.state}
    for domain, branch in service.group.branches.items():
        seen = branch.snapshot()
        yield from _refused(service.name, branch, seen.refused)
        for verdict, calls in seen.verdicts.items():
            if calls or verdict in {"SUCCESS", "FAILURE"}:  # a rate needs a zero to start from
                yield Reading(metrics.CALLS, (service.name, domain, verdict.lower()), calls, branch)
        yield Reading(metrics.IN_FLIGHT, (service.name, domain), seen.in_flight)
        # A call without a domain meets the main first, and then the branch that has no name either.
        if domain or states[""] is State.CLOSED:
            states[domain] = seen.state
    for domain, its in states.items():
        for state in State:
            yield Reading(metrics.STATE, (service.name, domain, state.value), state is its)


def _refused(service: str, breaker: CircuitBreaker, refused: Mapping[State, int]) -> Iterator[Reading]:
    for state, calls in {State.OPEN: 0, **refused}.items():
        yield Reading(metrics.NOT_PERMITTED, (service, breaker.domain, state.value), calls, breaker)


def _of_pipeline(service: Service) -> Iterator[Reading]:
    for strategy in service.pipeline.strategies if service.pipeline else ():
        for metric, labels, value in counted(strategy, service.name):
            yield Reading(metric, labels, value, strategy)


def _shed(service: str, shed: Shed) -> Iterator[Reading]:
    for criticality, calls in shed.counts().items():
        yield Reading(metrics.SHED, (service, criticality.value), calls, shed)


def _of_plugin(service: Service) -> Iterator[Reading | Distribution]:
    declared = {metric.name: metric for metric in service.backend.metrics}
    exported = dict(zip(declared, metrics.of_backend(service.backend), strict=True))

    def labels(name: str, given: Iterable[tuple[str, str]] = ()) -> Labels:
        values = dict(given)
        return service.name, *(values.get(label, "") for label in declared[name].labels)

    for (name, given), count in service.counts().items():
        yield Reading(exported[name], labels(name, given), count, service)
    for (name, given), histogram in service.histograms().items():
        yield Distribution(exported[name], labels(name, given), histogram)
    for name, value in service.gauges().items():
        yield Reading(exported[name], labels(name), value)


def _of_health(gear: Switchgear) -> Iterator[Reading]:
    found = gear.degradation.assessment()
    reports = [(("", ""), found.app)]
    reports += [((name, ""), report) for name, report in found.services.items()]
    reports += [(("", name), report) for name, report in found.capabilities.items()]
    for labels, report in reports:
        yield Reading(metrics.HEALTH_SCORE, labels, report.score / 100)
        yield Reading(metrics.HEALTH_CONFIDENCE, labels, report.confidence)
    for name, level in found.levels.items():
        yield Reading(metrics.LEVEL, (name,), level)
    for name in found.services:
        yield Reading(metrics.INHIBITED, (name,), bool(found.inhibited_by.get(name)))
    yield Reading(metrics.SELF_SUSPECTED, (), len(found.suspects))
    yield Reading(metrics.LAG, (), gear.lag)
