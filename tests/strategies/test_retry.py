"""Further attempts: what is tried again, when, and when not. The budget: tests/test_budget.py."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import switchgear as sg
from switchgear import (
    Breaker,
    CallNotPermitted,
    CircuitBreaker,
    ConfigurationError,
    LimitExceeded,
    Pipeline,
    Retry,
    RetryBudget,
    State,
    Strategy,
    Verdict,
)
from switchgear.spi import Operation
from tests.support import SMALL, Said, as_said
from tests.virtual_time import each_backend, run

PLENTY = RetryBudget(burst=1000)


class Backend:
    """Raises, or returns, what it was told, one after the other; and remembers when it was asked."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[float] = []

    async def __call__(self) -> object:
        self.asked.append(anyio.current_time())
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in zip(self.asked, self.asked[1:], strict=False)]


def pipeline_of(*strategies: Strategy, idempotent: bool = True, **options: Any) -> Pipeline:
    return Pipeline(*strategies, idempotent=idempotent, classify=as_said, clock=anyio.current_time, **options)


def outcome_of(backend: str, there: Backend, *strategies: Strategy, **options: Any) -> object:
    """What the call came to: the result, or the exception."""

    async def main() -> object:
        try:
            return await pipeline_of(*strategies, **options).call(there)
        except Exception as exc:  # noqa: BLE001 - whatever it is
            return exc

    return run(main, backend=backend)


def said(name: str, after: float | None = None) -> Said:
    return Said(getattr(Verdict, name).after(after))


# -- what is tried again ---------------------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize(
    ("name", "attempts"), [("FAILURE", 3), ("THROTTLED", 3), ("EXHAUSTED", 1), ("SUCCESS", 1), ("IGNORED", 1)]
)
def test_what_the_verdict_promises(backend: str, name: str, attempts: int) -> None:
    """What may be over in a moment is tried again; a full quota, a broken constraint and a wrong argument are not."""
    error = said(name)
    there = Backend(error)
    assert outcome_of(backend, there, Retry()) is error
    assert len(there.asked) == attempts


@each_backend
def test_it_ends_with_the_first_success(backend: str) -> None:
    """And the caller has that."""
    there = Backend(said("FAILURE"), said("THROTTLED"), "served", "never asked for")
    assert outcome_of(backend, there, Retry(attempts=5, budget=PLENTY)) == "served"
    assert len(there.asked) == 3


@each_backend
def test_only_what_is_idempotent(backend: str) -> None:
    """Invariant 24: an operation that may do harm when done twice is done once, unless somebody says otherwise."""
    there = Backend(said("FAILURE"))
    outcome_of(backend, there, Retry(on_result=lambda _: True), idempotent=False)
    assert len(there.asked) == 1
    outcome_of(backend, there, Retry(idempotent_only=False), idempotent=False)
    assert len(there.asked) == 4
    there = Backend("half", "done")
    assert outcome_of(backend, there, Retry(on_result=lambda result: result == "half"), idempotent=False) == "half"


@each_backend
def test_each_operation_of_a_service_goes_by_its_own_word(backend: str) -> None:
    """One pipeline serves reads and writes."""

    async def main() -> list[int]:
        pipeline = pipeline_of(Retry(initial=0, max=0), idempotent=False)
        asked: list[int] = []
        for operation in (Operation(name="get", idempotent=True), Operation(name="incr")):
            there = Backend(said("FAILURE"))
            with pytest.raises(Said):
                await pipeline.run(operation, "", there)
            asked.append(len(there.asked))
        return asked

    assert run(main, backend=backend) == [3, 1]


ON: list[Any] = [KeyError, (KeyError, IndexError), lambda exc: isinstance(exc, LookupError)]


@each_backend
@pytest.mark.parametrize("on", ON, ids=["a type", "types", "a function"])
def test_exceptions_can_be_named(backend: str, on: Any) -> None:
    """By type, types or a function; then what outcomes mean otherwise is of no account."""
    there = Backend(KeyError("a"), ValueError("b"))
    assert isinstance(outcome_of(backend, there, Retry(on=on)), ValueError)
    assert len(there.asked) == 2
    there = Backend(said("FAILURE"))
    outcome_of(backend, there, Retry(on=on))
    assert len(there.asked) == 1


@each_backend
def test_results_too(backend: str) -> None:
    """A result that says failure is tried again; the last one is the call's, whatever it says."""

    def judged(result: object) -> Verdict:
        return Verdict.FAILURE if result == "busy" else Verdict.SUCCESS

    there = Backend("busy", "busy", "done")
    assert outcome_of(backend, there, Retry(), classify_result=judged) == "done"
    there = Backend("busy")
    assert outcome_of(backend, there, Retry(), classify_result=judged) == "busy"
    assert len(there.asked) == 3
    there = Backend(None, 1)
    assert outcome_of(backend, there, Retry(on_result=lambda result: result is None)) == 1


