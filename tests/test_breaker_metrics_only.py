"""METRICS_ONLY: all calls are admitted, and it says when it would have opened."""

from __future__ import annotations

from switchgear import Reason, State, TripSuppressed, Verdict
from switchgear.testing import VirtualClock
from tests.support import Ear, breaker_of, decided, fail, hold, path, succeed


def test_it_tells_what_it_would_have_done_and_admits_on() -> None:
    """Once for each time it would have opened, not for each further failure."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.metrics_only("trial")
    ear = Ear()
    breaker.subscribe(ear)
    fail(breaker, 9)
    suppressed = ear.of(TripSuppressed)
    assert [(str(event.reason), event.detail, event.at) for event in suppressed] == [
        ("failure_rate", "failure rate 1.00 of 4 calls (limit 0.5)", clock())
    ] * 2
    assert {(event.breaker, event.domain) for event in suppressed} == {("b", "")}
    assert decided(breaker) is State.METRICS_ONLY
    assert path(ear) == []
    assert breaker.snapshot().calls == 1


def test_every_reason_to_open_is_told() -> None:
    """What the backend says, what hangs, what others report."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, consecutive_failures=2)
    breaker.metrics_only("trial")
    ear = Ear()
    breaker.subscribe(ear)
    fail(breaker, 1, Verdict.EXHAUSTED)
    fail(breaker, 1, Verdict.THROTTLED.after(5.0))
    fail(breaker, 2)
    breaker.trip(Reason.SERVICE_WIDE, "others")
    held = [hold(breaker) for _ in range(4)]
    clock.advance(2.0)
    succeed(breaker)
    assert [str(event.reason) for event in ear.of(TripSuppressed)] == [
        "exhausted", "throttled", "consecutive_failures", "service_wide", "slow_call_rate",
    ]  # fmt: skip
    for call in held:
        call.returns()
    assert breaker.snapshot().late == 4
    assert decided(breaker) is State.METRICS_ONLY


def test_it_shows_rates_as_a_closed_breaker_does() -> None:
    """That is what it is for."""
    breaker = breaker_of(minimum_number_of_calls=8)
    breaker.metrics_only("trial")
    succeed(breaker, 3)
    fail(breaker, 1)
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.failure_rate, snapshot.share) == (4, 0.25, 1.0)


def test_entering_it_begins_with_an_empty_window() -> None:
    """And without the causes from before; so does leaving it."""
    breaker = breaker_of()
    fail(breaker, 3)
    breaker.metrics_only("trial")
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.causes) == (0, ())
    fail(breaker, 3)
    breaker.reset()
    assert breaker.snapshot().calls == 0


def test_a_suppressed_trip_is_no_attempt() -> None:
    """The waits of a later, real opening begin small."""
    breaker = breaker_of()
    breaker.metrics_only("trial")
    fail(breaker, 40)
    assert breaker._machine._attempt == 0.0
