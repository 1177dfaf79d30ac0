"""Calls through a breaker in tasks of their own, on asyncio and trio alike, and in threads that take turns often."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import CancelScope, Event, create_task_group, sleep_forever

from switchgear import CallNotPermitted, CircuitBreaker

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T = TypeVar("T")

#: Seconds after which something that should have happened in a thread never will.
DEADLINE = 20.0


def run(main: Callable[..., Awaitable[T]], *args: object, backend: str) -> T:
    """What `main` returns, in a context of its own: a loop that another test's fixture keeps, asleep, leaves its mark
    in the shared one.
    """
    return Context().run(partial(anyio.run, main, *args, backend=backend))


class Running:
    """A call that was admitted and goes on, in a task of its own, until it is told how to end."""

    def __init__(self) -> None:
        self._scope = CancelScope()
        self._asked, self._told, self._over = Event(), Event(), Event()
        self._error: Exception | None = None
        self.refusal: CallNotPermitted | None = None

    async def run(self, breaker: CircuitBreaker) -> None:
        with self._scope:
            try:
                await breaker.call(self._body)
            except CallNotPermitted as refusal:
                self.refusal = refusal
                self._asked.set()
            except Exception as exc:
                if exc is not self._error:
                    raise
        self._over.set()

    async def _body(self) -> None:
        self._asked.set()
        await self._told.wait()
        if self._error is not None:
            raise self._error

    async def asked(self) -> None:
        await self._asked.wait()
        if self.refusal is not None:
            raise self.refusal

    async def end(self, error: Exception | None = None) -> None:
        """It raises what is given, else it returns. Comes back when the breaker has been told, as `cancel` does."""
        self._error = error
        self._told.set()
        await self._over.wait()

    async def cancel(self) -> None:
        self._scope.cancel()
        await self._over.wait()


async def begin(group: TaskGroup, breaker: CircuitBreaker) -> Running:
    """A call in a task of the group. Raises CallNotPermitted."""
    call = Running()
    group.start_soon(call.run, breaker)
    await call.asked()
    return call


@asynccontextmanager
async def under_way(breaker: CircuitBreaker) -> AsyncIterator[Running]:
    """A call that has been admitted; cancelled at the end of the block, if it was not ended before."""
    async with create_task_group() as group:
        call = await begin(group, breaker)
        yield call
        await call.cancel()


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
