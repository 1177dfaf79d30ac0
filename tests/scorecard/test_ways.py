"""The scorecard of behaviours, by their names: ways to guard."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial

import anyio
import pytest
import trio
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from switchgear import (
    CallNotPermitted,
    CountWindow,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.scorecard.backend import Backend
from tests.support import (
    Said,
    breaker_of,
    fail,
    half_open,
    opened,
    refused,
    succeed,
)
from tests.tasks import hang, in_threads, run

pytestmark = pytest.mark.anyio


async def test_async_with() -> None:
    """The block is judged by what it does, and not entered when refused."""
    breaker = breaker_of()

    async def block(error: Exception | None) -> None:
        async with breaker.permit():
            if error is not None:
                raise error

    await block(None)
    for _ in range(3):
        with pytest.raises(Said):
            await block(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.verdicts["SUCCESS"], snapshot.verdicts["FAILURE"]) == (State.OPEN, 1, 3)
    with pytest.raises(CallNotPermitted):
        await block(AssertionError("entered"))


def test_with_and_rejects() -> None:
    """The same for a plain `with`."""
    breaker = breaker_of()
    succeed(breaker)
    fail(breaker, 3)
    assert breaker.state is State.OPEN
    entered = False
    with pytest.raises(CallNotPermitted), breaker.permit():
        entered = True
    assert not entered


async def test_error_has_retry_after() -> None:
    """The refusal says how many seconds are left, to the end."""
    clock = VirtualClock()
    breaker = opened(clock)
    assert refused(breaker).retry_after == 8.0
    clock.advance(7.5)
    assert refused(breaker).retry_after == 0.5
    assert "Try again in 0.5 s" in str(refused(breaker))


async def test_one_object_sync_and_async() -> None:
    """Failures of coroutine functions, functions, generators and blocks meet in one window and open for all."""
    breaker = breaker_of()
    backend = Backend(Said(Verdict.FAILURE))

    @breaker
    def synchronous() -> None:
        raise Said(Verdict.FAILURE)

    with pytest.raises(Said):
        await breaker.call(backend.get)
    with pytest.raises(Said):
        synchronous()
    fail(breaker, 1)
    with pytest.raises(Said):
        await breaker(backend.get)()
    assert breaker.state is State.OPEN
    with pytest.raises(CallNotPermitted):
        synchronous()
    with pytest.raises(CallNotPermitted):
        await breaker.call(backend.get)


class Callable0:
    async def __call__(self) -> None:
        await checkpoint()
        raise Said(Verdict.FAILURE)

    async def method(self) -> None:
        await self()

    @classmethod
    async def of_the_class(cls) -> None:
        await cls()()

    @staticmethod
    async def static() -> None:
        await Callable0()()


def hands_out(fn: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A plain function that hands out a coroutine."""

    def wrapper() -> Awaitable[None]:
        return fn()

    wrapper.__wrapped__ = fn  # type: ignore[attr-defined]
    return wrapper


@pytest.mark.parametrize(
    "fn",
    [
        Callable0().method,
        Callable0.of_the_class,
        Callable0.static,
        Callable0(),
        partial(Callable0.method, Callable0()),
        partial(partial(Callable0())),
        hands_out(Callable0().method),
    ],
    ids=["method", "classmethod", "staticmethod", "callable object", "partial", "partial of one", "wrapper"],
)
async def test_methods_partials_callable_objects(fn: Callable[[], Awaitable[None]]) -> None:
    """What is awaitable in any guise is guarded to its end, by decoration and by `call`."""
    breaker = breaker_of()
    guarded = breaker(fn)
    for _ in range(2):
        with pytest.raises(Said):
            await guarded()
        with pytest.raises(Said):
            await breaker.call(fn)
    assert (breaker.state, breaker.snapshot().verdicts["FAILURE"]) == (State.OPEN, 4)
    with pytest.raises(CallNotPermitted):
        await guarded()


async def test_methods_decorated_in_the_class() -> None:
    """A decorated method is bound as any other, with one breaker for all instances."""
    breaker = breaker_of()

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        @breaker
        async def get(self, key: str) -> tuple[str, str]:
            return self.name, key

        @classmethod
        @breaker
        def make(cls, name: str) -> Client:
            return cls(name)

        @staticmethod
        @breaker
        def twice(number: int) -> int:
            return 2 * number

    assert await Client("a").get("k") == ("a", "k")
    assert await Client.make("b").get("k") == ("b", "k")
    assert Client.twice(2) == 4
    assert breaker.snapshot().verdicts["SUCCESS"] == 4


