"""Invariants 17 and 18: no view is torn, and both event loops give the same trace."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

import pytest
from anyio import create_task_group

from switchgear import (
    Backoff,
    CallNotPermitted,
    CountWindow,
    Ramp,
    State,
    Transition,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    Said,
    breaker_of,
    fail,
    succeed,
)
from tests.tasks import Running, begin, in_threads, run

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("door", ["shut", "open"])
def test_invariant_17_a_snapshot_is_never_torn(door: str) -> None:
    """Seven threads call while one looks: what it sees adds up each time, by the locked way and by the other."""
    size = 1_000_000
    minimum = size if door == "shut" else 1
    breaker = breaker_of(window=CountWindow(size), minimum_number_of_calls=minimum, failure_rate_threshold=1.0)
    succeed(breaker)
    stop = threading.Event()

    def work(number: int) -> None:
        if number:
            while not stop.is_set():
                succeed(breaker, 10)
                fail(breaker)
                fail(breaker, 1, Verdict.THROTTLED)
                fail(breaker, 1, Verdict.IGNORED)
            return
        try:
            past = breaker.snapshot()
            for _ in range(400):
                now = breaker.snapshot()
                verdicts = now.verdicts
                assert now.calls == verdicts["SUCCESS"] + verdicts["FAILURE"] + verdicts["THROTTLED"]
                assert now.failure_rate == (2 * verdicts["FAILURE"] + verdicts["THROTTLED"]) / (2 * now.calls)
                assert 0 <= now.in_flight <= 7
                assert (now.state, now.generation, now.late) == (State.CLOSED, 0, 0)
                assert all(verdicts[name] >= count for name, count in past.verdicts.items())
                assert now.at >= past.at
                past = now
        finally:
            stop.set()

    in_threads(work)
    assert breaker.snapshot().in_flight == 0


def test_invariant_17_state_and_moment_belong_together() -> None:
    """While threads move it through its states, no snapshot shows one state with the numbers of another."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1, wait_duration_in_open=8.0)
    stop = threading.Event()

    def work(number: int) -> None:
        if number:
            while not stop.is_set():
                with suppress(CallNotPermitted, Said), breaker.permit():
                    raise Said(Verdict.FAILURE)
                clock.advance(1.0)
                breaker.reset()
            return
        try:
            for _ in range(400):
                now = breaker.snapshot()
                assert (now.retry_after is not None) == (now.state is State.OPEN)
                assert now.probes == (0, 0) or now.state is State.HALF_OPEN
                assert now.calls == 0 or now.state is State.CLOSED
                assert now.last is None or (now.last.to_state, now.last.at) == (now.state, now.since)
                assert now.since <= now.at
        finally:
            stop.set()

    in_threads(work)


async def seeded_life(seed: int) -> list[object]:
    """Tasks that are begun, ended and cancelled as a seed says; the trace of all that the breaker showed and told."""
    rng = random.Random(seed)
    clock = VirtualClock()
    breaker = breaker_of(
        clock,
        slow_call_duration_threshold=2.0,
        ramp=Ramp(initial=0.5, duration=4.0),
        wait_duration_in_open=Backoff(initial=2.0, max=8.0, jitter=0.0),
        probe_timeout=6.0,
    )
    ear = Ear()
    breaker.subscribe(ear)
    trace: list[object] = []
    running: list[Running] = []
    async with create_task_group() as group:
        for _ in range(80):
            step = rng.choices(["begin", "return", "fail", "throttled", "cancel", "time"], [8, 4, 4, 1, 1, 4])[0]
            if step == "begin":
                try:
                    running.append(await begin(group, breaker))
                except CallNotPermitted as refusal:
                    trace.append(str(refusal))
            elif step == "time":
                clock.advance(rng.choice([0.5, 1.0, 2.0]))
            elif running:
                call = running.pop(rng.randrange(len(running)))
                if step == "cancel":
                    await call.cancel()
                else:
                    verdict = Verdict.FAILURE if step == "fail" else Verdict.THROTTLED
                    await call.end(None if step == "return" else Said(verdict))
            trace.append((step, breaker.snapshot(), str(breaker.explain())))
        group.cancel_scope.cancel()
    return [*trace, *ear.heard]


@pytest.mark.parametrize("seed", range(10))
def test_invariant_18_the_same_trace_on_asyncio_and_trio(seed: int) -> None:
    """For one seed all snapshots, explanations, refusals and events are equal, one by one."""
    asyncio_trace = run(seeded_life, seed, backend="asyncio")
    trio_trace = run(seeded_life, seed, backend="trio")
    assert asyncio_trace == trio_trace
    assert len([event for event in asyncio_trace if isinstance(event, Transition)]) > 1
