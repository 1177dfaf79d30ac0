"""One PostgreSQL for the tests that do it no harm, one of their own for those that do, and guarded engines on both."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugins.db.tests.support import Board, until
from switchgear.testing import PostgresServer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # SQLAlchemy's asyncio extension runs on nothing else


@pytest.fixture(scope="session")
def healthy() -> Iterator[PostgresServer]:
    """A server in good health."""
    with PostgresServer("-c", "max_prepared_transactions=5", "-c", "deadlock_timeout=50ms") as server:
        yield server


@pytest.fixture(scope="session")
def phoenix() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
async def victim(phoenix: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A server that a test may hurt; it is restarted after each."""
    yield phoenix
    await phoenix.restart()


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    """A gear, whose engines are disposed of."""
    board = Board()
    yield board
    for engine in board.engines:
        await engine.dispose()
    await until(no_more_threads)


async def no_more_threads() -> bool:
    """Those of aiosqlite talk to the loop, which must be there: after a failed connect, too, nobody waits for them."""
    return not any("_connection_worker_thread" in thread.name for thread in threading.enumerate())


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request: pytest.FixtureRequest) -> str:
    """Each of the drivers for PostgreSQL."""
    return str(request.param)


@pytest.fixture(params=["asyncpg", "psycopg", "aiosqlite"])
def url(request: pytest.FixtureRequest, healthy: PostgresServer, tmp_path: Path) -> str:
    """A database in good health, through each of the drivers."""
    if request.param == "aiosqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/file.db"
    return healthy.url(request.param)


@pytest.fixture
def engine(board: Board, url: str) -> AsyncEngine:
    """A guarded engine on a database in good health."""
    return board.engine(url)
