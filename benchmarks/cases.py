"""What is measured: each case makes, for one contender, a run that returns nanoseconds of CPU time per call."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import tracemalloc
from collections.abc import Callable
from itertools import count
from time import process_time_ns
from typing import Any

import switchgear as sg
from benchmarks.contenders import Contender, switchgear_with

CALLS = 2_000
TASKS = 1_000
THREADS = 8

Run = Callable[[], float]


class Boom(Exception):
    """What the failing calls raise."""


async def serve() -> int:
    return 1


def serve_sync() -> int:
    return 1


async def _time(loop_body: Callable[[], Any], calls: int) -> float:
    gc.collect()
    started = process_time_ns()
    for _ in range(calls):
        await loop_body()
    return (process_time_ns() - started) / calls


def closed(make: Callable[[], Contender]) -> Run | None:
    """A closed breaker, every call succeeds."""
    contender = make()
    if contender.guard is None:
        return None
    guarded = contender.guard(serve)
    return lambda: asyncio.run(_time(guarded, CALLS))


def failing(make: Callable[[], Contender]) -> Run | None:
    """A closed breaker, one call in a hundred fails."""
    contender = make()
    if contender.guard is None:
        return None
    numbers = count(1)

    async def shaky() -> int:
        if next(numbers) % 100 == 0:
            raise Boom
        return 1

    guarded = contender.guard(shaky)

    async def attempt() -> None:
        try:
            await guarded()
        except Boom:
            pass

    return lambda: asyncio.run(_time(attempt, CALLS))


async def _raise() -> None:
    raise Boom


def refused(make: Callable[[], Contender]) -> Run | None:
    """An open breaker refuses; "bare" is a function that raises."""
    contender = make()
    bare = contender.features == "no guard at all"
    if contender.guard is None or (contender.open is None and not bare):
        return None
    guarded: Any = _raise if bare else contender.guard(serve)

    async def attempt() -> None:
        try:
            await guarded()
        except Exception:  # noqa: BLE001 - each library refuses in its own way
            pass
        else:
            raise AssertionError("It was not refused.")

    async def prepare() -> None:
        if contender.open is not None:
            result = contender.open()
            if inspect.isawaitable(result):
                await result

    asyncio.run(prepare())
    return lambda: asyncio.run(_time(attempt, CALLS))


def entered(make: Callable[[], Contender]) -> Run | None:
    """`async with`, every call succeeds."""
    contender = make()
    if contender.enter is None:
        if contender.features != "no guard at all":
            return None
        return lambda: asyncio.run(_time(serve, CALLS))
    enter = contender.enter

    async def block() -> int:
        async with enter():
            return await serve()

    return lambda: asyncio.run(_time(block, CALLS))


def sync(make: Callable[[], Contender]) -> Run | None:
    """A plain function, every call succeeds."""
    contender = make()
    if contender.guard_sync is None:
        return None
    guarded = contender.guard_sync(serve_sync)

    def run() -> float:
        gc.collect()
        started = process_time_ns()
        for _ in range(CALLS):
            guarded()
        return (process_time_ns() - started) / CALLS

    return run


def tasks(make: Callable[[], Contender]) -> Run | None:
    """A thousand tasks through one breaker at once."""
    contender = make()
    if contender.guard is None:
        return None

    async def serve_later() -> int:
        await asyncio.sleep(0)
        return 1

    guarded = contender.guard(serve_later)

    async def herd() -> float:
        gc.collect()
        started = process_time_ns()
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(guarded())  # type: ignore[arg-type]
        return (process_time_ns() - started) / TASKS

    return lambda: asyncio.run(herd())


def threads(make: Callable[[], Contender]) -> Run | None:
    """Eight threads on one breaker, plain functions."""
    contender = make()
    if contender.guard_sync is None:
        return None
    guarded = contender.guard_sync(serve_sync)

    def work() -> None:
        for _ in range(CALLS // THREADS):
            guarded()

    def run() -> float:
        workers = [threading.Thread(target=work) for _ in range(THREADS)]
        gc.collect()
        started = process_time_ns()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return (process_time_ns() - started) / CALLS

    return run


CASES: dict[str, Callable[[Callable[[], Contender]], Run | None]] = {
    "closed": closed,
    "1 % failing": failing,
    "refused in OPEN": refused,
    "async with": entered,
    "plain function": sync,
    "1,000 tasks": tasks,
    "8 threads": threads,
}

WINDOWS: dict[str, sg.CountWindow | sg.TimeWindow] = {
    **{f"the last {size:,} calls": sg.CountWindow(size) for size in (10, 100, 10_000, 1_000_000)},
    **{f"the last {seconds:,} s": sg.TimeWindow(seconds) for seconds in (10, 60, 3_600, 86_400)},
}


def window_cost(window: sg.CountWindow | sg.TimeWindow) -> Run:
    """One call in ten fails, so that the window has work to do."""

    def make() -> Contender:
        return switchgear_with(window)

    contender = make()
    numbers = count(1)

    async def shaky() -> int:
        if next(numbers) % 10 == 0:
            raise Boom
        return 1

    assert contender.guard is not None
    guarded = contender.guard(shaky)

    async def attempt() -> None:
        try:
            await guarded()
        except Boom:
            pass

    return lambda: asyncio.run(_time(attempt, CALLS))


def memory(make: Callable[[], Contender], breakers: int = 2_000) -> dict[str, float]:
    """Bytes a breaker: fresh, after 100 good calls, and after 100 calls of which every third failed."""
    numbers = count(1)

    async def shaky() -> int:
        if next(numbers) % 3 == 0:
            raise Boom("a reason")
        return 1

    async def drive(contender: Contender) -> None:
        assert contender.guard is not None
        guarded = contender.guard(shaky if failing else serve)
        for _ in range(100 if used else 0):
            try:
                await guarded()
            except Boom:
                pass

    async def grow() -> None:
        for _ in range(breakers):
            contender = make()
            await drive(contender)
            kept.append(contender.breaker)

    sizes: dict[str, float] = {}
    used = failing = False
    for title in ("fresh", "100 good calls", "a third failing"):
        used, failing = title != "fresh", title == "a third failing"
        kept: list[object] = []
        asyncio.run(grow())  # what is imported or cached once is not a breaker's
        kept.clear()
        gc.collect()
        tracemalloc.start()
        try:
            asyncio.run(grow())
            gc.collect()
            sizes[title] = tracemalloc.get_traced_memory()[0] / breakers
        finally:
            tracemalloc.stop()
    return sizes
