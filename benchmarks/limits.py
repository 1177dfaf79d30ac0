"""What limits cost when they are reached: `python -m benchmarks.limits [--rounds N]`. CPU time a call, beside the peers
that have them; benchmarks/strategies.py measures them where nobody reaches them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import sys
from collections.abc import Awaitable, Callable
from math import inf
from time import process_time_ns
from typing import Any

import switchgear as sg
from benchmarks.cases import Run
from benchmarks.measure import interleave

AsyncFunction = Callable[..., Awaitable[Any]]
Guard = Callable[[AsyncFunction], AsyncFunction]

TASKS, PLACES = 1_000, 10
MANY = 1_000_000


async def serve() -> int:
    return 1


async def serve_later() -> int:
    await asyncio.sleep(0)
    return 1


def _crowd(make: Callable[[], Guard]) -> Run:
    """A thousand tasks at once; each is served, sooner or later."""

    async def timed() -> float:
        guarded = make()(serve_later)
        gc.collect()
        started = process_time_ns()
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(guarded())  # type: ignore[arg-type]
        return (process_time_ns() - started) / TASKS

    return lambda: asyncio.run(timed())


def _refused(make: Callable[[], Guard]) -> Run:
    """One call holds the only place; each of the measured ones is refused."""

    async def timed() -> float:
        over, guard = asyncio.Event(), make()
        holder = asyncio.ensure_future(guard(over.wait)())
        await asyncio.sleep(0.001)
        guarded = guard(serve)
        gc.collect()
        started = process_time_ns()
        for _ in range(TASKS):
            try:
                await guarded()
            except Exception:  # noqa: BLE001 - each library refuses in its own way
                pass
            else:
                raise AssertionError("It was not refused.")
        took = process_time_ns() - started
        over.set()
        await holder
        return took / TASKS

    return lambda: asyncio.run(timed())


def _interlock(places: int) -> Guard:
    interlock = importlib.import_module("interlock")
    return interlock.Pipeline(interlock.BulkheadStrategy(places))  # type: ignore[no-any-return]


def _pyresilience(places: int, max_wait: float) -> Guard:
    module = importlib.import_module("pyresilience")
    return module.resilient(bulkhead=module.BulkheadConfig(max_concurrent=places, max_wait=max_wait))  # type: ignore[no-any-return]


def _hyx(places: int, queue: int) -> Guard:
    api = importlib.import_module("hyx.bulkhead.api")
    return api.bulkhead(max_concurrency=places, max_capacity=places + queue)  # type: ignore[no-any-return]


def _entering(made: Any) -> Guard:
    def guard(fn: AsyncFunction) -> AsyncFunction:
        async def guarded() -> Any:
            async with made:
                return await fn()

        return guarded

    return guard


def _aiolimiter() -> Guard:
    # Its whole bucket may go at once: a thousandth of a second's worth, so that the others have to wait.
    return _entering(importlib.import_module("aiolimiter").AsyncLimiter(MANY / 1000, 0.001))


def _not_limited() -> Guard:
    return lambda fn: fn


#: title -> contender -> what is measured. "none" is no limit at all.
LIMITS: dict[str, dict[str, Run]] = {
    f"{TASKS:,} tasks through {PLACES} places": {
        "none": _crowd(_not_limited),
        "asyncio.Semaphore": _crowd(lambda: _entering(asyncio.Semaphore(PLACES))),
        "switchgear": _crowd(lambda: sg.Pipeline(sg.Bulkhead(PLACES, queue=MANY))),
        "interlock-cb": _crowd(lambda: _interlock(PLACES)),
        "pyresilience": _crowd(lambda: _pyresilience(PLACES, 60.0)),
        "hyx": _crowd(lambda: _hyx(PLACES, MANY)),
    },
    "refused by a full bulkhead": {
        "switchgear": _refused(lambda: sg.Pipeline(sg.Bulkhead(1))),
        "pyresilience": _refused(lambda: _pyresilience(1, 0.0)),
        "hyx": _refused(lambda: _hyx(1, 0)),
    },
    f"{TASKS:,} tasks paced, a million a second": {
        "none": _crowd(_not_limited),
        "switchgear": _crowd(lambda: sg.Pipeline(sg.RateLimit(MANY, burst=1, max_wait=inf))),
        "aiolimiter": _crowd(_aiolimiter),
    },
    "refused by a rate limit": {
        "switchgear": _refused(lambda: sg.Pipeline(sg.RateLimit(1e-6, burst=1, max_wait=0))),
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds of each case (default 30)")
    rounds = parser.parse_args().rounds
    print("| limit | contender | ns a call, the least | x switchgear |\n|---|---|---|---|")
    for title, contenders in LIMITS.items():
        runs = {name: run for name, run in contenders.items() if _works(name, run)}
        for name, figure in interleave(runs, rounds=rounds, against=("switchgear",)).items():
            print(f"| {title} | {name} | {figure.least:,.0f} | {figure.ratios['switchgear']:.2f} |", flush=True)
    return 0


def _works(name: str, run: Run) -> bool:
    """Whether it is installed, and does what is measured."""
    try:
        run()
    except ImportError:
        return False
    except Exception as exc:  # noqa: BLE001 - a peer's own trouble
        print(f"{name} left out: {type(exc).__name__}: {exc}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
