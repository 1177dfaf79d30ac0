"""A guarded engine does what it did before: every way to the database passes, with its own results and errors."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, String, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from plugins.db.tests.support import CONFIG, SELECT, Board, ask, outcome
from switchgear import CallNotPermitted
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


async def with_table(engine: AsyncEngine) -> AsyncEngine:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    return engine


@pytest.fixture
async def store(engine: AsyncEngine, board: Board) -> AsyncEngine:
    """A guarded engine on a database with the table, empty."""
    await with_table(engine)
    board.settled.clear()
    return engine


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.scalars(select(Item.name).order_by(Item.name))).all())


async def test_core_transactions_commit_and_roll_back(store: AsyncEngine, board: Board) -> None:
    """What is committed is there, what raised is not, and all that was settled is success."""
    async with store.begin() as connection:
        await connection.execute(insert(Item), [{"name": "a"}, {"name": "b"}])

    async def give_up() -> None:
        async with store.begin() as connection:
            await connection.execute(insert(Item).values(name="c"))
            raise LookupError

    assert isinstance(await outcome(give_up()), LookupError)
    assert await names(store) == ["a", "b"]
    assert ("db.insert", "SUCCESS") in board.settled
    assert ("db.commit", "SUCCESS") in board.settled
    assert {verdict for _, verdict in board.settled} == {"SUCCESS"}


async def test_orm_sessions_pass(store: AsyncEngine, board: Board) -> None:
    """Unit of work, refresh, and a query, through a session maker made after the guard."""
    sessions = async_sessionmaker(store, expire_on_commit=True)
    async with sessions() as session:
        item = Item(name="a")
        session.add(item)
        await session.commit()
        await session.refresh(item)
        item.name = "b"
        await session.commit()
        assert [row.name for row in await session.scalars(select(Item))] == ["b"]
    assert {"db.insert", "db.update", "db.select", "db.commit"} <= {operation for operation, _ in board.settled}


async def test_a_large_insert_in_batches_passes(store: AsyncEngine) -> None:
    """SQLAlchemy's insertmanyvalues, and the driver's executemany, bring back and store all rows."""
    async with store.begin() as connection:
        rows = [{"name": f"{number:05}"} for number in range(2500)]
        assert len((await connection.scalars(insert(Item).returning(Item.id), rows)).all()) == len(rows)
        await connection.execute(text("UPDATE item SET name = name || 'x' WHERE name = :name"), rows)
    assert len(await names(store)) == len(rows)


async def test_streaming_results_pass(store: AsyncEngine) -> None:
    """A server-side cursor is read to its end in parts."""
    async with store.begin() as connection:
        await connection.execute(insert(Item), [{"name": f"{number:03}"} for number in range(300)])
    async with store.connect() as connection:
        result = await connection.stream_scalars(select(Item.name).order_by(Item.name).execution_options(yield_per=7))
        assert [name async for name in result] == [f"{number:03}" for number in range(300)]


async def test_run_sync_and_inspection_pass(store: AsyncEngine) -> None:
    """Synchronous code on an async engine, as Alembic and inspect() are."""

    def inside(connection: Connection) -> list[str]:
        return inspect(connection).get_table_names()

    async with store.connect() as connection:
        assert "item" in await connection.run_sync(inside)


async def test_savepoints_pass(store: AsyncEngine) -> None:
    """What failed in a savepoint is undone alone."""
    async with store.begin() as connection:
        await connection.execute(insert(Item).values(name="a"))
        async with connection.begin_nested() as nested:
            await connection.execute(insert(Item).values(name="b"))
            assert isinstance(await outcome(connection.execute(insert(Item).values(name="a"))), IntegrityError)
            await nested.rollback()
        await connection.execute(insert(Item).values(name="c"))
    assert await names(store) == ["a", "c"]


async def test_autocommit_passes(store: AsyncEngine, board: Board) -> None:
    """Each statement stands, and is admitted, by itself."""
    async with store.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(insert(Item).values(name="a"))
        await connection.execute(insert(Item).values(name="b"))
        await connection.rollback()
    assert await names(store) == ["a", "b"]
    assert [settled for settled in board.settled if settled[0] == "db.insert"] == [("db.insert", "SUCCESS")] * 2


async def test_an_engine_with_options_shares_the_guard(engine: AsyncEngine, board: Board) -> None:
    """execution_options() makes a new engine on the same dialect and pool: guarded too, and once."""
    sibling = engine.execution_options(isolation_level="SERIALIZABLE")
    board.guard(sibling)
    async with sibling.connect() as connection:
        await connection.execute(SELECT)
    assert board.settled == [("db.connect", "IGNORED"), ("db.select", "SUCCESS")]


async def test_dispose_leaves_the_guard_in_place(engine: AsyncEngine, board: Board) -> None:
    """The pool that comes after guards connects, and measures, like the one before."""
    before = board.count("connects")
    await engine.dispose()
    assert await ask(engine) == 1
    assert board.count("connects") == before + 1
    await engine.dispose()
    board.trip("read")
    board.trip("write")
    with pytest.raises(ConnectionError):
        await ask(engine)


async def test_the_pools_events_and_records_are_as_before(engine: AsyncEngine) -> None:
    """A connect event still gets the pool's record, and the connection's info is the application's."""
    records = []
    event.listen(engine.sync_engine, "connect", lambda _connection, record: records.append(record))
    await engine.dispose()
    async with engine.connect() as connection:
        (await connection.get_raw_connection()).info["mine"] = 1
        await connection.execute(SELECT)
        assert (await connection.get_raw_connection()).info["mine"] == 1
    assert [type(record).__name__ for record in records] == ["_ConnectionRecord"]


