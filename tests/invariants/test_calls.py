"""Invariants 11 to 14: what a call sees, and what counts."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from switchgear import (
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    State,
    Transition,
    TripSuppressed,
    Verdict,
    _circuit,
)
from switchgear.testing import VirtualClock
from tests.support import (
    SMALL,
    Said,
    TransitionEar,
    breaker_of,
    half_open,
    opened,
    refused,
)
from tests.tasks import DEADLINE, hang
from tests.ways import (
    Way,
    each_way,
    ends_well,
    probing,
    warm,
    watched,
    young,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@each_way
async def test_invariant_11_results_and_exceptions_pass_through_as_they_are(
    way: Way, subject: Callable[[], CircuitBreaker]
) -> None:
    """The same object, its cause and context, and a traceback that ends where the backend raised."""
    breaker = subject()
    result, cause = object(), LookupError("cause")
    error = Said(Verdict.FAILURE)

    async def serves() -> object:
        await checkpoint()
        return result

    async def raises() -> None:
        await checkpoint()
        raise error from cause

    assert await way(breaker, serves) is result
    with pytest.raises(Said) as raised:
        await way(breaker, raises)
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (cause, None)
    assert raised.traceback[-1].name == "raises"
    assert len(raised.traceback) <= 6


@each_way
async def test_invariant_12_own_refusals_and_cancellations_are_not_failures(way: Way) -> None:
    """A refusal by a breaker further in, and the caller's own deadline, say nothing of what this one guards; a
    deadline further in, which the backend missed, does.
    """
    inner, outer = opened(VirtualClock()), breaker_of(window=CountWindow(100), minimum_number_of_calls=100)

    async def refused_further_in() -> None:
        await inner.call(ends_well)

    async def own_deadline() -> None:
        with anyio.fail_after(0):
            await hang(Event())

    for _ in range(5):
        with pytest.raises(CallNotPermitted):
            await way(outer, refused_further_in)
        with pytest.raises(TimeoutError), anyio.fail_after(0):
            await way(outer, lambda: hang(Event()))
    snapshot = outer.snapshot()
    assert (snapshot.calls, snapshot.verdicts["IGNORED"], snapshot.in_flight) == (0, 10, 0)
    with pytest.raises(TimeoutError):
        await way(outer, own_deadline)
    assert outer.snapshot().verdicts["FAILURE"] == 1


async def test_invariant_12_a_crowd_of_cancelled_children_is_no_failure() -> None:
    """A task group that ends in a group of refusals and interruptions alone is no evidence; one failure in it is."""
    breaker = breaker_of()
    inner = refused(opened(VirtualClock()))
    for members, verdict in (
        ([inner, KeyboardInterrupt()], "IGNORED"),
        ([inner, Said(Verdict.IGNORED)], "IGNORED"),
        ([inner, Said(Verdict.FAILURE)], "FAILURE"),
    ):
        group = BaseExceptionGroup("crowd", [BaseExceptionGroup("inner crowd", members)])

        async def crowd(group: BaseExceptionGroup[BaseException] = group) -> None:
            raise group

        before = breaker.snapshot().verdicts[verdict]
        with pytest.raises(BaseExceptionGroup) as raised:
            await breaker.call(crowd)
        assert raised.value is group
        assert breaker.snapshot().verdicts[verdict] == before + 1


def disabled() -> CircuitBreaker:
    breaker = breaker_of()
    breaker.disable("test")
    return breaker


def metrics_only() -> CircuitBreaker:
    breaker = breaker_of()
    breaker.metrics_only("test")
    return breaker


def probing_widely() -> CircuitBreaker:
    return half_open(VirtualClock(), permitted_calls_in_half_open=20)


@pytest.mark.parametrize("subject", [young, warm, watched, disabled, metrics_only, probing_widely])
@each_way
async def test_invariant_13_parallel_calls_take_the_longest_and_not_the_sum(
    way: Way, subject: Callable[[], CircuitBreaker]
) -> None:
    """Twenty calls are all inside the backend at once: each waits there until the last has come."""
    breaker = subject()
    inside, everybody = 0, Event()

    async def meets() -> None:
        nonlocal inside
        inside += 1
        if inside == 20:
            everybody.set()
        await everybody.wait()

    with anyio.fail_after(DEADLINE):
        async with create_task_group() as group:
            for _ in range(20):
                group.start_soon(way, breaker, meets)
    assert inside == 20


def test_invariant_13_no_lock_is_held_while_foreign_code_runs() -> None:
    """Classification, observers, an exception's own text, the guarded function: each finds the lock free, and may use
    the breaker.
    """
    seen: list[str] = []

    def look(who: str) -> None:
        assert not _circuit._is_mine()
        breaker.snapshot()
        seen.append(who)

    class Told(Exception):
        def __str__(self) -> str:
            look("text")
            return "told"

    class Looking:
        def on_transition(self, event: Transition) -> None:
            look("observer")

        on_settled = on_refused = on_transition

    def classify(_exc: BaseException) -> Verdict:
        look("classify")
        return Verdict.FAILURE

    def classify_result(_result: object) -> Verdict:
        look("classify_result")
        return Verdict.SUCCESS

    breaker = CircuitBreaker("b", SMALL, classify=classify, classify_result=classify_result, clock=VirtualClock())
    breaker.subscribe(Looking())

    @breaker
    def backend(error: Exception | None) -> None:
        look("backend")
        if error is not None:
            raise error

    backend(None)
    for _ in range(3):
        with pytest.raises(Told):
            backend(Told())
    refused(breaker)
    assert set(seen) == {"text", "observer", "classify", "classify_result", "backend"}
    assert breaker.state is State.OPEN


@pytest.mark.parametrize("subject", [young, warm, watched, metrics_only, probing_widely])
@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.IGNORED], ids=repr)
@each_way
async def test_invariant_14_excluded_errors_never_trip(
    way: Way, verdict: Verdict, subject: Callable[[], CircuitBreaker]
) -> None:
    """A hundred errors that are no failures open nothing, not even on paper (METRICS_ONLY); the caller gets each."""
    breaker = subject()
    ear = TransitionEar()
    breaker.subscribe(ear)
    error = Said(verdict)

    async def raises() -> None:
        raise error

    for _ in range(100):
        with pytest.raises(Said) as raised:
            await way(breaker, raises)
        assert raised.value is error
    assert not [event for event in ear.heard if isinstance(event, TripSuppressed) or event.to_state is State.OPEN]
    assert breaker.snapshot().failure_rate == 0.0
