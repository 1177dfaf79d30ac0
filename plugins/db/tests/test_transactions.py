"""A transaction is admitted as a whole and finishes, whatever becomes of the breaker; and no permit is left over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from plugins.db.tests.support import CONFIG, SELECT, TOUCHY, Board, ask, outcome, running, sleep, timed
from switchgear import CallNotPermitted
from switchgear.testing import PostgresServer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio

INSERT = text("INSERT INTO t VALUES (1)")


@pytest.fixture
async def store(engine: AsyncEngine, board: Board) -> AsyncEngine:
    """A guarded engine on a database with a table."""
    await ask(engine, "DROP TABLE IF EXISTS t")
    await ask(engine, "CREATE TABLE t (x int)")
    board.settled.clear()
    return engine


def open_all(board: Board) -> None:
    board.trip("read")
    board.trip("write")


async def test_what_was_admitted_finishes(store: AsyncEngine, board: Board) -> None:
    """The breaker opens after the first statement: reads, writes, savepoints and COMMIT still pass."""
    async with store.begin() as connection:
        await connection.execute(INSERT)
        open_all(board)
        await connection.execute(INSERT)
        async with connection.begin_nested():
            await connection.execute(INSERT)
        nested = await connection.begin_nested()
        await connection.execute(INSERT)
        await nested.rollback()
        assert await connection.scalar(text("SELECT count(*) FROM t")) == 3
    board.gear.service("db").group.reset()
    assert await ask(store, "SELECT count(*) FROM t") == 3
    assert board.refused == 0


async def test_rollback_is_never_refused(store: AsyncEngine, board: Board) -> None:
    """The breaker opens in a transaction that is then given up: nothing of it stays."""
    async with store.connect() as connection:
        await connection.execute(INSERT)
        open_all(board)
        await connection.rollback()
    board.gear.service("db").group.reset()
    assert await ask(store, "SELECT count(*) FROM t") == 0


async def test_what_only_finishes_is_never_refused(healthy: PostgresServer, driver: str, board: Board) -> None:
    """Also where it comes first, as in the recovery of a prepared transaction: the answer is the server's."""
    engine = board.engine(healthy.url(driver))
    async with engine.connect() as connection:
        open_all(board)
        error = await outcome(connection.execute(text("COMMIT PREPARED 'nobody knows it'")))
    assert isinstance(error, DBAPIError)
    assert not isinstance(error, CallNotPermitted)


async def test_the_next_transaction_is_refused(store: AsyncEngine, board: Board) -> None:
    """As SQLAlchemy's OperationalError, at once, without the driver being asked; the connection stays good."""
    async with store.connect() as connection:
        await connection.execute(INSERT)
        open_all(board)
        await connection.commit()
        for _ in range(2):  # refused, it has not begun: the next statement is asked again
            error, seconds = await timed(connection.execute(SELECT))
            assert isinstance(error, CallNotPermitted)
            assert isinstance(error, OperationalError)
            assert seconds < 0.1
        await connection.rollback()
        assert not connection.invalidated
        board.gear.service("db").group.reset()
        assert await connection.scalar(SELECT) == 1


async def test_a_transaction_of_reads_may_go_on_to_write(store: AsyncEngine, board: Board) -> None:
    """Writes are refused, but not in the middle of a transaction that was admitted for its first read."""
    board.trip("write")
    async with store.begin() as connection:
        await connection.execute(SELECT)
        await connection.execute(INSERT)
    with pytest.raises(CallNotPermitted):
        await ask(store, "INSERT INTO t VALUES (2)")
    assert await ask(store, "SELECT count(*) FROM t") == 1


async def test_what_passed_without_a_permit_is_no_evidence(healthy: PostgresServer, driver: str, board: Board) -> None:
    """A write that fails while its domain is open is not held against the other domain, whose breaker is closed."""
    engine = board.engine(healthy.url(driver), TOUCHY)
    await ask(engine)
    board.trip("write")
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        board.settled.clear()
        error = await outcome(connection.execute(text("DO $$ BEGIN RAISE 'x' USING ERRCODE = '53100'; END $$")))
    assert error.orig.sqlstate == "53100"
    assert board.settled == []
    assert board.states() == {"": "CLOSED", "read": "CLOSED", "write": "FORCED_OPEN"}