@each_backend
def test_what_is_no_exception_passes(backend: str) -> None:
    """An interrupt is not tried again."""
    there = Backend(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outcome_of(backend, there, Retry())
    assert len(there.asked) == 1


# -- when it was not even tried --------------------------------------------------------------------------------------


@each_backend
@given(fails_at=st.integers(1, 6))
def test_never_against_an_open_breaker(backend: str, fails_at: int) -> None:
    """Invariant 24: the attempt that opens the breaker is the last, however many are left."""
    there = Backend(*["served"] * fails_at, said("FAILURE"))

    async def main() -> None:
        breaker = CircuitBreaker("b", SMALL, classify=as_said, clock=anyio.current_time)
        pipeline = pipeline_of(Retry(attempts=50, initial=0.01, budget=PLENTY), Breaker(breaker))
        for _ in range(fails_at):
            await pipeline.call(there)
        with pytest.raises(CallNotPermitted) as refusal:
            await pipeline.call(there)
        assert refusal.value.state is State.OPEN
        asked = len(there.asked)
        with pytest.raises(CallNotPermitted):
            await pipeline.call(there)
        assert len(there.asked) == asked < 20

    run(main, backend=backend)


@each_backend
@pytest.mark.parametrize(("retry_after", "waits"), [(4.0, [4.0, 4.0]), (None, []), (11.0, [])])
def test_a_limit_of_ours_that_names_a_time_is_asked_again(
    backend: str, retry_after: float | None, waits: list[float]
) -> None:
    """The backend was not touched, so the operation need not be idempotent; one that names no time is final."""
    there = Backend(LimitExceeded("b", "", "ratelimit", retry_after, "too many"))
    outcome = outcome_of(backend, there, Retry(roll=lambda: 0.0), idempotent=False)
    assert isinstance(outcome, LimitExceeded)
    assert there.waits == pytest.approx(waits)


# -- when ------------------------------------------------------------------------------------------------------------

roll = st.floats(0, 1)


@each_backend
@given(
    after=st.none() | st.floats(0, 20), rolls=st.lists(roll, min_size=9, max_size=9),
    jitter=st.sampled_from(["full", "decorrelated"]), attempts=st.integers(1, 10), most=st.floats(0, 20),
)  # fmt: skip
def test_the_backends_own_time_is_kept(
    backend: str, after: float | None, rolls: list[float], jitter: Any, attempts: int, most: float
) -> None:
    """Invariant 26: never sooner than it asked for, at most a pause later; and not at all if it asks for too much."""
    chance = iter(rolls)
    retry = Retry(
        attempts, 0.5, 3.0, jitter, max_retry_after=most, budget=RetryBudget(burst=99), roll=lambda: next(chance)
    )
    there = Backend(said("THROTTLED", after))
    outcome_of(backend, there, retry)
    asked_for = after or 0.0
    assert len(there.asked) == (attempts if asked_for <= most else 1)
    for wait in there.waits:
        assert asked_for - 1e-6 <= wait <= asked_for + 3.0 + 1e-6


@each_backend
def test_who_is_cancelled_while_waiting_is_cancelled(backend: str) -> None:
    """Nothing is tried after that."""
    there = Backend(said("FAILURE"))

    async def main() -> None:
        with anyio.move_on_after(5) as scope:
            await pipeline_of(Retry(10, initial=4, max=4, roll=lambda: 1.0)).call(there)
        assert scope.cancelled_caught

    run(main, backend=backend)
    assert there.waits == [4]


# -- retries alone ---------------------------------------------------------------------------------------------------


@each_backend
def test_retries_for_those_who_want_nothing_else(backend: str) -> None:
    """`@sg.retry` says by itself that trying again does no harm."""
    there = Backend(OSError(), OSError(), "served")

    @sg.retry(on=OSError, attempts=3, initial=0.01)
    async def fetch(key: str) -> object:
        return key, await there()

    async def main() -> object:
        return await fetch("k")

    assert run(main, backend=backend) == ("k", "served")
    assert len(there.asked) == 3


def test_the_same_for_plain_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With real pauses, which this test does not wait for."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    outcomes = iter([OSError(), OSError(), "served", ValueError("other")])

    @sg.retry(on=OSError, initial=1, max=4)
    def fetch() -> object:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert fetch() == "served"
    assert len(waited) == 2
    assert 0 <= waited[0] <= 1
    assert 0 <= waited[1] <= 2
    with pytest.raises(ValueError, match="other"):
        fetch()


def test_results_of_plain_functions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one is good, or there are no attempts left."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    results = iter([None, None, 3, None, None, None])
    fetch: Callable[[], int | None] = sg.retry(on_result=lambda result: result is None)(lambda: next(results))
    assert fetch() == 3
    assert fetch() is None


@each_backend
def test_a_deadline_over_all_attempts(backend: str) -> None:
    """Given with the retries."""

    async def main() -> None:
        with pytest.raises(TimeoutError, match="within 3 s"):
            await sg.retry(OSError, deadline=3).call(anyio.sleep, 10)

    run(main, backend=backend)


@each_backend
def test_a_single_call_has_all_its_attempts(backend: str) -> None:
    """The budget of ten attempts holds ten: whoever asks for them gets them, the first time."""
    there = Backend(TimeoutError())

    async def main() -> None:
        tenfold = sg.retry(TimeoutError, attempts=10, initial=0.001)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await tenfold.call(there)

    run(main, backend=backend)
    assert len(there.asked) == 10 + 1


def test_impossible_numbers_are_refused() -> None:
    """With the key that is wrong."""
    wrong: dict[str, Any] = {"attempts": 0, "initial": -1, "max": 0.01, "max_retry_after": inf}
    for key, value in wrong.items():
        with pytest.raises(ConfigurationError) as error:
            Retry(**{key: value})
        assert error.value.key == key


@each_backend
def test_it_counts(backend: str) -> None:
    """Further attempts, those that the budget did not pay for, and what is left of it."""
    retry = Retry(attempts=3)
    for _ in range(3):
        outcome_of(backend, Backend(said("FAILURE")), retry)
    assert retry.counts() == {"retries": 3, "denied": 2, "budget": pytest.approx(2 * 0.2 / 3)}
