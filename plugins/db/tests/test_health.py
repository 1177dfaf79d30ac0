"""What is known of a database without an application's calls: active checks, its name, and the pool's state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, text

from plugins.db.tests.support import SELECT, TOUCHY, Board, ask, outcome
from switchgear import State
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND
from switchgear_db import _metrics as metrics

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio

assert BACKEND.probe
assert BACKEND.identify
assert BACKEND.gauges
probe: Callable[[Any, str], Awaitable[bool]] = BACKEND.probe
identify: Callable[[Any], Awaitable[str]] = BACKEND.identify
gauges: Callable[[Any], Mapping[str, float]] = BACKEND.gauges


async def test_the_server_is_named(engine: AsyncEngine, healthy: PostgresServer) -> None:
    """Name and version, as the server tells them."""
    name = await identify(engine)
    if engine.dialect.name == "postgresql":
        assert name == str(healthy)
    else:
        assert name.startswith("SQLite 3.")


async def test_a_sync_engine_is_asked_too(tmp_path: Path) -> None:
    """On another thread, so that the event loop does not wait."""
    engine = create_engine(f"sqlite:///{tmp_path}/file.db")
    assert (await identify(engine)).startswith("SQLite 3.")
    assert await probe(engine, "file.db/read")
    engine.dispose()


async def test_a_check_closes_an_idle_breaker(victim: PostgresServer, driver: str, board: Board) -> None:
    """After an outage, without any call of the application's: the main and the branch, each by its probes."""
    engine = board.engine(victim.url(driver), TOUCHY)
    service = board.gear.service("db")
    await victim.kill()
    await outcome(ask(engine))
    assert board.states() == {"": "OPEN", "read": "OPEN"}
    board.clock.advance(60.0)
    with pytest.raises(Exception, match=r"refused|Connect call failed"):
        await service.check(engine, service.group.main)
    await victim.restart()
    for breaker in (service.group.main, board.branch("read")):
        while breaker.state is State.HALF_OPEN:
            assert await service.check(engine, breaker)
    assert board.states() == {"": "CLOSED", "read": "CLOSED"}


async def test_writes_are_checked_where_that_is_possible(engine: AsyncEngine) -> None:
    """PostgreSQL knows whether it takes writes; of SQLite nothing can be said without writing."""
    assert await probe(engine, "host/write") is (engine.dialect.name == "postgresql")
    assert await probe(engine, "host/read") is True
    assert await probe(engine, "") is True


async def test_a_read_only_server_is_not_called_good_for_writes(
    healthy: PostgresServer, driver: str, board: Board
) -> None:
    """It stays open until writing is possible."""
    engine = board.engine(healthy.url(driver))
    event.listen(
        engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    )
    assert await probe(engine, "host/write") is False
    assert await probe(engine, "host/read") is True


async def test_the_pool_shows_itself(engine: AsyncEngine) -> None:
    """In use, idle, and at most: read without I/O."""
    async with engine.connect() as one, engine.connect() as two:
        await one.execute(SELECT)
        await two.execute(SELECT)
        assert gauges(engine) == {metrics.IN_USE: 2, metrics.IDLE: 0, metrics.MOST: 15}
    assert gauges(engine) == {metrics.IN_USE: 0, metrics.IDLE: 2, metrics.MOST: 15}


async def test_rows_are_counted_where_the_driver_tells(engine: AsyncEngine, board: Board) -> None:
    """Those returned and those changed, of which SQLite's driver tells the latter only."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE counted (id INTEGER)"))
        await connection.execute(text("INSERT INTO counted VALUES (:id)"), [{"id": number} for number in range(7)])
        await connection.execute(text("UPDATE counted SET id = 9 WHERE id < 3"))
        read, written = (board.count(metrics.ROWS, statement=kind) for kind in ("read", "write"))
        assert len((await connection.execute(text("SELECT * FROM counted"))).all()) == 7
    assert board.count(metrics.ROWS, statement="read") - read == (0 if engine.dialect.name == "sqlite" else 7)
    # Of several rows sent at once asyncpg does not tell.
    assert written == (3 if engine.dialect.driver == "asyncpg" else 10)


async def test_transactions_and_connects_are_counted(engine: AsyncEngine, board: Board) -> None:
    """By outcome; one without a statement is none."""
    await ask(engine)
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        await connection.rollback()
        await connection.commit()
    assert board.count(metrics.TRANSACTIONS, outcome="commit") == 1
    assert board.count(metrics.TRANSACTIONS, outcome="rollback") == 1
    assert board.count(metrics.CONNECTS) == 1


async def test_all_that_is_counted_is_declared() -> None:
    """And nothing else: names are the contract with dashboards."""
    constants = {name: value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}
    names = {value for name, value in constants.items() if name != "OVERFLOW"}
    assert names == {metric.name for metric in BACKEND.metrics}
