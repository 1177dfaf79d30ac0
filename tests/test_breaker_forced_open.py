"""FORCED_OPEN: an operator refuses all calls, until they say otherwise or their time limit is over."""

from __future__ import annotations

import pytest

from switchgear import Reason, State
from switchgear.testing import VirtualClock
from tests.support import Ear, breaker_of, decided, fail, half_open, hold, opened, path, refused, state, succeed


def test_it_refuses_without_end() -> None:
    """Not even a year ends it; a reset does."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.force_open("maintenance")
    clock.advance(3e7)
    refusal = refused(breaker)
    assert (refusal.state, refusal.retry_after, refusal.reason) == (State.FORCED_OPEN, None, "maintenance")
    breaker.reset("done")
    succeed(breaker)
    assert breaker.snapshot().refused == {State.FORCED_OPEN: 1}


def test_its_time_limit_leads_to_probes_and_not_to_trust() -> None:
    """After the limit, to the point, it looks before it closes."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    ear = Ear()
    breaker.subscribe(ear)
    breaker.force_open("maintenance", for_=60.0)
    clock.advance(59.0)
    assert refused(breaker).retry_after == 1.0
    clock.advance(1.0)
    assert state(breaker) is State.HALF_OPEN
    succeed(breaker, 3)
    assert path(ear) == [
        ("CLOSED", "FORCED_OPEN", "operator"),
        ("FORCED_OPEN", "HALF_OPEN", "wait_elapsed"),
        ("HALF_OPEN", "CLOSED", "probes_passed"),
    ]


@pytest.mark.parametrize("state", ["closed", "open", "half_open", "disabled", "metrics_only", "forced_open"])
def test_it_can_be_entered_from_every_state(state: str) -> None:
    """What was in flight is late."""
    clock = VirtualClock()
    breaker = {"open": opened, "half_open": half_open}.get(state, breaker_of)(clock)
    held = None if state == "open" else hold(breaker)
    if state in {"disabled", "metrics_only"}:
        getattr(breaker, state.removesuffix("d"))("test")
    elif state == "forced_open":
        breaker.force_open("first")
    breaker.force_open("test")
    assert decided(breaker) is State.FORCED_OPEN
    if held:
        held.returns()
        assert breaker.snapshot().late == 1


def test_no_news_changes_it() -> None:
    """An operator's word outranks what others report."""
    breaker = breaker_of()
    breaker.force_open("maintenance")
    breaker.trip(Reason.SERVICE_WIDE, "down", wait=1.0)
    assert decided(breaker) is State.FORCED_OPEN
    assert refused(breaker).reason == "maintenance"


def test_a_failed_probe_after_the_limit_opens_for_the_configured_wait() -> None:
    """Forcing was no failed attempt of the backend: the wait is the first."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    breaker.force_open("maintenance", for_=1.0)
    clock.advance(1.0)
    fail(breaker, 1)
    assert breaker.snapshot().retry_after == 8.0
