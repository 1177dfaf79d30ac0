"""Checks of times and sizes: what the client keeps itself to, against what its breaker goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import get_args

from switchgear._gear_config import ServiceConfig
from switchgear._spec import ClientLimits, OperationClass
from switchgear._strategies.timeout import Timeout
from switchgear._window import TimeWindow
from switchgear.cli._validate._check import Finding
from switchgear.cli._validate._facts import Facts

#: Those that wait by design have no limit that says anything.
_CLASSES: tuple[OperationClass, ...] = tuple(klass for klass in get_args(OperationClass) if klass != "blocking")


def finite_timeouts(facts: Facts) -> Iterator[Finding]:
    """No client waits for ever, for a connection or for an answer: a call that hangs is judged at last."""
    for service, asked in facts.services():
        limits = asked.limits
        waits = {"an answer": _longest(service, limits), "a connection": limits.connect_timeout}
        endless = [what for what, seconds in waits.items() if seconds == inf]
        why = f"It waits for {' and for '.join(endless)} without end. Set its timeouts." if endless else ""
        known = [f"{what} {seconds:g} s" for what, seconds in waits.items() if seconds is not None]
        if known:
            yield Finding(service.name, why, told=", ".join(known))


def slow_before_timeout(facts: Facts) -> Iterator[Finding]:
    """A call is slow before its client gives it up: else the rule for slow calls never finds one."""
    for service, asked in facts.services():
        for klass, slow, timeout in _classes(service, asked.limits):
            if slow < inf:
                why = (
                    f"A {klass} is slow after {slow:g} s, but given up after {timeout:g} s. Lower "
                    f"slow_call_duration_threshold.{klass} below that, or raise the timeout."
                )
                told = f"slow after {slow:g} s, given up after {timeout:g} s"
                yield Finding(f"{service.name} {klass}", why if slow >= timeout else "", told=told)


def tolerated_before_slow(facts: Facts) -> Iterator[Finding]:
    """Health minds a call's latency before the breaker takes it for slow: so the score falls first, and warns."""
    for service in facts.config.services:
        for klass in _CLASSES:
            tolerated, slow = service.health.tolerated_for(klass), service.breaker.slow_after(klass)
            if tolerated < inf and slow < inf:
                why = (
                    f"Users are taken to be content with {tolerated:g} s, and the breaker takes {slow:g} s for slow. "
                    f"Lower health.tolerated.{klass}, or raise slow_call_duration_threshold.{klass}."
                )
                told = f"content with {tolerated:g} s, slow after {slow:g} s"
                yield Finding(f"{service.name} {klass}", why if tolerated > slow else "", told=told)


def probes_have_time(facts: Facts) -> Iterator[Finding]:
    """A probe is not given up before it can be told from a bad one: else half-open rounds end undecided."""
    for service, asked in facts.services():
        bad = max((min(slow, timeout) for _, slow, timeout in _classes(service, asked.limits)), default=inf)
        given = service.breaker.probe_timeout
        if bad < inf:
            why = f"It has {given:g} s, and a call may well take {bad:g} s. Raise breaker.probe_timeout to that."
            yield Finding(service.name, why if given < bad else "", told=f"{given:g} s, and a call {bad:g} s")


def window_holds_timeouts(facts: Facts) -> Iterator[Finding]:
    """A window of time is at least twice as long as a call may take: else it forgets some before others end."""
    for service, asked in facts.services():
        window = service.breaker.window
        timeout = _longest(service, asked.limits)
        if isinstance(window, TimeWindow) and timeout is not None and timeout < inf:
            why = (
                f"It is {window.seconds:g} s long, and a call may take {timeout:g} s. Set window.seconds to "
                f"{2 * timeout:g} or more, or lower the timeout."
            )
            told = f"{window.seconds:g} s, and a call {timeout:g} s"
            yield Finding(service.name, why if window.seconds < 2 * timeout else "", told=told)


def own_retries(facts: Facts) -> Iterator[Finding]:
    """No client tries again by itself: that would multiply the load on a backend in trouble, unseen by any budget."""
    for service, asked in facts.services():
        retries = asked.limits.retries
        if retries is not None:
            why = f"It makes {retries:g} further attempts of its own. Turn them off in its settings."
            yield Finding(service.name, why if retries else "", told="off")


def bounded_pool(facts: Facts) -> Iterator[Finding]:
    """Each pool has a bound: without, a slow backend is met with more and more connections until one side breaks."""
    for service, asked in facts.services():
        most = asked.limits.connections
        if most is not None:
            why = "Its pool grows without end. Give it a bound in its settings."
            yield Finding(service.name, why if most == inf else "", told=f"at most {most:g} connections")


def pool_size(facts: Facts) -> Iterator[Finding]:
    """No pool is larger than what its backend can use: more connections only wait at another place."""
    for service, asked in facts.services():
        most, enough = asked.limits.connections, asked.limits.enough_connections
        if most is not None and enough is not None and most < inf:
            why = f"It may have {most:g} connections, and more than {enough:g} carry no more. Lower the bound to that."
            yield Finding(service.name, why if most > enough else "", told=f"{most:g} of {enough:g}")


def _classes(service: ServiceConfig, limits: ClientLimits) -> Iterator[tuple[OperationClass, float, float]]:
    """Operation class, seconds from which it is slow, and seconds after which it is given up; where both are known."""
    for klass in _CLASSES:
        timeout = _timeout(service, limits, klass)
        if timeout is not None and any(operation.klass == klass for operation in service.backend.operations):
            yield klass, service.breaker.slow_after(klass), timeout


def _timeout(service: ServiceConfig, limits: ClientLimits, klass: OperationClass) -> float | None:
    """The least of what the client and its pipeline allow."""
    known = [] if limits.timeout is None else [limits.timeout]
    for strategy in service.pipeline or ():
        if isinstance(strategy, Timeout):
            seconds = strategy.seconds.get(klass) if isinstance(strategy.seconds, Mapping) else strategy.seconds
            known += [] if seconds is None else [seconds]
    return min(known, default=None)


def _longest(service: ServiceConfig, limits: ClientLimits) -> float | None:
    """The longest that a call of any class may take."""
    timeouts = [timeout for klass in _CLASSES if (timeout := _timeout(service, limits, klass)) is not None]
    return max(timeouts, default=None)
