"""A second attempt beside a slow first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import (
    Breaker,
    CircuitBreaker,
    ConfigurationError,
    Hedge,
    Pipeline,
    Retry,
    RetryBudget,
    Strategy,
    Timeout,
)
from switchgear._strategies._latencies import ENOUGH, KEPT, Latencies
from tests.support import DOWN, SMALL, Said, as_said
from tests.virtual_time import each_backend, run

Attempt = Callable[[], Any]


def pipeline_of(*strategies: Strategy, idempotent: bool = True, **options: Any) -> Pipeline:
    return Pipeline(*strategies, idempotent=idempotent, classify=as_said, clock=anyio.current_time, **options)


class Backend:
    """Each attempt takes so long, and then serves its number or fails; and is remembered with how it ended."""

    def __init__(self, *attempts: tuple[float, bool]) -> None:
        self.attempts = attempts
        self.begun: list[float] = []
        self.ended: list[str] = []

    async def __call__(self) -> int:
        number = len(self.begun)
        self.begun.append(anyio.current_time())
        self.ended.append("under way")
        takes, serves = self.attempts[number]
        try:
            await anyio.sleep(takes)
        except BaseException:
            self.ended[number] = "cancelled"
            raise
        self.ended[number] = "served" if serves else "failed"
        if not serves:
            raise Said(DOWN.verdict, str(number))
        return number


moments = st.integers(1, 20)


@each_backend
@given(first=moments, serves=st.booleans(), delay=moments, second=moments, serves_too=st.booleans())
def test_whoever_answers_first_is_the_answer(
    backend: str, first: int, serves: bool, delay: int, second: int, serves_too: bool
) -> None:
    """A model in a few lines; and whatever happens, when the call is over nothing of it goes on."""
    there = Backend((first, serves), (second + 0.5, serves_too))
    ends, ends_too = first, delay + second + 0.5
    hedged = first > delay
    if serves and not (hedged and serves_too and ends_too < ends):
        expected: tuple[object, float] = (0, ends)
    elif hedged and serves_too:
        expected = (1, ends_too)
    else:
        expected = ("0", max(ends, ends_too) if hedged else ends)

    async def main() -> tuple[object, float]:
        started = anyio.current_time()
        try:
            result: object = await pipeline_of(Hedge(delay=delay)).call(there)
        except Said as error:
            result = str(error)
        assert "under way" not in there.ended
        return result, anyio.current_time() - started

    if first != delay:
        outcome = run(main, backend=backend)
        assert outcome[0] == expected[0]
        assert outcome[1] == pytest.approx(expected[1])
        assert len(there.begun) == 1 + hedged


@each_backend
def test_the_loser_is_cancelled_and_settled(backend: str) -> None:
    """To the breaker further in it was given up: neither success nor failure, and no longer in flight."""

    async def main() -> None:
        for attempts in (((10, True), (1, True)), ((4, True), (10, True))):
            breaker = CircuitBreaker("b", SMALL, classify=as_said, clock=anyio.current_time)
            there = Backend(*attempts)
            await pipeline_of(Hedge(delay=2), Breaker(breaker), Timeout(20)).call(there)
            assert sorted(there.ended) == ["cancelled", "served"]
            assert (breaker.snapshot().calls, breaker.snapshot().in_flight) == (1, 0)

    run(main, backend=backend)


@each_backend
def test_a_caller_that_gives_up_ends_both(backend: str) -> None:
    """And is told nothing else."""
    there = Backend((10, True), (10, True))

    async def main() -> None:
        with anyio.move_on_after(5) as scope:
            await pipeline_of(Hedge(delay=2)).call(there)
        assert scope.cancelled_caught

    run(main, backend=backend)
    assert there.ended == ["cancelled", "cancelled"]


@each_backend
def test_each_attempt_has_its_own_timeout(backend: str) -> None:
    """The second one's begins when it does; when both run out the call has."""
    there = Backend((10, True), (4.5, True))

    async def main() -> None:
        pipeline = pipeline_of(Hedge(delay=2), Timeout(5))
        assert await pipeline.call(there) == 1
        with pytest.raises(TimeoutError):
            await pipeline.call(anyio.sleep_forever)

    run(main, backend=backend)


