"""The limit of all attempts together. What nested calls inherit of it: tests/test_pipeline.py."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchgear import (
    Breaker,
    CallTimedOut,
    CircuitBreaker,
    Deadline,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Strategy,
    Timeout,
    remaining,
)
from switchgear.spi import Call, Next, Operation
from tests.support import DOWN, SMALL
from tests.virtual_time import each_backend, run

moments = st.integers(1, 20)


def pipeline_of(*strategies: Strategy, **options: Any) -> Pipeline:
    return Pipeline(*strategies, clock=anyio.current_time, idempotent=True, **options)


@each_backend
@given(deadline=moments, timeout=moments, cancelled=moments)
def test_whose_limit_it_was(backend: str, deadline: int, timeout: int, cancelled: int) -> None:
    """That of the last attempt, of the whole call, or the caller's own: what comes first, and the error says which."""
    expected = {3 * timeout: "attempt", deadline: "whole", cancelled: "cancelled"}
    assume(len(expected) == 3 and timeout <= deadline)
    pipeline = pipeline_of(Deadline(deadline), Retry(3, initial=0, max=0), Timeout(timeout))

    async def main() -> str:
        with anyio.CancelScope(deadline=anyio.current_time() + cancelled):
            try:
                await pipeline.call(anyio.sleep_forever)
            except CallTimedOut as error:
                return "whole" if error.whole else "attempt"
        return "cancelled"

    assert run(main, backend=backend) == expected[min(expected)]


@each_backend
def test_to_a_breaker_it_is_the_callers_own_hurry(backend: str) -> None:
    """It says nothing about the backend: neither success nor failure, and nothing stays in flight."""

    async def main() -> None:
        breaker = CircuitBreaker("b", SMALL, clock=anyio.current_time)
        pipeline = pipeline_of(Deadline(1), Breaker(breaker))
        for _ in range(10):
            with pytest.raises(TimeoutError, match="within 1 s, the deadline of all attempts"):
                await pipeline.call(anyio.sleep_forever)
        assert (breaker.snapshot().calls, breaker.snapshot().in_flight) == (0, 0)

    run(main, backend=backend)


@each_backend
@given(deadline=st.floats(0.5, 20), fails_after=st.floats(0, 3), attempts=st.integers(2, 8))
def test_no_attempt_begins_after_it(backend: str, deadline: float, fails_after: float, attempts: int) -> None:
    """Invariant 24: nothing is tried again that could only begin when the time is over; the error is then the last."""
    begun: list[float] = []

    async def work() -> None:
        begun.append(remaining())
        await anyio.sleep(fails_after)
        raise DOWN

    async def main() -> None:
        retry = Retry(attempts, initial=1, max=5, budget=RetryBudget(burst=100))
        started = anyio.current_time()
        with pytest.raises((CallTimedOut, type(DOWN))):
            await pipeline_of(Deadline(deadline), retry).call(work)
        assert anyio.current_time() - started <= deadline + 1e-6

    run(main, backend=backend)
    assert all(left > 0 for left in begun)


@each_backend
def test_a_fallback_has_the_time_that_there_was_before(backend: str) -> None:
    """The deadline that ended the call does not end what stands in for it; one further out would."""

    async def stand_in() -> float:
        await anyio.sleep(10)
        return remaining()

    async def main() -> None:
        @pipeline_of(Fallback(function=stand_in), Deadline(1))
        async def inner() -> float:
            await anyio.sleep_forever()
            return 0.0

        assert await inner() == inf
        assert await pipeline_of(Deadline(20)).call(inner) == pytest.approx(9)
        with pytest.raises(CallTimedOut) as error:
            await pipeline_of(Deadline(5)).call(inner)
        assert error.value.seconds == 5

    run(main, backend=backend)


@each_backend
def test_strategies_further_out_have_the_time_that_there_was_before(backend: str) -> None:
    """When it has ended the call, and when it has not."""

    @dataclass(eq=False)
    class Outer(Strategy):
        name: ClassVar[str] = "outer"

        def __call__(self, inner: Next, /) -> Next:
            async def outer(call: Call) -> Any:
                try:
                    return await inner(call)
                finally:
                    seen.append(call.remaining())

            return outer

    seen: list[float] = []

    async def main() -> None:
        pipeline = pipeline_of(Outer(), Deadline(1))
        await pipeline.call(anyio.sleep, 0)
        with pytest.raises(TimeoutError):
            await pipeline.call(anyio.sleep_forever)

    run(main, backend=backend)
    assert seen == [inf, inf]


@each_backend
def test_what_waits_by_design_has_none(backend: str) -> None:
    """A number is for all classes of operations but "blocking"."""

    async def main() -> None:
        pipeline = pipeline_of(Deadline(1))
        await pipeline.run(Operation(name="blpop", klass="blocking"), "", lambda: anyio.sleep(100))
        with pytest.raises(TimeoutError):
            await pipeline.run(Operation(name="get"), "", lambda: anyio.sleep(100))

    run(main, backend=backend)


def test_a_plain_function_is_not_tried_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be interrupted, but it is not repeated past the deadline either."""
    now = [0.0]
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    begun: list[float] = []
    pipeline = Pipeline(
        Deadline(10), Retry(8, initial=4, max=4, roll=lambda: 1.0), idempotent=True, clock=lambda: now[0]
    )

    @pipeline
    def work() -> None:
        begun.append(now[0])
        assert remaining() == 10 - now[0]
        raise DOWN

    with pytest.raises(type(DOWN)):
        work()
    assert begun == [0, 4, 8]
    assert remaining() == inf