async def test_no_pool_passes(url: str, board: Board) -> None:
    """With NullPool every transaction connects: each connect is admitted, and each statement."""
    engine = board.engine(url, poolclass=NullPool)
    for _ in range(3):
        assert await ask(engine) == 1
    assert board.count("connects") == 3
    assert BACKEND.gauges is not None
    assert BACKEND.gauges(engine) == {}


async def test_two_phase_transactions_pass(healthy: PostgresServer, board: Board) -> None:
    """Prepared and committed, prepared and rolled back, and recovered by somebody else, where the driver can."""
    engine = await with_table(board.engine(healthy.url("psycopg")))

    def committed(connection: Connection) -> None:
        with connection.begin_twophase() as transaction:
            connection.execute(insert(Item).values(name="a"))
            transaction.prepare()
            transaction.commit()

    def rolled_back(connection: Connection) -> None:
        with connection.begin_twophase() as transaction:
            connection.execute(insert(Item).values(name="b"))
            transaction.prepare()
            transaction.rollback()

    async with engine.connect() as connection:
        for transaction in (committed, rolled_back):
            await connection.run_sync(transaction)
            board.trip("read")
            assert isinstance(await outcome(connection.execute(SELECT)), CallNotPermitted)  # for that one is over
            await connection.rollback()
            board.gear.service("db").group.reset()
    assert await names(engine) == ["a"]


async def test_a_sync_engine_is_guarded_too(healthy: PostgresServer, board: Board) -> None:
    """Admission is synchronous, so that create_engine()'s engines are guarded by the same code."""
    engine: Engine = board.gear.guard(create_engine(healthy.url("psycopg")), BACKEND, name="db", breaker=CONFIG)
    with engine.begin() as connection:
        assert connection.scalar(SELECT) == 1
    board.gear.service("db").group.force_open("test")
    with pytest.raises(ConnectionError), engine.begin() as connection:
        connection.execute(SELECT)
    engine.dispose()


class _Cursor(sqlite3.Cursor):
    rowcount: Any = None  # as PEP 249 says that drivers may


class _Connection(sqlite3.Connection):
    def cursor(self, *_: Any) -> _Cursor:  # type: ignore[override]
        return super().cursor(_Cursor)


async def test_a_driver_need_not_know_how_many_rows(board: Board) -> None:
    """What the guard counts by the way never fails a call."""
    connect = partial(sqlite3.connect, ":memory:", factory=_Connection)
    engine: Engine = board.gear.guard(create_engine("sqlite://", creator=connect), BACKEND, name="db", breaker=CONFIG)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n)"))
        assert connection.execute(text("INSERT INTO t VALUES (1)")).rowcount is None
    assert board.count("rows", statement="write") == 0
    engine.dispose()
