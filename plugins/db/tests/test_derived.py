"""What is made of a guarded engine, by SQLAlchemy or by Python: it is guarded, and is what it is of a bare one."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import AsyncAdaptedQueuePool

from plugins.db.tests.support import CONFIG, SELECT, Board, ask, outcome
from switchgear import CallNotPermitted
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND

pytestmark = pytest.mark.anyio

POOL_EVENTS = ("connect", "first_connect", "checkout", "checkin", "reset", "invalidate", "soft_invalidate", "close")


async def heard(engine: AsyncEngine) -> list[str]:
    """The events of an engine's pool through a life of its own."""
    names: list[str] = []
    for name in POOL_EVENTS:

        def listen(*_: object, name: str = name) -> None:
            names.append(name)

        event.listen(engine.sync_engine.pool, name, listen)
    async with engine.connect() as connection:
        await connection.execute(SELECT)
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        await connection.invalidate()
        await connection.rollback()
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        (await connection.get_raw_connection()).invalidate(soft=True)
    await ask(engine)
    await engine.dispose()
    return names


async def test_the_pools_events_are_those_of_a_bare_engine(url: str, board: Board) -> None:
    """All of them, in the same order: connects, checkouts, returns, invalidations and the end."""
    unguarded = await heard(bare(url))
    guarded = await heard(board.engine(url))
    assert guarded == unguarded
    assert {"connect", "checkout", "checkin", "invalidate", "soft_invalidate", "close"} <= set(guarded)


def bare(url: str) -> AsyncEngine:
    """One that nobody guards, with the same pool."""
    return create_async_engine(url, poolclass=AsyncAdaptedQueuePool)


@pytest.mark.parametrize("made", [async_sessionmaker, lambda engine: lambda: AsyncSession(engine)])
async def test_sessions_are_refused_where_they_first_ask(made: Any, engine: AsyncEngine, board: Board) -> None:
    """To make one asks nothing; its first statement does, with SQLAlchemy's own error, and it can be used again."""
    async with made(engine)() as session:
        assert await session.scalar(SELECT) == 1
        await session.commit()
        for role in ("read", "write"):
            board.trip(role)
        with pytest.raises(OperationalError) as refused:
            await session.scalar(SELECT)
        assert isinstance(refused.value, CallNotPermitted)
        await session.rollback()
        board.gear.service("db").group.reset()
        assert await session.scalar(SELECT) == 1


async def test_a_scoped_session_is_guarded(engine: AsyncEngine, board: Board) -> None:
    """The registry of a task makes sessions on the same engine."""
    sessions = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    assert await sessions.scalar(SELECT) == 1
    await sessions.remove()
    assert ("db.select", "SUCCESS") in board.settled


def test_a_session_of_threads_is_guarded(healthy: PostgresServer) -> None:
    """On a sync engine, and with it sessionmaker, Session and connections."""
    board = Board()
    engine = board.gear.guard(create_engine(healthy.url("psycopg")), BACKEND, name="db", breaker=CONFIG)
    with sessionmaker(engine)() as session, Session(engine) as other:
        assert (session.scalar(SELECT), other.scalar(SELECT)) == (1, 1)
    board.gear.service("db").group.force_open("the test says so")
    with Session(engine) as session, pytest.raises(CallNotPermitted):
        session.scalar(SELECT)
    engine.dispose()


async def test_a_copy_shares_the_pool_and_the_guard(engine: AsyncEngine, board: Board) -> None:
    """As copies of an engine do."""
    made = copy.copy(engine)
    assert made.pool is engine.pool
    assert await ask(made) == 1
    board.trip("read")
    assert isinstance(await outcome(ask(made)), CallNotPermitted)


@pytest.mark.parametrize("dumped", [pickle.dumps, copy.deepcopy])
async def test_what_cannot_cross_processes_still_cannot(dumped: Callable[[Any], Any], url: str, board: Board) -> None:
    """With the very same error; what an engine is made again from, its URL, still can."""
    plain, guarded = bare(url), board.engine(url)
    kinds = []
    for one in (plain, guarded):
        with pytest.raises((TypeError, AttributeError)) as raised:
            dumped(one)
        kinds.append(type(raised.value))
    assert kinds[0] is kinds[1]
    assert pickle.loads(pickle.dumps(guarded.url)) == guarded.url


async def test_an_engine_can_be_looked_at_as_before(url: str, board: Board) -> None:
    """Types and texts of the engine and its pool."""
    guarded = board.engine(url)
    plain = bare(url)
    assert type(guarded) is type(plain)
    assert type(guarded.pool) is type(plain.pool)
    assert type(guarded.dialect) is type(plain.dialect)
    assert repr(guarded.sync_engine) == repr(plain.sync_engine)
    assert (guarded.name, guarded.driver) == (plain.name, plain.driver)
    status: Any = guarded.pool
    expected: Any = plain.pool
    assert status.status() == expected.status()
