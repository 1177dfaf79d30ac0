"""Real faults of a real PostgreSQL: the breaker opens, refusals are quick, what works goes on, and all comes back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import event, exc, text

from plugins.db.tests.support import CONFIG, SELECT, TOUCHY, Board, ask, outcome, timed, until
from switchgear import BreakerConfig, CallNotPermitted
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND, DbSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio


async def test_a_killed_server_trips_and_comes_back(victim: PostgresServer, driver: str, board: Board) -> None:
    """SIGKILL: one pooled connection and two connects fail, then refusals in no time; after the restart it recovers."""
    engine = board.engine(victim.url(driver))
    assert await ask(engine) == 1
    await victim.kill()
    errors = [await outcome(ask(engine)) for _ in range(3)]
    assert not any(isinstance(error, CallNotPermitted) for error in errors)
    assert all(isinstance(error, Exception) for error in errors)
    refusals = [await timed(ask(engine)) for _ in range(50)]
    assert {type(error).__name__ for error, _ in refusals} == {"DbCallNotPermitted"}
    assert median(seconds for _, seconds in refusals) < 0.1
    # No address of the service answers: reads brought it to light, and writes need not find out again.
    assert board.states() == {"": "OPEN", "read": "OPEN"}
    assert isinstance(await outcome(ask(engine, "CREATE TEMPORARY TABLE t (x int)")), CallNotPermitted)

    await victim.restart()
    board.clock.advance(60.0)
    assert [await ask(engine) for _ in range(5)] == [1] * 5
    await ask(engine, "CREATE TEMPORARY TABLE t (x int)")
    assert board.states() == {"": "CLOSED", "read": "CLOSED", "write": "CLOSED"}


async def test_a_server_that_is_still_down_stays_refused(victim: PostgresServer, driver: str, board: Board) -> None:
    """The probes of a half-open round are connects; they fail, and it opens again."""
    engine = board.engine(victim.url(driver), TOUCHY)
    await victim.kill()
    await outcome(ask(engine))
    assert board.states()["read"] == "OPEN"
    board.clock.advance(60.0)
    for _ in range(3):
        assert not isinstance(await outcome(ask(engine)), CallNotPermitted)
    assert isinstance(await outcome(ask(engine)), CallNotPermitted)


async def test_a_server_that_hangs_is_given_up(victim: PostgresServer, driver: str, board: Board) -> None:
    """SIGSTOP, through an engine of our own making: each wait ends, each counts, and even closing does."""
    settings = DbSettings(url=victim.url(driver), statement_timeout=1.0, connect_timeout=0.5)
    async with BACKEND.connect(settings) as engine:
        board.gear.guard(engine, BACKEND, name="db", breaker=replace(CONFIG, consecutive_failures=2))
        async with engine.connect() as one, engine.connect() as two:
            await one.execute(SELECT)
            await two.execute(SELECT)
        await victim.hang()
        # The deadline is at 2 s; asyncpg and SQLAlchemy would be polite for another 2.
        error, seconds = await timed(ask(engine))
        assert isinstance(error, (exc.OperationalError, TimeoutError))
        assert seconds < 3.5
        # The other connection of the pool was not tried: a server that is silent to one is so to all.
        await outcome(ask(engine))
        assert [settled for settled in board.settled if settled[1] == "FAILURE"] == [
            ("db.select", "FAILURE"),
            ("db.connect", "FAILURE"),
        ]
        assert board.states() == {"": "OPEN", "read": "OPEN"}
        assert isinstance(await outcome(ask(engine)), CallNotPermitted)
        assert board.in_flight() == 0


async def test_a_ping_that_hangs_counts(victim: PostgresServer, board: Board) -> None:
    """Before a connection is handed out it may be asked for a sign of life; no permit covers that."""
    settings = DbSettings(url=victim.url("asyncpg"), statement_timeout=0.1, pool_pre_ping=True)
    async with BACKEND.connect(settings) as engine:
        board.gear.guard(engine, BACKEND, name="db", breaker=TOUCHY)
        assert await ask(engine) == 1
        await victim.hang()
        board.settled.clear()
        assert isinstance(await outcome(ask(engine)), TimeoutError)
        assert board.settled == [("db.connect", "FAILURE")]


async def test_what_fails_in_setting_up_a_connection_counts_once(engine: AsyncEngine, board: Board) -> None:
    """After the connect itself, SQLAlchemy and the application's listeners have things to say to a new connection."""

    def fail(*_: object) -> None:
        raise ConnectionResetError

    event.listen(engine.sync_engine, "connect", fail)
    assert isinstance(await outcome(ask(engine)), ConnectionResetError)
    assert board.settled == [("db.connect", "IGNORED"), ("db.connect", "FAILURE")]


