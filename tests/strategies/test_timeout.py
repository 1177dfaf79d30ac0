"""The limit of one attempt, and what breakers make of it."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchgear import Breaker, CallTimedOut, CircuitBreaker, ConfigurationError, Deadline, Hedge, Pipeline, Timeout
from switchgear.spi import Operation
from switchgear.testing.virtual_time import stall
from tests.support import SMALL
from tests.virtual_time import each_backend, run

READ, BLOCKING = Operation(name="get"), Operation(name="blpop", klass="blocking")
moments = st.integers(1, 20)


def pipeline_of(timeout: Timeout, **options: Any) -> Pipeline:
    return Pipeline(timeout, clock=anyio.current_time, **options)


@each_backend
@given(timeout=moments, cancelled=moments, takes=moments, shielded=st.booleans())
def test_only_what_comes_first_is_what_happened(
    backend: str, timeout: int, cancelled: int, takes: int, shielded: bool
) -> None:
    """The result, the timeout, or the caller's cancellation: never one for the other, whenever each of them comes."""
    assume(len({timeout, cancelled, takes}) == 3)

    async def work() -> str:
        await anyio.sleep(takes)
        return "served"

    async def main() -> str:
        with anyio.CancelScope(deadline=anyio.current_time() + cancelled):
            try:
                return await pipeline_of(Timeout(timeout)).call(work)
            except TimeoutError:
                return "timed out"
        return "cancelled"

    expected = {takes: "served", timeout: "timed out", cancelled: "cancelled"}
    assert run(main, backend=backend) == expected[min(expected)]


@each_backend
@pytest.mark.parametrize("native", [False, True], ids=["caller's scope", "and asyncio.timeout"])
@pytest.mark.parametrize("patience", [1, 4])
@pytest.mark.parametrize("hedged", [False, True], ids=["", "hedged"])
@pytest.mark.parametrize("limits", [1, 2])
def test_a_caller_who_gives_up_in_the_same_moment_has_given_up(
    backend: str, limits: int, patience: int, hedged: bool, native: bool
) -> None:
    """After a stall of the event loop everything is over at once: each limit knows its own part, no cancellation is
    left over, and the tasks beside it go on.
    """
    if native and backend == "trio":
        pytest.skip("trio has no tasks of asyncio")

    async def call() -> None:
        hedge = [Hedge(delay=0.1)] if hedged else []
        strategies = [*[Deadline(3)][: limits - 1], *hedge, Timeout(2)]
        await Pipeline(*strategies, idempotent=True, clock=anyio.current_time).call(anyio.sleep_forever)

    async def caller() -> None:
        with anyio.move_on_after(patience) as scope:
            try:
                if native:
                    async with asyncio.timeout(patience):
                        await call()
                else:
                    await call()
            except TimeoutError:  # it was the first to come
                await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        ended.append("caller")
        await anyio.sleep(1)
        ended.append("caller again")

    async def neighbour() -> None:
        await anyio.sleep(7)
        ended.append("neighbour")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller)
            tasks.start_soon(neighbour)
            await anyio.sleep(0.5)
            stall(5)

    ended: list[str] = []
    run(main, backend=backend)
    assert ended == ["caller", "caller again", "neighbour"]


@each_backend
def test_it_says_how_long_it_waited_and_for_what(backend: str) -> None:
    """It is ours, and a TimeoutError, so existing handlers catch it."""

    async def main() -> None:
        started = anyio.current_time()
        with pytest.raises(TimeoutError, match=r"cache \(get\) did not answer within 2 s, the timeout of an") as error:
            await pipeline_of(Timeout(2), name="cache").run(READ, "", anyio.sleep_forever)
        assert isinstance(error.value, CallTimedOut)
        assert (error.value.seconds, error.value.whole) == (2, False)
        assert anyio.current_time() - started == pytest.approx(2)

    run(main, backend=backend)


@each_backend
def test_an_error_that_ends_the_attempt_after_all_is_the_error(backend: str) -> None:
    """A client that turns the cancellation into an error of its own is heard."""

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ConnectionError("while cleaning up")

    async def main() -> None:
        with pytest.raises(ConnectionError, match="while cleaning up"):
            await pipeline_of(Timeout(1)).call(work)

    run(main, backend=backend)