async def test_in_autocommit_each_statement_is_asked(store: AsyncEngine, board: Board) -> None:
    """There is no transaction to finish: the statement after the breaker opened is refused, and ROLLBACK is not."""
    async with store.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(INSERT)
        open_all(board)
        assert isinstance(await outcome(connection.execute(INSERT)), CallNotPermitted)
        await connection.rollback()
    board.gear.service("db").group.reset()
    assert await ask(store, "SELECT count(*) FROM t") == 1


async def test_an_idle_transaction_is_not_slow(store: AsyncEngine, board: Board) -> None:
    """What is timed are statements: an hour's thought between two of them is the application's."""
    slow = replace(CONFIG, slow_call_duration_threshold=2.0, minimum_number_of_calls=2)
    board.gear.service("db").group.reconfigure(slow)
    async with store.begin() as connection:
        await connection.execute(SELECT)
        board.clock.advance(3600.0)
        assert board.in_flight() == 0
        await connection.execute(INSERT)
    assert board.states() == {"": "CLOSED", "read": "CLOSED", "write": "CLOSED"}
    assert all(snapshot.slow_call_rate == 0 for snapshot in board.gear.service("db").group.snapshots())


async def test_a_half_open_round_is_decided_by_transactions(healthy: PostgresServer, board: Board) -> None:
    """The first statement of each is the probe; those that follow it take none of the few."""
    engine = board.engine(healthy.url("asyncpg"), replace(TOUCHY, permitted_calls_in_half_open=4))
    assert await ask(engine) == 1
    error = await outcome(ask(engine, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '58030'; END $$"))
    assert board.states()["write"] == "OPEN", error
    board.clock.advance(60.0)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE probe (x int)"))
        for number in range(9):
            await connection.execute(text("INSERT INTO probe VALUES (:number)"), {"number": number})
        assert board.branch("write").snapshot().probes == (1, 0)
    for state in ("HALF_OPEN", "CLOSED"):  # two of four failures would open: three successes settle it
        assert board.states()["write"] == "HALF_OPEN"
        await ask(engine, "CREATE TEMPORARY TABLE IF NOT EXISTS probe (x int)")
        assert board.states()["write"] == state


async def test_writes_behind_reads_can_close_their_domain(healthy: PostgresServer, board: Board) -> None:
    """An application whose transactions all begin with a read still finds out that writing works again."""
    engine = board.engine(healthy.url("asyncpg"), replace(TOUCHY, permitted_calls_in_half_open=1))
    await outcome(ask(engine, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '53100'; END $$"))
    assert board.states()["write"] == "OPEN"
    board.clock.advance(60.0)
    async with engine.begin() as connection:
        await connection.execute(SELECT)
        await connection.execute(text("CREATE TEMPORARY TABLE probe (x int)"))
    assert board.states() == {"": "CLOSED", "read": "CLOSED", "write": "CLOSED"}


async def test_cancellation_gives_the_permit_back(healthy: PostgresServer, driver: str, board: Board) -> None:
    """A query cancelled half-way is neither success nor failure, and leaves no permit behind."""
    engine = board.engine(healthy.url(driver), TOUCHY)
    observer = board.engine(healthy.url("asyncpg"))
    query = sleep()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, engine, query)
        await running(observer, query)
        board.settled.clear()
        assert board.in_flight() == 1
        tasks.cancel_scope.cancel()
    assert board.settled == [("db.select", "IGNORED")]
    assert board.in_flight() == 0
    assert board.states()["read"] == "CLOSED"
    assert await ask(engine) == 1


async def test_a_cancelled_connect_gives_the_permit_back(victim: PostgresServer, driver: str, board: Board) -> None:
    """Cancelled while a server that hangs keeps it waiting."""
    engine = board.engine(victim.url(driver), TOUCHY)
    await victim.hang()
    with anyio.move_on_after(0.2) as scope:
        await ask(engine)
    assert scope.cancelled_caught
    assert board.settled == [("db.connect", "IGNORED")]
    assert (board.in_flight(), board.states()["read"]) == (0, "CLOSED")
