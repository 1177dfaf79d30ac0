"""What the tests share: breakers under a clock of the test's, a witness of what they decide, and ways to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import Any
from uuid import uuid4

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from switchgear import BreakerConfig, Settled, Switchgear
from switchgear.testing import VirtualClock
from switchgear_db import BACKEND
from switchgear_db._guard import address
from tests.untouched import untouched

#: Opens at the third failure in a row, for a time that only the test's clock makes pass, and closes without a ramp.
CONFIG = BreakerConfig(consecutive_failures=3, wait_duration_in_open=60.0, ramp=None, slow_call_duration_threshold=None)
TOUCHY = replace(CONFIG, consecutive_failures=1)

SELECT = text("SELECT 1")


class Board:
    """A gear, its service "db", and all that its breakers settled."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        self.engines: list[AsyncEngine] = []
        self.settled: list[tuple[str, str]] = []
        self.refused = 0
        self.gear.subscribe(self)

    def on_settled(self, event: Settled) -> None:
        self.settled.append((event.operation, event.verdict.name))

    def on_refused(self, _event: object) -> None:
        self.refused += 1

    def engine(self, url: str, breaker: BreakerConfig = CONFIG, **options: Any) -> AsyncEngine:
        """A guarded engine as an application makes it."""
        options.setdefault("poolclass", AsyncAdaptedQueuePool)  # SQLAlchemy before 2.0.38 has none for SQLite's files
        return self.guard(create_async_engine(url, **options), breaker)

    def guard(self, engine: AsyncEngine, breaker: BreakerConfig = CONFIG) -> AsyncEngine:
        self.engines.append(engine)
        guarded: AsyncEngine = self.gear.guard(engine, BACKEND, name="db", breaker=breaker)
        return guarded

    def states(self) -> dict[str, str]:
        """The states by "read", "write" and, for the whole service, ""."""
        snapshots = self.gear.service("db").group.snapshots()
        return {snapshot.domain.rpartition("/")[2]: str(snapshot.state) for snapshot in snapshots}

    def branch(self, role: str) -> Any:
        return self.gear.service("db").group.branch(f"{address(self.engines[0].url)}/{role}")

    def trip(self, role: str) -> None:
        """Open a domain as an operator can, so that no failure is needed."""
        self.branch(role).force_open("the test says so")

    def in_flight(self) -> int:
        """Permits not settled, probes included."""
        snapshots = self.gear.service("db").group.snapshots()
        return sum(snapshot.in_flight + snapshot.probes[1] for snapshot in snapshots)

    def count(self, metric: str, **labels: str) -> float:
        return self.gear.service("db").counts().get((metric, tuple(labels.items())), 0)


async def ask(engine: AsyncEngine, sql: str = "SELECT 1") -> Any:
    """One transaction of one statement: its first value, if it returns rows."""
    async with engine.begin() as connection:
        result = await connection.execute(text(sql))
        return result.scalar() if result.returns_rows else None


def sleep() -> str:
    """A query of a minute, unlike any other: what is cancelled here may sleep on in the server."""
    return f"SELECT pg_sleep(60) /* {uuid4()} */"


async def running(observer: AsyncEngine, query: str) -> None:
    """Wait until PostgreSQL executes the query."""

    async def active() -> bool:
        async with observer.connect() as connection:
            sessions = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = :query")
            return bool(await connection.scalar(sessions, {"query": query}))

    await until(active)


async def outcome(call: Awaitable[Any]) -> Any:
    """What the caller sees: the result, or the exception, which no guard has touched."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test asks for
        return untouched(error)


async def timed(call: Awaitable[Any]) -> tuple[Any, float]:
    """The outcome, and how many seconds it took."""
    started = perf_counter()
    return await outcome(call), perf_counter() - started


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Wait for something that happens by itself; TimeoutError when it does not."""
    with anyio.fail_after(seconds):
        while not await condition():
            await anyio.sleep(0.01)
