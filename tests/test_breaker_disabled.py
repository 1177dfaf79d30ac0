"""DISABLED: all calls are admitted, and nothing opens it."""

from __future__ import annotations

import pytest

from switchgear import Reason, State, Verdict
from switchgear.testing import VirtualClock
from tests.support import Ear, breaker_of, fail, half_open, hold, opened, path, succeed


def test_nothing_opens_it() -> None:
    """Neither failures nor exhaustion nor hanging calls nor news."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, consecutive_failures=1)
    breaker.disable("test")
    held = [hold(breaker) for _ in range(10)]
    fail(breaker, 50)
    fail(breaker, 1, Verdict.EXHAUSTED)
    fail(breaker, 1, Verdict.THROTTLED.after(9.0))
    permit = breaker.permit()
    permit.attempt_failed(ValueError())
    permit.succeed()
    clock.advance(100.0)
    breaker.trip(Reason.MAJORITY, "others")
    succeed(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate) == (State.DISABLED, 0, 0.0)
    assert (snapshot.in_flight, snapshot.overdue) == (10, 0)
    for call in held:
        call.returns()


def test_its_calls_are_counted() -> None:
    """With the lock and without it, at once and after minutes."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.disable("test")
    for _ in range(10):
        succeed(breaker, 10)
        fail(breaker, 1)
        clock.advance(30.0)
    assert breaker.snapshot().verdicts["SUCCESS"] == 100
    assert breaker.snapshot().verdicts["FAILURE"] == 10
    succeed(breaker, 5)
    breaker.reset()
    assert breaker.snapshot().verdicts["SUCCESS"] == 105


def test_a_hanging_call_of_it_is_forgotten_when_it_has_left() -> None:
    """The ledger of calls in flight is kept, and not for ever."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.disable("test")
    for _ in range(50):
        hold(breaker).returns()
        clock.advance(30.0)
    assert breaker.snapshot().in_flight == 0
    assert breaker.default_lane.past is None


@pytest.mark.parametrize("state", ["closed", "open", "half_open", "forced_open", "metrics_only"])
def test_it_can_be_entered_and_left_from_every_state(state: str) -> None:
    """At once, visible as the operator's doing; reset leads back to CLOSED, at full width."""
    clock = VirtualClock()
    breaker = {"open": opened, "half_open": half_open}.get(state, breaker_of)(clock)
    if state in {"forced_open", "metrics_only"}:
        {"forced_open": breaker.force_open, "metrics_only": breaker.metrics_only}[state]("test")
    ear = Ear()
    breaker.subscribe(ear)
    breaker.disable("the breaker is at fault")
    succeed(breaker)
    breaker.reset("it was not")
    moves = path(ear)
    assert moves == [(state.upper(), "DISABLED", "operator"), ("DISABLED", "CLOSED", "operator")]
    assert breaker.snapshot().share == 1.0


def test_an_operator_may_set_a_time_limit() -> None:
    """Until then it watches nothing; from then on it is CLOSED, with an empty window, and watches again."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.disable("the breaker is at fault", for_=8.0)
    fail(breaker, 50)
    clock.advance(7.9)
    assert "for another 0.1 s" in str(breaker.explain())
    assert breaker.state is State.DISABLED
    clock.advance(0.1)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls) == (State.CLOSED, 0)
    fail(breaker, 4)
    assert breaker.machine_state is State.OPEN


def test_the_time_limit_is_kept_when_calls_pass_without_the_lock() -> None:
    """The door is open no longer than the limit."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.disable("test", for_=3.0)
    succeed(breaker, 5)
    clock.advance(3.0)
    succeed(breaker)
    assert breaker.machine_state is State.CLOSED
