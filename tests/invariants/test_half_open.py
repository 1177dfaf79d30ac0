"""Invariants 3 and 4: few probes at once, and no lost one wedges it."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from anyio import create_task_group

from switchgear import (
    CallNotPermitted,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Said,
    half_open,
    refused,
    succeed,
)
from tests.tasks import Running, begin, cancel
from tests.ways import (
    Unheard,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("permitted", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
async def test_invariant_03_half_open_in_flight_and_probes_of_a_round_are_bounded(seed: int, permitted: int) -> None:
    """Callers come, fail, succeed and are cancelled at random through many rounds: never more than `permitted` probes
    at once, nor in a round (those that were given back apart).
    """
    rng = random.Random(seed)
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=permitted, max_wait_in_half_open=1e9, probe_timeout=1e9)
    rounds: set[int] = set()
    most = 0
    async with create_task_group() as group:
        running: list[tuple[int, Running]] = []
        spent: dict[int, int] = {}
        for _ in range(150):
            snapshot = breaker.snapshot()
            if rng.random() < 0.6:
                with suppress(CallNotPermitted):
                    call = await begin(group, breaker)
                    running.append((breaker.snapshot().generation, call))
            elif running:
                generation, call = running.pop(rng.randrange(len(running)))
                if rng.random() < 0.3:
                    await call.cancel()
                else:
                    await call.end(Said(Verdict.FAILURE) if rng.random() < 0.6 else None)
                    spent[generation] = spent.get(generation, 0) + 1
            elif snapshot.state is not State.HALF_OPEN:
                breaker.force_open("again", for_=0.0)
            snapshot = breaker.snapshot()
            if snapshot.state is State.HALF_OPEN:
                probes = sum(generation == snapshot.generation for generation, _ in running)
                assert probes <= permitted
                assert spent.get(snapshot.generation, 0) + probes <= permitted
                assert snapshot.probes == (spent.get(snapshot.generation, 0), probes)
                rounds.add(snapshot.generation)
                most = max(most, probes)
            elif snapshot.state is State.OPEN and rng.random() < 0.5:
                clock.advance(8.0)
        for _, call in running:
            await call.cancel()
    assert len(rounds) > 3
    assert most == permitted


@pytest.mark.parametrize("permitted", [1, 3])
async def test_invariant_04_a_lost_probe_gives_its_permit_back_within_the_probe_timeout(permitted: int) -> None:
    """Cancelled: at once. Crashed: at once. Never heard of again: after `probe_timeout`. Each time a full round of
    probes is lost, and each time it closes after all.
    """
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=permitted, probe_timeout=5.0, max_wait_in_half_open=1e9)

    async def crash() -> None:
        raise Unheard

    async with create_task_group() as group:
        for _ in range(permitted):
            await cancel(breaker)
        for _ in range(permitted):
            with pytest.raises(Unheard):
                await breaker.call(crash)
        lost = [await begin(group, breaker) for _ in range(permitted)]
        assert refused(breaker).state is State.HALF_OPEN
        clock.advance(5.0)
        late = [await begin(group, breaker) for _ in range(permitted)]
        refused(breaker)
        for call in late:
            await call.end()
        assert breaker.state is State.CLOSED
        for call in lost:
            await call.end(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls) == (State.CLOSED, 0)
    assert snapshot.late >= permitted


async def test_invariant_04_no_schedule_of_losses_wedges_it() -> None:
    """Probes that hang, round after round, lead to OPEN and to new rounds; the first good round closes it."""
    clock = VirtualClock()
    breaker = half_open(clock, probe_timeout=5.0, max_wait_in_half_open=12.0)
    async with create_task_group() as group:
        for _ in range(10):
            assert breaker.state is State.HALF_OPEN
            for pause in (5.0, 5.0, 2.0):
                await begin(group, breaker)
                clock.advance(pause)
            assert breaker.snapshot().state is State.OPEN
            clock.advance(8.0)
        group.cancel_scope.cancel()
    succeed(breaker, 3)
    assert breaker.state is State.CLOSED