@each_backend
def test_a_guards_breaker_knows_whose_timeout_it_was(backend: str) -> None:
    """The second attempt's, where the first had failed by itself before: two failures, and nobody who gave up."""

    async def main() -> None:
        breaker = CircuitBreaker("b", SMALL, classify=as_said, clock=anyio.current_time)
        there = Backend((3, False), (100, True))
        with pytest.raises(Said):
            await pipeline_of(Hedge(delay=2), Timeout(5), name="b").call(breaker.call, there)
        assert [cause.type for cause in breaker.snapshot().causes] == ["Said", "CallTimedOut"]

    run(main, backend=backend)


@each_backend
def test_only_what_is_idempotent(backend: str) -> None:
    """Unless somebody says otherwise."""

    async def main() -> None:
        there = Backend((10, True), (1, True))
        assert await pipeline_of(Hedge(delay=2), idempotent=False).call(there) == 0
        there = Backend((10, True), (1, True))
        assert await pipeline_of(Hedge(delay=2, idempotent_only=False), idempotent=False).call(there) == 1

    run(main, backend=backend)


@each_backend
def test_only_within_the_budget(backend: str) -> None:
    """Its own, or that of the retries further out; when that is empty the first attempt is left to itself."""

    async def main() -> None:
        hedge = Hedge(delay=2, budget=RetryBudget(ratio=0))
        for number in range(6):
            there = Backend((10, True), (1, True))
            assert await pipeline_of(hedge).call(there) == (number < 3)
        assert hedge.counts() == {"hedges": 3, "won": 3, "denied": 3, "budget": 0.0}

        spent = RetryBudget(ratio=0, burst=1)
        assert spent.withdraw()
        there = Backend((10, True), (1, True))
        assert await pipeline_of(Retry(budget=spent), Hedge(delay=2)).call(there) == 0

    run(main, backend=backend)


@each_backend
def test_it_learns_what_is_slow(backend: str) -> None:
    """Without a delay of its own it hedges nothing at first, and then what takes longer than most calls did."""

    async def main() -> None:
        hedge = Hedge(quantile=0.9)
        pipeline = pipeline_of(hedge)
        for number in range(ENOUGH):
            there = Backend((1 if number % 10 else 3, True), (0, True))
            assert await pipeline.call(there) == 0
        there = Backend((2, True), (0, True))
        assert await pipeline.call(there) == 0
        there = Backend((10, True), (0.5, True))
        started = anyio.current_time()
        assert await pipeline.call(there) == 1
        assert anyio.current_time() - started == pytest.approx(3.5)

    run(main, backend=backend)


@given(st.lists(st.floats(0, 10), max_size=300), st.floats(0.05, 0.99))
def test_the_quantile_is_that_of_the_last_calls(seconds: list[float], share: float) -> None:
    """Against sorting all of them, looked at now and then; none while too few are known."""
    latencies = Latencies(share)
    looks: list[float] = []
    for number, each in enumerate(seconds, start=1):
        latencies.add(each)
        if number < ENOUGH:
            assert latencies.long is None
            continue
        last = sorted(seconds[max(0, number - KEPT) : number])
        looks.append(last[int(share * len(last))])
        assert latencies.long in looks[-16:]


WRONG: list[dict[str, Any]] = [{"quantile": 0}, {"quantile": 1}, {"delay": -1}, {"delay": float("inf")}]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_impossible_numbers_are_refused(options: dict[str, Any]) -> None:
    """With the key that is wrong."""
    with pytest.raises(ConfigurationError) as error:
        Hedge(**options)
    assert error.value.key in options
