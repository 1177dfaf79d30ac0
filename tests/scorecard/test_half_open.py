"""The scorecard of behaviours, by their names: half-open and late results."""

from __future__ import annotations

import time

import anyio
import pytest
from anyio import Event, create_task_group

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.scorecard.backend import Backend
from tests.support import (
    Said,
    breaker_of,
    fail,
    half_open,
    hold,
    refused,
    succeed,
)
from tests.tasks import DEADLINE, under_way

pytestmark = pytest.mark.anyio


async def test_half_open_1_of_1000_tasks_admitted() -> None:
    """A thousand tasks at once find one place for a probe: one gets it, the others are refused without waiting."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    backend, answer, refusals = Backend(), Event(), 0

    async def probe() -> None:
        backend.begun += 1
        await answer.wait()

    async def caller() -> None:
        nonlocal refusals
        try:
            await breaker.call(probe)
        except CallNotPermitted:
            refusals += 1
            if refusals == 999:
                answer.set()

    async with create_task_group() as group:
        for _ in range(1000):
            group.start_soon(caller)
    assert (backend.begun, refusals, breaker.state) == (1, 999, State.CLOSED)


async def test_late_success_does_not_close_open() -> None:
    """A call from before the trip succeeds after it."""
    breaker = breaker_of()
    async with under_way(breaker) as call:
        fail(breaker, 4)
        await call.end()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late) == (State.OPEN, 1)


async def test_late_failure_does_not_prolong_open() -> None:
    """A call from before the trip fails after it: the wait ends when it would have ended."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    async with under_way(breaker) as call:
        fail(breaker, 4)
        clock.advance(5)
        await call.end(Said(Verdict.FAILURE))
    assert (breaker.snapshot().retry_after, breaker.snapshot().late) == (3.0, 1)
    clock.advance(3)
    assert breaker.state is State.HALF_OPEN


async def test_late_success_does_not_close_half_open() -> None:
    """A call from before the trip succeeds while a probe is still out: no verdict, no place taken or given."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker) as call:
        fail(breaker, 4)
        clock.advance(8)
        async with under_way(breaker):
            await call.end()
            assert breaker.snapshot().probes == (0, 1)
            refused(breaker)
            assert breaker.state is State.HALF_OPEN


async def test_late_failure_does_not_reopen_half_open() -> None:
    """A call from before the trip fails while a probe is out; the probe then succeeds and closes it."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker) as late_call:
        fail(breaker, 4)
        clock.advance(8)
        async with under_way(breaker) as probe_call:
            await late_call.end(Said(Verdict.FAILURE))
            assert breaker.state is State.HALF_OPEN
            await probe_call.end()
    assert breaker.snapshot().state is State.CLOSED


async def test_old_era_failures_stay_out_of_the_new_era() -> None:
    """Calls of the first closed era fail in the second: its window does not see them."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    held = [hold(breaker) for _ in range(20)]
    fail(breaker, 4)
    clock.advance(8)
    succeed(breaker)
    assert breaker.state is State.CLOSED
    for call in held:
        call.raises(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate, snapshot.late) == (State.CLOSED, 0, 0.0, 20)


@pytest.mark.parametrize("hours", [-2, 2])
async def test_monotonic_clock_2_h_wall_jump(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """The host's date is set two hours back or forth: an open breaker neither probes early nor late."""
    long, short = (
        CircuitBreaker("b", BreakerConfig(consecutive_failures=1, wait_duration_in_open=wait)) for wait in (60.0, 0.05)
    )
    began = time.monotonic()
    fail(long)
    fail(short)
    wall, wall_ns = time.time, time.time_ns  # noqa: TID251 - it is what jumps
    monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + hours * 3600 * 10**9)
    deadline = began + DEADLINE
    while short.state is State.OPEN and time.monotonic() < deadline:
        await anyio.sleep(0.005)
    assert time.monotonic() - began >= 0.05
    assert short.state is State.HALF_OPEN
    retry_after = refused(long).retry_after
    assert retry_after is not None
    assert 60 - DEADLINE < retry_after < 60
