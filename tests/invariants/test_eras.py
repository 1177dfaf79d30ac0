"""Invariants 5 and 6: the past changes nothing, and only legal edges are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from anyio import create_task_group

from switchgear import (
    CircuitBreaker,
    Reason,
    Snapshot,
    State,
    Transition,
    Verdict,
)
from switchgear.lowlevel import OPERATIONS, TRANSITIONS
from switchgear.testing import VirtualClock
from tests.life import Life
from tests.support import (
    Said,
    breaker_of,
)
from tests.tasks import begin

pytestmark = pytest.mark.anyio


MOVES: dict[State, Callable[[CircuitBreaker, VirtualClock], None]] = {
    State.OPEN: lambda breaker, clock: breaker.trip(Reason.SERVICE_WIDE, "test"),
    State.HALF_OPEN: lambda breaker, clock: breaker.force_open("test", for_=0.0),
    State.CLOSED: lambda breaker, clock: breaker.reset(),
    State.FORCED_OPEN: lambda breaker, clock: breaker.force_open("test"),
    State.DISABLED: lambda breaker, clock: breaker.disable("test"),
    State.METRICS_ONLY: lambda breaker, clock: breaker.metrics_only("test"),
}


def present(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, late=0)


@pytest.mark.parametrize("issued", [State.CLOSED, State.HALF_OPEN], ids=str)
@pytest.mark.parametrize("now", list(MOVES), ids=str)
async def test_invariant_05_an_outcome_of_an_older_generation_changes_nothing(now: State, issued: State) -> None:
    """Whatever became of the breaker since: the outcomes of a former closed era, or round of probes, only add to
    `late`. The rest of the snapshot is the same.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock, consecutive_failures=1, permitted_calls_in_half_open=6)
    if issued is State.HALF_OPEN:
        breaker.force_open("test", for_=0.0)
    outcomes: list[Exception | None] = [
        None,
        Said(Verdict.FAILURE),
        Said(Verdict.THROTTLED.after(60)),
        Said(Verdict.EXHAUSTED),
        Said(Verdict.IGNORED),
    ]
    async with create_task_group() as group:
        calls = [await begin(group, breaker) for _ in range(len(outcomes) + 1)]
        MOVES[now](breaker, clock)
        before = breaker.snapshot()
        assert before.state is now
        for call, outcome in zip(calls[1:], outcomes, strict=True):
            await call.end(outcome)
        await calls[0].cancel()
        after = breaker.snapshot()
        assert present(after) == present(before)
        assert after.late == before.late + 6


def test_invariant_06_only_legal_edges() -> None:
    """Sixty random lives take every edge of the table and no other; what is not in it was an operator's."""
    taken: set[tuple[State, Reason]] = set()
    for seed in range(60):
        life = Life(seed).live()
        state, generation = State.CLOSED, 0
        for move in life.ear.of(Transition):
            assert move.from_state is state
            assert move.generation > generation
            if move.reason is Reason.OPERATOR:
                assert move.to_state in OPERATIONS.values()
            else:
                assert TRANSITIONS[state][move.reason] is move.to_state
                taken.add((state, move.reason))
            state, generation = move.to_state, move.generation
        assert life.breaker.machine_state is state
    assert taken == {(state, reason) for state, edges in TRANSITIONS.items() for reason in edges}
