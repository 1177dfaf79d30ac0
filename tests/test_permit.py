"""A permit is settled exactly once, by whatever comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from switchgear import BreakerConfig, CallNotPermitted, CircuitBreaker, Permit, State, Verdict
from switchgear.testing import VirtualClock
from tests.support import DOWN, Said, breaker_of, half_open, state, succeed

pytestmark = pytest.mark.anyio

WAYS: dict[str, tuple[Callable[[Permit], None], str]] = {
    "succeed": (lambda permit: permit.succeed(), "SUCCESS"),
    "succeed with a result": (lambda permit: permit.succeed(7), "SUCCESS"),
    "fail": (lambda permit: permit.fail(DOWN), "FAILURE"),
    "settle": (lambda permit: permit.settle(Verdict.THROTTLED), "THROTTLED"),
    "release": (lambda permit: permit.release(), "IGNORED"),
}


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("busy", [False, True], ids=["young", "healthy"])
def test_it_is_settled_once(first: str, second: str, *, busy: bool) -> None:
    """By the first; what comes after it changes nothing."""
    breaker = breaker_of()
    if busy:
        succeed(breaker, 8)
    permit = breaker.permit()
    assert permit.settled is False
    settle, verdict = WAYS[first]
    settle(permit)
    assert permit.settled is True
    WAYS[second][0](permit)
    permit.attempt_failed(DOWN)
    permit.first_chunk()
    snapshot = breaker.snapshot()
    counted = {name: count for name, count in snapshot.verdicts.items() if count}
    expected = {"SUCCESS": 8} if busy else {}
    expected[verdict] = expected.get(verdict, 0) + 1
    assert (counted, snapshot.in_flight, snapshot.late) == (expected, 0, 0)


def test_what_is_settled_while_its_result_is_judged_is_not_settled_again() -> None:
    """To judge is foreign code's: it may give the permit back."""
    permits: list[Permit] = []

    def judge(_result: object) -> Verdict:
        for permit in permits:
            permit.release()
        return Verdict.SUCCESS

    breaker = CircuitBreaker("b", BreakerConfig(minimum_number_of_calls=4), classify_result=judge, clock=VirtualClock())
    for _ in range(4):
        breaker.permit().succeed(7)
    permits.append(breaker.permit())
    permits[0].succeed(7)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.verdicts["IGNORED"], snapshot.in_flight) == (4, 1, 0)


def test_a_block_settles_by_what_it_does() -> None:
    """Its end is a success, an exception is judged, and both pass through."""
    breaker = breaker_of()
    with breaker.permit() as permit:
        pass
    assert permit.settled
    with pytest.raises(Said), breaker.permit():
        raise DOWN
    with pytest.raises(KeyboardInterrupt), breaker.permit():
        raise KeyboardInterrupt
    assert breaker.snapshot().verdicts == {"SUCCESS": 1, "FAILURE": 1, "THROTTLED": 0, "EXHAUSTED": 0, "IGNORED": 1}


async def test_an_async_block_settles_alike() -> None:
    """On asyncio and trio."""
    breaker = breaker_of()
    async with breaker.permit() as permit:
        pass
    assert permit.settled
    with pytest.raises(Said):
        async with breaker.permit():
            raise DOWN
    assert breaker.snapshot().verdicts["FAILURE"] == breaker.snapshot().verdicts["SUCCESS"] == 1


def test_a_block_that_settled_its_permit_itself_is_not_settled_again() -> None:
    """Who knows better in the block has the last word."""
    breaker = breaker_of()
    with breaker.permit() as permit:
        permit.settle(Verdict.FAILURE)
    assert breaker.snapshot().verdicts["SUCCESS"] == 0


def test_an_attempt_and_the_call_with_the_same_error_count_once() -> None:
    """A client that gives up raises the last attempt's error: it was counted."""
    breaker = breaker_of()
    permit = breaker.permit()
    permit.attempt_failed(DOWN)
    permit.fail(DOWN)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.verdicts["IGNORED"], snapshot.calls) == (1, 1, 1)


def test_an_attempt_and_the_call_with_another_error_count_both() -> None:
    """Two things went wrong."""
    breaker = breaker_of()
    permit = breaker.permit()
    permit.attempt_failed(DOWN)
    permit.fail(Said(Verdict.FAILURE))
    assert breaker.snapshot().verdicts["FAILURE"] == 2


def test_an_attempt_that_failed_and_a_call_that_served_count_both() -> None:
    """The retry hid the failure from the caller and not from the breaker."""
    breaker = breaker_of()
    permit = breaker.permit()
    permit.attempt_failed(DOWN)
    permit.succeed()
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.verdicts["SUCCESS"], snapshot.calls) == (1, 1, 2)


@pytest.mark.parametrize("verdict", [Verdict.IGNORED, Verdict.SUCCESS])
def test_an_attempt_that_says_nothing_bad_is_no_evidence(verdict: Verdict) -> None:
    """Only what went wrong with the backend is."""
    breaker = breaker_of()
    permit = breaker.permit()
    permit.attempt_failed(Said(verdict))
    assert breaker.snapshot().calls == 0
    assert not permit.settled
    permit.release()


def test_it_knows_its_operation_and_domain() -> None:
    """For whoever holds it."""
    clock = VirtualClock()
    permit = breaker_of(clock).permit("get", operation_class="read")
    assert (permit.operation, permit.domain, permit.started) == ("get", "", 1000.0)
    permit.release()


def test_the_operation_class_decides_what_is_slow() -> None:
    """By the permit, as by the plugin."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold={"read": 1.0})
    for operation_class, rate in ((None, 0.0), ("other", 0.0), ("read", 1 / 3)):
        with breaker.permit(operation_class=operation_class):
            clock.advance(5.0)
        assert breaker.snapshot().slow_call_rate == rate


def test_a_permit_of_a_wider_breaker_is_settled_with_it() -> None:
    """By the same verdict, also where the call itself would have gone without the lock."""
    narrow, wide = breaker_of(), breaker_of()
    succeed(narrow, 8)
    for settle, verdict in WAYS.values():
        permit = narrow.permit()
        permit.also = wide.permit()
        before = wide.snapshot().verdicts[verdict]
        settle(permit)
        assert permit.also.settled
        assert wide.snapshot().verdicts[verdict] == before + 1


def test_a_failed_attempt_settles_a_call_that_holds_two_permits() -> None:
    """The wider breaker is probing: it is to know now."""
    narrow = breaker_of()
    wide = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    permit = narrow.permit()
    permit.also = wide.permit()
    permit.attempt_failed(DOWN)
    assert permit.settled
    assert state(wide) is State.OPEN


def test_a_refused_permit_is_none() -> None:
    """There is nothing to settle."""
    breaker = breaker_of()
    breaker.force_open("test")
    with pytest.raises(CallNotPermitted):
        breaker.permit()
    assert breaker.snapshot().in_flight == 0
