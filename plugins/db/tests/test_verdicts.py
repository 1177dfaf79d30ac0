"""Errors of real servers, as the drivers bring them: who is to blame for each."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from plugins.db.tests.support import Board, ask, outcome, running, sleep
from switchgear.testing import PostgresServer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(healthy: PostgresServer, driver: str, board: Board) -> AsyncEngine:
    """A guarded engine on PostgreSQL through each driver."""
    return board.engine(healthy.url(driver))


async def asked(board: Board, engine: AsyncEngine, sql: str) -> str:
    """The verdict on one statement."""
    await ask(engine)  # so that it needs no new connection
    board.settled.clear()
    async with engine.connect() as connection:
        await outcome(connection.execute(text(sql)))
    (settled,) = board.settled
    return settled[1]


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ("08006 25006 53100 53200 57P01 58030 XX000", "FAILURE"),
        ("53300 53400", "THROTTLED"),
        ("22012 23505 40001 40P01 42501 55P03 57014 P0001 0A000", "SUCCESS"),
        ("25P03 28000 3D000 57P05", "IGNORED"),
    ],
)
async def test_the_drivers_bring_the_sqlstate(postgres: AsyncEngine, board: Board, states: str, verdict: str) -> None:
    """PostgreSQL raises any SQLSTATE on request, and each arrives, whatever class it is wrapped in."""
    verdicts = set()
    for state in states.split():
        board.gear.service("db").group.reset()
        verdicts.add(await asked(board, postgres, f"DO $$ BEGIN RAISE 'on request' USING ERRCODE = '{state}'; END $$"))
    assert verdicts == {verdict}


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT 1/0", "SELECT * FROM nowhere", "INSERT INTO nowhere VALUES (1)"])
async def test_mistakes_in_sql_are_served(postgres: AsyncEngine, board: Board, sql: str) -> None:
    """A server that rejects a statement works."""
    assert await asked(board, postgres, sql) == "SUCCESS"


async def test_a_broken_constraint_is_served(engine: AsyncEngine, board: Board) -> None:
    """On every database: the caller gets SQLAlchemy's IntegrityError, the breaker a success."""
    await ask(engine, "DROP TABLE IF EXISTS only_once")
    await ask(engine, "CREATE TABLE only_once (x int PRIMARY KEY)")
    await ask(engine, "INSERT INTO only_once VALUES (1)")
    board.settled.clear()
    with pytest.raises(IntegrityError):
        await ask(engine, "INSERT INTO only_once VALUES (1)")
    assert board.settled == [("db.insert", "SUCCESS")]


async def test_what_follows_an_error_in_its_transaction_says_nothing(postgres: AsyncEngine, board: Board) -> None:
    """PostgreSQL ignores commands until the ROLLBACK (25P02)."""
    async with postgres.connect() as connection:
        await outcome(connection.execute(text("SELECT 1/0")))
        board.settled.clear()
        await outcome(connection.execute(text("SELECT 1")))
    assert board.settled == [("db.select", "IGNORED")]


async def test_a_parameter_that_cannot_be_sent_says_nothing(engine: AsyncEngine, board: Board) -> None:
    """The driver raised before the statement was sent."""
    await ask(engine)
    board.settled.clear()
    async with engine.connect() as connection:
        error = await outcome(connection.execute(text("SELECT :x"), {"x": object()}))
    assert isinstance(error, Exception)
    # asyncpg had asked the server what it expects, and that was answered.
    assert board.settled == [("db.select", "SUCCESS" if engine.dialect.driver == "asyncpg" else "IGNORED")]


async def test_an_unknown_database_is_configuration(healthy: PostgresServer, driver: str, board: Board) -> None:
    """Told apart from an outage also through psycopg, which does not say the SQLSTATE; counted, for an alarm."""
    url = healthy.url(driver)
    for wrong in (f"{url}x", url.replace("postgres@", "nobody@")):
        engine = board.engine(wrong)
        assert isinstance(await outcome(ask(engine)), Exception)
    assert board.settled == [("db.connect", "IGNORED")] * 2
    assert board.count("configuration_errors") == 2


# -- contention --------------------------------------------------------------------------------------------------------


async def two(engine: AsyncEngine, level: str) -> tuple[AsyncConnection, AsyncConnection]:
    """Two connections on a table with two rows."""
    await ask(engine, "DROP TABLE IF EXISTS contended")
    await ask(engine, "CREATE TABLE contended (x int, y int)")
    await ask(engine, "INSERT INTO contended VALUES (1, 0), (2, 0)")
    one, other = engine.connect(), engine.connect()
    await one.start()
    await other.start()
    await one.execution_options(isolation_level=level)
    await other.execution_options(isolation_level=level)
    return one, other


def update(x: int) -> str:
    return f"UPDATE contended SET y = y + 1 WHERE x = {x}"  # noqa: S608 - a number


