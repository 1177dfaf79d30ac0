"""Calls through a breaker in tasks of their own, on asyncio and trio alike, and in threads that take turns often."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from anyio import Event, create_task_group, sleep_forever

from switchgear import CircuitBreaker

#: Seconds after which something that should have happened in a thread never will.
DEADLINE = 20.0


class End(Protocol):
    """Ends a call: it raises what is given, else it returns. Comes back once the breaker has been told."""

    def __call__(self, exc: Exception | None = None, /) -> Coroutine[object, object, None]: ...


@asynccontextmanager
async def under_way(breaker: CircuitBreaker) -> AsyncIterator[End]:
    """A call that has been admitted; cancelled at the end of the block, if it was not ended before."""
    begun, told, over = Event(), Event(), Event()
    how: list[Exception | None] = []

    async def body() -> None:
        begun.set()
        await told.wait()
        if how[0] is not None:
            raise how[0]

    async def run() -> None:
        try:
            await breaker.call(body)
        except Exception as exc:
            if exc not in how:
                raise
        over.set()

    async def end(exc: Exception | None = None) -> None:
        how.append(exc)
        told.set()
        await over.wait()

    async with create_task_group() as group:
        group.start_soon(run)
        await begun.wait()
        yield end
        group.cancel_scope.cancel()


async def cancel(breaker: CircuitBreaker) -> None:
    """A call that is cancelled when it is under way."""
    async with under_way(breaker):
        pass


async def hang(begun: Event) -> None:
    """A backend that never answers."""
    begun.set()
    await sleep_forever()


@contextmanager
def frequent_turns() -> Iterator[None]:
    """Threads take turns as often as the interpreter can: what can go wrong between two steps does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], object], threads: int = 8) -> None:
    """Run `work(number)` in so many threads that begin at once. Raises what any of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        try:
            start.wait(DEADLINE)
            work(number)
        except BaseException as exc:  # noqa: BLE001 - it is raised below, where the test sees it
            errors.append(exc)

    crowd = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    with frequent_turns():
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in crowd), "a thread hangs"
    if errors:
        raise errors[0]
