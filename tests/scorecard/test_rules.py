"""The scorecard of behaviours, by their names: rules and windows."""

from __future__ import annotations

import pytest

from switchgear import (
    CountWindow,
    State,
    TimeWindow,
)
from switchgear.testing import VirtualClock
from tests.support import (
    breaker_of,
    fail,
    hold,
    refused,
    succeed,
)
from tests.tasks import under_way

pytestmark = pytest.mark.anyio


async def test_slow_call_detection() -> None:
    """Calls that succeed, slowly, open it; and it knows while they still run."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=2.0)
    for _ in range(4):
        async with under_way(breaker) as call:
            clock.advance(2.0)
            await call.end()
    assert "slow-call rate 1.00 of 4 calls" in refused(breaker).reason
    breaker.reset()
    hanging = [hold(breaker) for _ in range(4)]
    clock.advance(3.0)
    assert breaker.state is State.OPEN
    for held in hanging:
        held.returns()


async def test_failure_rate_50_alternating_trips() -> None:
    """Success and failure in turns are half: it opens, though never two failed in a row."""
    breaker = breaker_of(minimum_number_of_calls=8)
    for _ in range(4):
        assert breaker.state is State.CLOSED
        succeed(breaker)
        fail(breaker)
    assert breaker.state is State.OPEN


async def test_minimum_calls() -> None:
    """One failure below the minimum does nothing, the one that completes it opens."""
    breaker = breaker_of(window=CountWindow(100), minimum_number_of_calls=20)
    fail(breaker, 19)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.snapshot().state is State.OPEN


async def test_time_window_failures_expire() -> None:
    """Three failures a minute ago and one now are one."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10))
    fail(breaker, 3)
    clock.advance(30)
    assert breaker.snapshot().calls == 3
    clock.advance(30)
    fail(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls) == (State.CLOSED, 1)


@pytest.mark.parametrize("idle", [61.0, 600.0, 86400.0 * 30])
async def test_time_window_failures_expire_also_with_unused_slots(idle: float) -> None:
    """Parts of the window that no call fell into, for however long, hold nothing from the round before."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10), minimum_number_of_calls=8)
    for _ in range(3):
        fail(breaker)
        clock.advance(12)
    clock.advance(idle)
    assert breaker.snapshot().calls == 0
    fail(breaker, 3)
    succeed(breaker, 4)
    assert (breaker.state, breaker.snapshot().calls) == (State.CLOSED, 7)
