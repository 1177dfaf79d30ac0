"""What the tests of the breaker share: backends that say their verdict, calls held open by hand, and what was heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any, TypeVar, Unpack

import pytest

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    Refused,
    Settled,
    State,
    Transition,
    TripSuppressed,
    Verdict,
)
from switchgear._circuit import Rules
from switchgear.testing import VirtualClock

T = TypeVar("T")


class Said(Exception):
    """What a backend said, and the verdict on it."""

    def __init__(self, verdict: Verdict, text: str = "no") -> None:
        super().__init__(text)
        self.verdict = verdict


DOWN = Said(Verdict.FAILURE, "down")


def as_said(exc: BaseException) -> Verdict:
    return exc.verdict if isinstance(exc, Said) else Verdict.FAILURE


#: Small and without chance: each test changes what it is about.
SMALL = BreakerConfig(
    minimum_number_of_calls=4,
    window=CountWindow(8),
    wait_duration_in_open=8.0,
    permitted_calls_in_half_open=4,
    ramp=None,
)


def breaker_of(clock: VirtualClock | None = None, **rules: Unpack[Rules]) -> CircuitBreaker:
    """A breaker with SMALL rules but for the given ones, whose exceptions say their verdict."""
    return CircuitBreaker("b", replace(SMALL, **rules), classify=as_said, clock=clock or VirtualClock())


def decided(breaker: CircuitBreaker) -> State:
    """The state as it was last decided, without a look at the clock."""
    return breaker.machine_state


def state(breaker: CircuitBreaker) -> State:
    """The state as of now."""
    return breaker.state


class Gate:
    """Awaited, it suspends until it is sent a result or thrown an exception."""

    def __await__(self) -> Generator[None, Any, Any]:
        return (yield)


class Held:
    """A coroutine held open by hand: it runs to its gate, and on to its end when told how it ends. No event loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        coroutine.send(None)

    def returns(self, result: object = None) -> Any:
        with pytest.raises(StopIteration) as end:
            self._coroutine.send(result)
        return end.value.value

    def raises(self, exc: BaseException) -> None:
        with pytest.raises(type(exc)) as raised:
            self._coroutine.throw(exc)
        assert raised.value is exc

    def closed(self) -> None:
        self._coroutine.close()


async def gate() -> Any:
    return await Gate()


def hold(breaker: CircuitBreaker) -> Held:
    """A call through the breaker that is under way. Raises CallNotPermitted."""
    return Held(breaker.call(gate))


def succeed(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with breaker.permit():
            pass


def fail(breaker: CircuitBreaker, times: int = 1, verdict: Verdict = Verdict.FAILURE) -> None:
    for _ in range(times):
        with pytest.raises(Said), breaker.permit():
            raise Said(verdict)


def refused(breaker: CircuitBreaker) -> CallNotPermitted:
    """The refusal of the next call."""
    with pytest.raises(CallNotPermitted) as refusal:
        breaker.permit()
    return refusal.value


def opened(clock: VirtualClock, **rules: Unpack[Rules]) -> CircuitBreaker:
    """A breaker that has just opened."""
    breaker = breaker_of(clock, **rules)
    fail(breaker, breaker.config.minimum_number_of_calls)
    assert breaker.machine_state is State.OPEN
    return breaker


def half_open(clock: VirtualClock, **rules: Unpack[Rules]) -> CircuitBreaker:
    """A breaker whose wait has just ended, at its first round of probes."""
    breaker = opened(clock, **rules)
    clock.advance(breaker.snapshot().retry_after or 0.0)
    assert breaker.state is State.HALF_OPEN
    return breaker


class Ear:
    """Hears everything."""

    def __init__(self) -> None:
        self.heard: list[Transition | TripSuppressed | Refused | Settled] = []

    def on_transition(self, event: Transition) -> None:
        self.heard.append(event)

    def on_trip_suppressed(self, event: TripSuppressed) -> None:
        self.heard.append(event)

    def on_refused(self, event: Refused) -> None:
        self.heard.append(event)

    def on_settled(self, event: Settled) -> None:
        self.heard.append(event)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.heard if isinstance(event, kind)]


class TransitionEar:
    """Hears transitions and nothing else, so that calls go by as they do without it."""

    def __init__(self) -> None:
        self.heard: list[Transition | TripSuppressed] = []

    def on_transition(self, event: Transition) -> None:
        self.heard.append(event)

    def on_trip_suppressed(self, event: TripSuppressed) -> None:
        self.heard.append(event)


def path(ear: Ear | TransitionEar) -> list[tuple[str, str, str]]:
    """The transitions heard: from, to, why."""
    moves = [event for event in ear.heard if isinstance(event, Transition)]
    return [(move.from_state.name, move.to_state.name, str(move.reason)) for move in moves]


async def forward(fn: Callable[[], Awaitable[T]]) -> T:
    return await fn()