def test_wrapper_metadata() -> None:
    """Name, docstring, signature and kind stay, the original and the breaker are at hand."""
    breaker = breaker_of()

    async def fetch(key: str, *, retries: int = 0) -> bytes:
        """Fetch it."""
        return key.encode() * retries

    def rows(size: int) -> Generator[int, None, None]:
        yield from range(size)

    async def stream(size: int) -> AsyncGenerator[int, None]:
        for number in range(size):
            yield number

    guarded = breaker(fetch)
    assert (guarded.__name__, guarded.__doc__, guarded.__module__) == ("fetch", "Fetch it.", __name__)
    assert inspect.signature(guarded) == inspect.signature(fetch)
    assert inspect.unwrap(guarded) is fetch
    assert guarded.breaker is breaker  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(guarded)
    assert inspect.isgeneratorfunction(breaker(rows))
    assert inspect.isasyncgenfunction(breaker(stream))
    assert not inspect.iscoroutinefunction(breaker(len))


def test_reentrancy_sync() -> None:
    """A guarded function that calls itself through the same breaker neither hangs nor is counted short."""
    breaker = breaker_of()

    @breaker
    def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1)

    assert down(5) == 5
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (6, 0)


async def test_reentrancy_async() -> None:
    """The same for coroutine functions, with a failure in the innermost."""
    breaker = breaker_of(minimum_number_of_calls=8)

    @breaker
    async def down(depth: int) -> int:
        await checkpoint()
        if depth == 0:
            raise Said(Verdict.FAILURE)
        return 1 + await down(depth - 1)

    with pytest.raises(Said):
        await down(5)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.in_flight) == (6, 0)


def test_two_event_loops() -> None:
    """One breaker serves loops one after the other and at once in threads, asyncio and trio side by side."""
    breaker = breaker_of(window=CountWindow(1000), minimum_number_of_calls=1000)
    backend = Backend()

    async def calls() -> None:
        for _ in range(20):
            await breaker.call(backend.get)

    async def crowd() -> None:
        async with create_task_group() as group:
            for _ in range(5):
                group.start_soon(calls)

    run(crowd, backend="asyncio")
    run(crowd, backend="trio")
    in_threads(lambda number: run(crowd, backend=("asyncio", "trio")[number % 2]), threads=4)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (600, 0)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_works(anyio_backend: str) -> None:
    """Calls, blocks and streams under trio: counted, opened, refused, probed and closed."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    good, bad = Backend(), Backend(Said(Verdict.FAILURE))
    assert await breaker.call(good.get, "v") == "v"
    for _ in range(3):
        with pytest.raises(Said):
            await breaker.call(bad.get)
    with pytest.raises(CallNotPermitted):
        await breaker.call(good.get)
    clock.advance(8)
    async with breaker.permit():
        await checkpoint()
    assert breaker.state is State.CLOSED
    assert trio.lowlevel.in_trio_run()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_cancelled_probe_returns_permit(anyio_backend: str) -> None:
    """Trio's own cancellation, by deadline, of the only probe: another is admitted."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    begun = Event()
    with anyio.move_on_after(0) as scope:
        await breaker.call(hang, begun)
    assert scope.cancelled_caught
    assert begun.is_set()
    assert breaker.snapshot().probes == (0, 0)
    succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_no_threads_or_tasks_left() -> None:
    """A life of a breaker, with an outage and recovery in it, leaves no thread and no task behind, nor has any."""
    threads, tasks = threading.active_count(), len(anyio.get_running_tasks())
    clock = VirtualClock()
    breaker = half_open(clock)
    assert (threading.active_count(), len(anyio.get_running_tasks())) == (threads, tasks)
    backend = Backend()
    for _ in range(4):
        await breaker.call(backend.get)
    assert breaker.state is State.CLOSED
    del breaker
    await checkpoint()
    assert (threading.active_count(), len(anyio.get_running_tasks())) == (threads, tasks)
