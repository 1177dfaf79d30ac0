"""Invariant 1: every admitted call settles exactly once, however it ends."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from anyio import CancelScope

from switchgear import (
    CircuitBreaker,
    CountWindow,
    Settled,
    State,
    Verdict,
)
from switchgear.lowlevel import BreakerMachine
from tests.support import (
    Ear,
    Held,
    Said,
    breaker_of,
    gate,
)
from tests.tasks import in_threads
from tests.ways import (
    Body,
    Way,
    by_stream,
    each_way,
    ends_well,
    fails,
    fails_with_others,
    is_cancelled,
    is_interrupted,
    is_left,
    probing,
    warm,
    watched,
    young,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (ends_well, "SUCCESS"),
        (fails, "FAILURE"),
        (is_interrupted, "IGNORED"),
        (is_left, "IGNORED"),
        (fails_with_others, "FAILURE"),
        (is_cancelled, "IGNORED"),
    ],
)
@each_way
async def test_invariant_01_every_admitted_call_settles_exactly_once(
    way: Way, body: Body, verdict: str, subject: Callable[[], CircuitBreaker]
) -> None:
    """However a call is guarded and however it ends: one more of its verdict, none of another, none in flight."""
    breaker = subject()
    before = breaker.snapshot()
    with CancelScope() as scope, suppress(Exception, KeyboardInterrupt, GeneratorExit, BaseExceptionGroup):
        if body is is_cancelled:
            scope.cancel()
        await way(breaker, body)
    after = breaker.snapshot()
    assert dict(after.verdicts) == {**before.verdicts, verdict: before.verdicts[verdict] + 1}
    assert (after.in_flight, after.late) == (0, 0)
    if after.state is State.HALF_OPEN:
        assert after.probes == (verdict != "IGNORED", 0)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*by_stream:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@each_way
def test_invariant_01_a_call_that_is_dropped_settles_once(way: Way, subject: Callable[[], CircuitBreaker]) -> None:
    """A coroutine that is closed in the midst (GeneratorExit) gives its permit back.

    Before Python 3.13 closing one that waits for an asynchronous generator does not reach into the generator, whoever
    made it: it says that it "is already running", and goes with its last reference.
    """
    breaker = subject()
    before = breaker.snapshot()
    call = Held(way(breaker, gate))
    assert breaker.snapshot().in_flight == (0 if way is by_stream and before.state is State.CLOSED else 1)
    with suppress(RuntimeError) if way is by_stream else nullcontext():
        call.closed()
    del call
    gc.collect()
    after = breaker.snapshot()
    assert dict(after.verdicts) == {**before.verdicts, "IGNORED": 1}
    assert (after.in_flight, after.probes) == (0, (0, 0))


def test_invariant_01_a_second_settling_changes_nothing() -> None:
    """By hand, in any order: the first word counts."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    for first in ("succeed", "fail", "settle", "release"):
        arguments: dict[str, tuple[Any, ...]] = {"fail": (OSError(),), "settle": (Verdict.THROTTLED,)}
        with breaker.permit() as permit:
            getattr(permit, first)(*arguments.get(first, ()))
            permit.succeed()
            permit.fail(OSError())
            permit.settle(Verdict.EXHAUSTED)
            permit.release()
            permit.attempt_failed(OSError())
            permit.first_chunk()
    assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS", "FAILURE", "THROTTLED", "IGNORED"]
    assert breaker.snapshot().in_flight == 0


def test_invariant_01_in_threads() -> None:
    """Eight threads end their calls in every way: as many settled as admitted, and none in flight."""
    breaker = breaker_of(window=CountWindow(10_000), minimum_number_of_calls=10_000)

    def work(number: int) -> None:
        for turn in range(150):
            permit = breaker.permit()
            match (number + turn) % 3:
                case 0:
                    permit.succeed()
                case 1:
                    permit.fail(Said(Verdict.FAILURE))
                case _:
                    permit.release()

    in_threads(work)
    snapshot = breaker.snapshot()
    assert snapshot.verdicts == {"SUCCESS": 400, "FAILURE": 400, "IGNORED": 400, "THROTTLED": 0, "EXHAUSTED": 0}
    assert snapshot.in_flight == 0


def test_invariant_01_eras_end_under_the_feet_of_calls_that_take_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads call through open doors while one of them resets: each call is counted, by its verdict or as late.

    For the doors are shut before those that passed are counted. Only a thread that stands between door and tick at
    that moment escapes: at most one call of each.
    """
    breaker = breaker_of(minimum_number_of_calls=1)
    shut: list[bool] = []
    drain = BreakerMachine._drain

    def and_look(self: BreakerMachine) -> None:
        shut.append(self.lanes[0].slot.until < 0)
        drain(self)

    guarded = breaker(lambda: None)
    guarded()
    monkeypatch.setattr(BreakerMachine, "_drain", and_look)
    breaker.reset()
    assert shut == [True]
    monkeypatch.undo()

    def work(number: int) -> None:
        for turn in range(1500):
            guarded()
            if number == 0 and turn % 100 == 0:
                breaker.reset()

    in_threads(work)
    snapshot = breaker.snapshot()
    lost = 1 + 8 * 1500 - sum(snapshot.verdicts.values()) - snapshot.late
    assert 0 <= lost <= 7 * 15
    assert snapshot.in_flight == 0