async def test_a_connect_that_hangs_is_given_up(victim: PostgresServer, driver: str, board: Board) -> None:
    """The kernel accepts for a server that is stopped; nobody says hello."""
    settings = DbSettings(url=victim.url(driver), connect_timeout=0.3)
    async with BACKEND.connect(settings) as engine:
        board.gear.guard(engine, BACKEND, name="db", breaker=TOUCHY)
        await victim.hang()
        error, seconds = await timed(ask(engine))
        assert isinstance(error, (exc.OperationalError, TimeoutError))
        assert seconds < 5.0
        assert board.settled == [("db.connect", "FAILURE")]
        assert board.states() == {"": "OPEN", "read": "OPEN"}


async def test_hanging_calls_count_before_they_return(victim: PostgresServer, board: Board) -> None:
    """A call that has been under way for too long is slow now: the breaker need not wait for its deadline."""
    breaker = BreakerConfig(slow_call_duration_threshold=2.0, minimum_number_of_calls=1, failure_rate_threshold=None)
    engine = board.engine(victim.url("asyncpg"), breaker, connect_args={"timeout": 1.0})
    await victim.hang()

    async def refused() -> bool:
        board.clock.advance(1.0)
        return board.states().get("read") == "OPEN"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome, ask(engine))
        await until(refused, seconds=0.9)


async def test_a_full_server_throttles(victim: PostgresServer, driver: str, board: Board) -> None:
    """max_connections: alive, so half as bad as a failure; told apart also where the driver gives only the text."""
    greedy = board.engine(victim.url("asyncpg"), pool_size=0)
    engine = board.engine(victim.url(driver))
    async with AsyncExitStack() as stack:
        while not isinstance(await outcome(stack.enter_async_context(greedy.connect())), Exception):
            pass
        board.settled.clear()
        assert isinstance(await outcome(ask(engine)), Exception)
    assert board.settled == [("db.connect", "THROTTLED")]
    assert board.states()["read"] == "CLOSED"


async def test_an_exhausted_pool_is_no_failure(engine: AsyncEngine, url: str, board: Board) -> None:
    """Too small a pool is our own affair: SQLAlchemy's error, a count, and no word about the server."""
    small = board.engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    await small.dispose()  # the pool that takes its place is watched like the first
    async with small.connect() as connection:
        await connection.execute(SELECT)
        board.settled.clear()
        for _ in range(5):
            assert type(await outcome(ask(small))) is exc.TimeoutError
        assert BACKEND.gauges is not None
        assert BACKEND.gauges(small) == {"pool_in_use": 1, "pool_idle": 0, "pool_max": 1}
    assert board.settled == []
    assert board.count("pool_timeouts") == 5
    waits = board.gear.service("db").histograms()["pool_wait", ()]
    assert sum(waits.counts) >= 5
    assert waits.sum >= 5 * 0.01
    assert board.states()["read"] == "CLOSED"


async def test_a_read_only_server_still_serves_reads(victim: PostgresServer, driver: str, board: Board) -> None:
    """As after a failover: writes are refused by the breaker, reads go on; and writes come back."""
    async with BACKEND.connect(DbSettings(url=victim.url(driver))) as engine:
        board.engines.append(engine)
        board.gear.guard(engine, BACKEND, name="db", breaker=CONFIG)
        await ask(engine, "CREATE TABLE IF NOT EXISTS t (x int)")
        await set_read_only(victim, on=True)
        for _ in range(3):
            error = await outcome(ask(engine, "INSERT INTO t VALUES (1)"))
            assert "read-only" in str(error)
        assert board.states() == {"": "CLOSED", "read": "CLOSED", "write": "OPEN"}
        assert isinstance(await outcome(ask(engine, "INSERT INTO t VALUES (1)")), CallNotPermitted)
        assert await ask(engine, "SELECT 1 FROM t") is None
        # It was taken for a read, and reads are served.
        board.settled.clear()
        assert isinstance(await outcome(ask(engine, "SELECT * FROM t FOR UPDATE")), exc.DBAPIError)
        assert [settled for settled in board.settled if settled[0] == "db.select"] == [("db.select", "SUCCESS")]

        await set_read_only(victim, on=False)
        board.clock.advance(60.0)
        for _ in range(5):
            await ask(engine, "DELETE FROM t")
        assert board.states()["write"] == "CLOSED"


async def set_read_only(server: PostgresServer, *, on: bool) -> None:
    administrator = Board()
    engine = administrator.engine(server.url("asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("SET default_transaction_read_only = off"))
        await connection.execute(text(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await engine.dispose()

    async def done() -> bool:
        return bool(await ask(engine, "SHOW default_transaction_read_only") == ("on" if on else "off"))

    await until(done)
    await engine.dispose()


async def test_reads_in_trouble_do_not_keep_writers_from_connecting(healthy: PostgresServer, board: Board) -> None:
    """A connection serves both: while one role is refused, the other still gets new connections."""
    engine = board.engine(healthy.url("asyncpg"))
    await ask(engine)
    await engine.dispose()
    board.trip("read")
    await ask(engine, "CREATE TEMPORARY TABLE t (x int)")
    assert isinstance(await outcome(ask(engine)), CallNotPermitted)