@each_backend
def test_a_timeout_is_a_failure_to_the_breaker_round_it(backend: str) -> None:
    """And its cause is told."""

    async def main() -> None:
        breaker = CircuitBreaker("b", SMALL, clock=anyio.current_time)
        pipeline = Pipeline(Breaker(breaker), Timeout(1), clock=anyio.current_time)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await pipeline.call(anyio.sleep_forever)
        assert str(breaker.state) == "OPEN"
        assert [cause.type for cause in breaker.snapshot().causes] == ["CallTimedOut"]

    run(main, backend=backend)


@each_backend
@pytest.mark.parametrize("by_hand", [False, True], ids=["call", "permit"])
def test_a_guards_breaker_inside_learns_of_the_services_own_timeout(backend: str, by_hand: bool) -> None:
    """A guard asks its breaker inside the attempt, where a timeout looks like a cancellation: it is told apart."""

    async def main() -> None:
        breaker = CircuitBreaker("cache", SMALL, clock=anyio.current_time)

        async def attempt() -> None:
            if by_hand:
                with breaker.permit("get"):
                    await anyio.sleep_forever()
            await breaker.call(anyio.sleep_forever)

        for _ in range(4):
            with pytest.raises(TimeoutError):
                await pipeline_of(Timeout(1), name="cache").call(attempt)
        assert str(breaker.state) == "OPEN"
        assert breaker.snapshot().causes[0].text.startswith("cache did not answer within 1 s")

    run(main, backend=backend)


async def hang(breaker: CircuitBreaker) -> None:
    await breaker.call(anyio.sleep_forever)


@each_backend
def test_somebody_elses_timeout_says_nothing_of_a_service(backend: str) -> None:
    """The limit of a handler further out, and its caller's, are no failures of the service that was being asked."""

    async def main() -> None:
        breaker = CircuitBreaker("cache", SMALL, clock=anyio.current_time)
        inner = pipeline_of(Timeout(10), name="cache")

        async def ask() -> None:
            await inner.call(breaker.call, anyio.sleep_forever)

        for _ in range(4):
            with pytest.raises(TimeoutError):
                await pipeline_of(Timeout(1), name="handler").call(ask)
            with anyio.move_on_after(1):
                await ask()
            with pytest.raises(TimeoutError):  # also without a pipeline of its own
                await pipeline_of(Timeout(1), name="handler").call(hang, breaker)
        assert breaker.snapshot().verdicts["FAILURE"] == breaker.snapshot().in_flight == 0

    run(main, backend=backend)


@each_backend
def test_what_waits_by_design_has_no_timeout(backend: str) -> None:
    """A number is for all classes of operations but "blocking"; a mapping for those that it names."""

    async def work() -> float:
        await anyio.sleep(100)
        return anyio.current_time()

    async def main() -> None:
        for timeout in (Timeout(1), Timeout({"read": 1.0})):
            await pipeline_of(timeout).run(BLOCKING, "", work)
            with pytest.raises(TimeoutError):
                await pipeline_of(timeout).run(READ, "", work)
        with pytest.raises(TimeoutError):
            await pipeline_of(Timeout({"blocking": 1.0})).run(BLOCKING, "", work)

    run(main, backend=backend)


@each_backend
def test_it_is_patient_while_the_fault_may_be_ours(backend: str) -> None:
    """Limits of attempts are stretched by the pipeline's patience."""

    async def main() -> None:
        pipeline = pipeline_of(Timeout(1))
        pipeline.patience = 3.0
        await pipeline.call(anyio.sleep, 2.9)
        with pytest.raises(TimeoutError, match="within 3 s"):
            await pipeline.call(anyio.sleep, 3.1)

    run(main, backend=backend)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), {}, {"read": 0}])
def test_a_limit_that_cannot_be_kept_is_refused(seconds: Any) -> None:
    """When it is made."""
    with pytest.raises(ConfigurationError) as error:
        Timeout(seconds)
    assert error.value.key == "seconds"