async def test_a_deadlock_is_contention(postgres: AsyncEngine, board: Board) -> None:
    """Its victim gets the error; the server has done its duty."""
    one, other = await two(postgres, "READ COMMITTED")
    await one.execute(text(update(1)))
    await other.execute(text(update(2)))
    board.settled.clear()
    errors: list[object] = []

    async def cross(connection: AsyncConnection, x: int) -> None:
        errors.append(await outcome(connection.execute(text(update(x)))))
        await connection.rollback()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cross, one, 2)
        tasks.start_soon(cross, other, 1)
    await one.close()
    await other.close()
    assert sum(isinstance(error, DBAPIError) for error in errors) == 1
    assert board.settled == [("db.update", "SUCCESS")] * 2
    assert board.count("contention", kind="deadlock") == 1


async def test_a_serialization_failure_is_contention(postgres: AsyncEngine, board: Board) -> None:
    """The second to update a row that both have read."""
    one, other = await two(postgres, "REPEATABLE READ")
    await other.execute(text("SELECT * FROM contended"))
    await one.execute(text(update(1)))
    await one.commit()
    board.settled.clear()
    assert isinstance(await outcome(other.execute(text(update(1)))), DBAPIError)
    await one.close()
    await other.close()
    assert board.settled == [("db.update", "SUCCESS")]
    assert board.count("contention", kind="serialization") == 1


async def test_a_lock_not_had_is_contention(postgres: AsyncEngine, board: Board) -> None:
    """NOWAIT, and a lock_timeout."""
    one, other = await two(postgres, "READ COMMITTED")
    await one.execute(text(update(1)))
    assert isinstance(await outcome(other.execute(text("SELECT * FROM contended FOR UPDATE NOWAIT"))), DBAPIError)
    await other.rollback()
    await other.execute(text("SET LOCAL lock_timeout = '10ms'"))
    assert isinstance(await outcome(other.execute(text(update(1)))), DBAPIError)
    await one.close()
    await other.close()
    assert board.count("contention", kind="lock") == 2
    assert "FAILURE" not in dict(board.settled).values()


async def test_a_locked_sqlite_is_contention(tmp_path: Path, board: Board) -> None:
    """Another connection holds the database for longer than the timeout."""
    engine = board.engine(f"sqlite+aiosqlite:///{tmp_path}/file.db", connect_args={"timeout": 0.01})
    await ask(engine, "CREATE TABLE t (x int)")
    async with engine.connect() as holder:
        await holder.execute(text("INSERT INTO t VALUES (1)"))
        board.settled.clear()
        with pytest.raises(DBAPIError, match="locked"):
            await ask(engine, "INSERT INTO t VALUES (2)")
    assert board.settled[-1] == ("db.insert", "SUCCESS")
    assert board.count("contention", kind="lock") == 1


async def test_sqlite_that_cannot_be_opened_fails(tmp_path: Path, board: Board) -> None:
    """No such directory."""
    engine = board.engine(f"sqlite+aiosqlite:///{tmp_path}/nowhere/file.db")
    await outcome(ask(engine))
    assert board.settled == [("db.connect", "FAILURE")]


# -- outside of the calls that hold permits ----------------------------------------------------------------------------


async def terminate(observer: AsyncEngine) -> None:
    """End all sessions but the asking one, as a failover or an administrator does."""
    await ask(
        observer,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )


async def test_a_session_ended_in_its_query_fails_once(postgres: AsyncEngine, healthy: PostgresServer) -> None:
    """pg_terminate_backend while the query runs: one failure, and the next transaction has a new connection."""
    board, witness = Board(), Board()
    observer = witness.engine(healthy.url("asyncpg"))
    engine = board.engine(str(postgres.url))
    query = sleep()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome, ask(engine, query))
        await running(observer, query)
        await terminate(observer)
    assert [settled for settled in board.settled if settled[1] == "FAILURE"] == [("db.select", "FAILURE")]
    assert board.count("disconnects") == 1
    assert await ask(engine) == 1
    await engine.dispose()
    await observer.dispose()


# SQLAlchemy drops the cursor of a broken connection unclosed, guarded or not, and psycopg minds.
@pytest.mark.filterwarnings("ignore:.*AsyncServerCursor.*:ResourceWarning")
async def test_a_stream_cut_while_it_is_read_fails_once(postgres: AsyncEngine, healthy: PostgresServer) -> None:
    """The statement had succeeded; what failed is fetching from its cursor, which no permit covers."""
    board, witness = Board(), Board()
    observer = witness.engine(healthy.url("asyncpg"))
    engine = board.engine(str(postgres.url))

    async def read() -> None:
        async with engine.connect() as connection:
            query = text("SELECT * FROM generate_series(1, 1000000)").execution_options(yield_per=10)
            async with connection.stream(query) as stream:
                await stream.fetchone()
                await terminate(observer)
                async for _ in stream:
                    pass

    assert isinstance(await outcome(read()), Exception)
    assert [settled for settled in board.settled if settled[1] == "FAILURE"] == [("db.fetch", "FAILURE")]
    gc.collect()
    await engine.dispose()
    await observer.dispose()
