"""The scorecard of behaviours, by their names: seeing and steering."""

from __future__ import annotations

import pytest

from switchgear import (
    CallNotPermitted,
    State,
    Transition,
    TripSuppressed,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.scorecard.backend import Backend
from tests.support import (
    Ear,
    breaker_of,
    fail,
    hold,
    path,
    refused,
    succeed,
)

pytestmark = pytest.mark.anyio


class Raising:
    def __init__(self) -> None:
        self.heard = 0

    def on_transition(self, event: Transition | TripSuppressed) -> None:
        self.heard += 1
        raise RuntimeError("broken observer")

    on_settled = on_refused = on_transition


async def test_raising_listener_harmless(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises at, calls and states are as without it; it is logged, and dropped after ten errors."""
    clock = VirtualClock()
    breaker, quiet = breaker_of(clock), breaker_of(clock)
    bad = Raising()
    breaker.subscribe(bad)
    ear = Ear()
    breaker.subscribe(ear)
    for subject in (breaker, quiet):
        fail(subject, 4)
        assert refused(subject).state is State.OPEN
        clock.advance(8)
        succeed(subject, 3)
        assert subject.state is State.CLOSED
        fail(subject, 4)
        assert subject.snapshot().state is State.OPEN
    assert bad.heard == 10
    assert path(ear) == [
        ("CLOSED", "OPEN", "failure_rate"),
        ("OPEN", "HALF_OPEN", "wait_elapsed"),
        ("HALF_OPEN", "CLOSED", "probes_passed"),
        ("CLOSED", "OPEN", "failure_rate"),
    ]
    assert breaker.snapshot().verdicts == quiet.snapshot().verdicts
    assert "dropped" in caplog.records[-1].getMessage()


async def test_listener_reading_state() -> None:
    """An observer may look at the breaker, and steer it, from inside the event: no deadlock, and in order."""
    breaker = breaker_of()
    seen: list[State] = []

    class Looking:
        def on_transition(self, event: Transition) -> None:
            seen.append(breaker.state)
            breaker.explain()
            if event.to_state is State.OPEN:
                breaker.reset("the observer says so")

    breaker.subscribe(Looking())
    ear = Ear()
    breaker.subscribe(ear)
    fail(breaker, 4)
    assert seen == [State.OPEN, State.CLOSED]
    assert [event.to_state for event in ear.of(Transition)] == [State.OPEN, State.CLOSED]


async def test_force_open_and_reset() -> None:
    """An operator shuts it and lets it go again; both are seen."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    breaker.force_open("migration")
    backend = Backend()
    with pytest.raises(CallNotPermitted, match="migration") as refusal:
        await breaker.call(backend.get)
    assert (refusal.value.state, refusal.value.retry_after, backend.begun) == (State.FORCED_OPEN, None, 0)
    breaker.reset()
    assert await breaker.call(backend.get) == "k"
    assert path(ear) == [("CLOSED", "FORCED_OPEN", "operator"), ("FORCED_OPEN", "CLOSED", "operator")]


async def test_metrics() -> None:
    """One snapshot has every number: outcomes by verdict, refusals by state, rates, calls in flight, late results."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    late = hold(breaker)
    succeed(breaker, 2)
    fail(breaker, 1, Verdict.IGNORED)
    fail(breaker, 1)
    before = breaker.snapshot()
    assert (before.calls, before.failure_rate, before.in_flight) == (3, 1 / 3, 1)
    fail(breaker)
    refused(breaker)
    late.returns()
    after = breaker.snapshot()
    assert after.verdicts == {"SUCCESS": 2, "FAILURE": 2, "THROTTLED": 0, "EXHAUSTED": 0, "IGNORED": 1}
    assert (after.refused, after.late, after.state) == ({State.OPEN: 1}, 1, State.OPEN)
