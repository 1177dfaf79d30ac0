"""Five words, and how an exception comes to one of them."""

from __future__ import annotations

import asyncio

import pytest
import trio

from switchgear import CallNotPermitted, CallTimedOut, State, Verdict
from switchgear._verdict import unknown_is_failure
from switchgear.lowlevel import judge
from tests.support import Said, as_said

ALL = [Verdict.IGNORED, Verdict.SUCCESS, Verdict.THROTTLED, Verdict.FAILURE, Verdict.EXHAUSTED]


def test_verdicts_are_values() -> None:
    """Equal by what they say, usable as keys, told apart by wait and reach."""
    assert Verdict("FAILURE") == Verdict.FAILURE
    assert len({Verdict.FAILURE, Verdict("FAILURE"), Verdict.SUCCESS}) == 2
    assert Verdict.THROTTLED.after(1.0) == Verdict("THROTTLED", retry_after=1.0) != Verdict.THROTTLED
    assert Verdict.FAILURE.everywhere() == Verdict("FAILURE", service_wide=True) != Verdict.FAILURE
    assert hash(Verdict.FAILURE.everywhere()) != hash(Verdict.FAILURE)
    assert Verdict.FAILURE != "FAILURE"
    assert Verdict.FAILURE.__eq__("FAILURE") is NotImplemented


def test_what_is_added_to_a_verdict_leaves_the_rest() -> None:
    """A wait and a reach, in either order; None takes the wait away."""
    both = Verdict.EXHAUSTED.after(5.0).everywhere()
    assert both == Verdict.EXHAUSTED.everywhere().after(5.0)
    assert (both.name, both.retry_after, both.service_wide) == ("EXHAUSTED", 5.0, True)
    assert both.after(None) == Verdict.EXHAUSTED.everywhere()


def test_repr_is_how_it_was_made() -> None:
    """For logs and failing tests."""
    assert repr(Verdict.FAILURE) == "Verdict.FAILURE"
    assert repr(Verdict.THROTTLED.after(2.5).everywhere()) == "Verdict.THROTTLED.after(2.5).everywhere()"


@pytest.mark.parametrize(
    ("said", "kept"),
    [(float("nan"), None), (-1.0, 0.0), (0.0, 0.0), (2.5, 2.5), (float("inf"), float("inf")), (None, None)],
)
def test_a_wait_from_the_wire_is_made_fit(said: float | None, kept: float | None) -> None:
    """A header may say anything: what is no number is no wait, and a moment gone by is none to wait for."""
    assert Verdict.THROTTLED.after(said).retry_after == kept


def test_unknown_exceptions_are_failures() -> None:
    """By default; nobody explained them."""
    assert unknown_is_failure(ValueError()) is Verdict.FAILURE
    assert judge(ValueError(), unknown_is_failure) is Verdict.FAILURE


@pytest.mark.parametrize(
    "exc",
    [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(), GeneratorExit()],
    ids=lambda exc: type(exc).__name__,
)
def test_what_is_no_exception_says_nothing(exc: BaseException) -> None:
    """And is not shown to `classify`, which would not know it."""
    assert judge(exc, pytest.fail) == Verdict.IGNORED  # type: ignore[arg-type]


def test_trios_cancellation_says_nothing() -> None:
    """It cannot be made by hand, only caught."""
    judged: list[Verdict] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep(1)
            except trio.Cancelled as cancelled:
                judged.append(judge(cancelled, unknown_is_failure))
                raise

    trio.run(main)
    assert judged == [Verdict.IGNORED]


def test_a_refusal_further_in_says_nothing() -> None:
    """Another breaker's decision is no news from this backend."""
    refusal = CallNotPermitted("inner", "", State.OPEN, 1.0, "it failed")
    assert judge(refusal, unknown_is_failure) == Verdict.IGNORED


@pytest.mark.parametrize("worst", range(len(ALL)))
def test_a_group_is_as_bad_as_its_worst_member(worst: int) -> None:
    """In whatever order, however deep."""
    members = [Said(verdict) for verdict in ALL[: worst + 1]]
    for group in (ExceptionGroup("g", members), ExceptionGroup("g", members[::-1])):
        assert judge(group, as_said) == ALL[worst]
        assert judge(BaseExceptionGroup("outer", [KeyboardInterrupt(), group]), as_said) == ALL[worst]


def test_a_group_of_nothing_but_cancellations_says_nothing() -> None:
    """As a cancelled task group raises it."""
    group = BaseExceptionGroup("g", [asyncio.CancelledError(), KeyboardInterrupt()])
    assert judge(group, unknown_is_failure) == Verdict.IGNORED


def test_a_limit_of_time_of_ours_is_a_failure() -> None:
    """Whatever a plugin's table makes of errors that it does not know."""
    assert judge(CallTimedOut("cache", "get", 1.0), lambda _: Verdict.IGNORED) == Verdict.FAILURE
