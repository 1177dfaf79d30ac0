"""Engines of our own making: every wait ends, mistakes are explained, and what was opened is closed."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import trio
from sqlalchemy import exc, text
from sqlalchemy.pool import StaticPool

from plugins.db.tests.support import Board, ask, outcome, running, sleep, timed
from switchgear.spi import ConfigurationError, MissingDependency
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND, DbSettings
from switchgear_db._metrics import gauges


async def connected(**settings: Any) -> None:
    async with BACKEND.connect(DbSettings(**settings)):
        pass


@pytest.mark.anyio
async def test_the_server_ends_a_long_statement(healthy: PostgresServer, driver: str) -> None:
    """The first deadline is the server's: its own error (57014), in time, and the connection goes on."""
    async with (
        BACKEND.connect(DbSettings(url=healthy.url(driver), statement_timeout=0.1)) as engine,
        engine.connect() as connection,
    ):
        error, seconds = await timed(connection.execute(text("SELECT pg_sleep(60)")))
        assert isinstance(error, exc.DBAPIError)
        assert error.orig is not None
        assert error.orig.sqlstate == "57014"  # type: ignore[attr-defined]
        assert seconds < 1.0
        assert not connection.invalidated


@pytest.mark.anyio
async def test_our_own_deadline_says_so(victim: PostgresServer) -> None:
    """Psycopg has none: the connection is taken from under it, and the error tells why."""
    async with BACKEND.connect(DbSettings(url=victim.url("psycopg"), statement_timeout=0.1)) as engine:
        assert await ask(engine) == 1
        await victim.hang()
        error = await outcome(ask(engine))
        assert isinstance(error, exc.OperationalError)
        assert error.connection_invalidated
        assert "the server did not answer within 1.1 s, so the connection was closed" in str(error)


@pytest.mark.anyio
async def test_a_failover_makes_the_whole_pool_connect_anew(healthy: PostgresServer, driver: str) -> None:
    """A write refused as read-only went to the old primary; so would all that the pool still holds."""
    raise_read_only = "DO $$ BEGIN RAISE 'a standby says' USING ERRCODE = '25006'; END $$"
    async with BACKEND.connect(DbSettings(url=healthy.url(driver))) as engine:
        async with engine.connect() as one, engine.connect() as two:
            sessions = {await connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, two)}
        error = await outcome(ask(engine, raise_read_only))
        assert isinstance(error, exc.DBAPIError)
        assert error.connection_invalidated
        async with engine.connect() as one, engine.connect() as two:
            for connection in (one, two):
                assert await connection.scalar(text("SELECT pg_backend_pid()")) not in sessions


@pytest.mark.anyio
async def test_a_full_pool_gives_up(healthy: PostgresServer, driver: str) -> None:
    """pool_size, max_overflow and pool_timeout arrive at the pool."""
    settings = DbSettings(url=healthy.url(driver), pool_size=1, max_overflow=1, pool_timeout=0.05)
    async with BACKEND.connect(settings) as engine, engine.connect(), engine.connect():
        error, seconds = await timed(ask(engine))
        assert isinstance(error, exc.TimeoutError)
        assert seconds < 1.0


@pytest.mark.anyio
async def test_settings_reach_the_connection(healthy: PostgresServer, driver: str) -> None:
    """The isolation level, and arguments of the driver's own, which win over ours."""
    by_driver: dict[str, dict[str, Any]] = {
        "asyncpg": {"server_settings": {"application_name": "me"}},
        "psycopg": {"application_name": "me"},
    }
    name = by_driver[driver]
    settings = DbSettings(url=healthy.url(driver), isolation_level="SERIALIZABLE", connect_args=name)
    async with BACKEND.connect(settings) as engine:
        assert await ask(engine, "SHOW transaction_isolation") == "serializable"
        assert await ask(engine, "SHOW application_name") == "me"


@pytest.mark.anyio
async def test_options_are_those_of_the_engine(healthy: PostgresServer) -> None:
    """What create_async_engine takes and the settings have no key for; they go before those keys."""
    own = {"pool_use_lifo": True, "pool_size": 3, "execution_options": {"isolation_level": "AUTOCOMMIT"}}
    async with BACKEND.connect(DbSettings(url=healthy.url("asyncpg"), pool_size=7, options=own)) as engine:
        assert engine.get_execution_options() == {"isolation_level": "AUTOCOMMIT"}
        assert gauges(engine)["pool_max"] == 3 + 10
        assert await ask(engine) == 1


@pytest.mark.anyio
async def test_an_option_that_nobody_knows_is_named() -> None:
    """When it is connected; what it was to be is not said."""
    with pytest.raises(ConfigurationError, match="no_such_option") as caught:
        await connected(url="postgresql+asyncpg://me:hunter2@h/d", options={"no_such_option": "hunter2"})
    assert caught.value.key == "options"
    assert "hunter2" not in str(caught.value)


@pytest.mark.anyio
async def test_what_the_url_says_goes_before_our_own(healthy: PostgresServer) -> None:
    """A session of psycopg has one argument for all its options: those in the URL are not lost to our deadline."""
    url = healthy.url("psycopg") + "?options=-csearch_path%3Dpg_catalog"
    async with BACKEND.connect(DbSettings(url=url)) as engine:
        assert await ask(engine, "SHOW search_path") == "pg_catalog"


@pytest.mark.anyio
async def test_sqlite_in_memory_and_in_a_file(tmp_path: Path) -> None:
    """A database in memory has its own kind of pool; the deadline is for waiting for a lock."""
    async with BACKEND.connect(DbSettings(url="sqlite+aiosqlite://")) as engine:
        assert isinstance(engine.pool, StaticPool)
        assert await ask(engine) == 1
    url = f"sqlite+aiosqlite:///{tmp_path}/file.db"
    async with BACKEND.connect(DbSettings(url=url, statement_timeout=0.05)) as engine:
        await ask(engine, "CREATE TABLE t (x int)")
        async with engine.connect() as holder:
            await holder.execute(text("INSERT INTO t VALUES (1)"))
            error, seconds = await timed(ask(engine, "INSERT INTO t VALUES (2)"))
            assert "locked" in str(error)
            assert seconds < 1.0


@pytest.mark.anyio
async def test_all_connections_are_closed(healthy: PostgresServer, driver: str, board: Board) -> None:
    """At the end, also when it comes by cancellation."""
    observer = board.engine(healthy.url("asyncpg"))
    query = sleep()
    with anyio.CancelScope() as scope:
        async with BACKEND.connect(DbSettings(url=healthy.url(driver))) as engine:
            async with engine.connect(), engine.connect():
                pass
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, engine, query)
                await running(observer, query)
                scope.cancel()
    assert scope.cancelled_caught
    assert engine.pool.checkedin() == 0


@pytest.mark.anyio
async def test_leaving_a_server_that_hangs_takes_finite_time(victim: PostgresServer, driver: str) -> None:
    """Idle connections to it are dropped, after some seconds of courtesy."""
    async with BACKEND.connect(DbSettings(url=victim.url(driver))) as engine:
        async with engine.connect(), engine.connect(), engine.connect():
            pass
        await victim.hang()
        started = anyio.current_time()
    assert anyio.current_time() - started < 5.0
    assert engine.pool.checkedin() == 0


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgresql+asyncpg://me:hunter2@host:port/database",
        "postgresql+psycopg2://me:hunter2@host/database",
        "postgres://me:hunter2@host/database",
        "nosuch+driver://me:hunter2@host/database",
        "sqlite:///file.db",
        "mysql+aiomysql://me:hunter2@host/database",
    ],
)
async def test_a_wrong_url_is_explained(url: str) -> None:
    """Which key, and what to write instead; never the password."""
    with pytest.raises(ConfigurationError, match=r"postgresql\+asyncpg://") as caught:
        await connected(url=url)
    assert caught.value.key == "url"
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "install"),
    [
        ("postgresql+asyncpg://host/d", "switchgear-db[asyncpg]"),
        ("postgresql+psycopg://host/d", "switchgear-db[psycopg]"),
        ("sqlite+aiosqlite:///file.db", "switchgear-db[sqlite]"),
    ],
)
async def test_a_missing_driver_is_named(url: str, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it."""
    for module in ("asyncpg", "psycopg", "aiosqlite"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency) as caught:
        await connected(url=url)
    assert f'pip install "{install}"' in str(caught.value)


def test_missing_sqlalchemy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is importable without its SDK, and says what it lacks when asked to connect."""
    monkeypatch.delitem(sys.modules, "switchgear_db._connect", raising=False)
    genuine = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("sqlalchemy"):
            raise ModuleNotFoundError(name)
        return genuine(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency) as caught:
        BACKEND.connect(DbSettings(url="sqlite+aiosqlite://"))
    assert 'pip install "sqlalchemy[asyncio]>=2.0.20"' in str(caught.value)


@pytest.mark.anyio
async def test_trio_is_told_no() -> None:
    """Before anything else, instead of a strange error at the first connect."""

    def on_trio() -> None:
        trio.run(lambda: connected(url="sqlite+aiosqlite://"))

    with pytest.raises(ConfigurationError, match="asyncio only"):
        await anyio.to_thread.run_sync(on_trio)  # this thread has an event loop


@pytest.mark.parametrize("key", ["pool_timeout", "connect_timeout", "statement_timeout"])
def test_a_deadline_must_be_one(key: str) -> None:
    """Zero would mean for ever to one driver and at once to another."""
    with pytest.raises(ConfigurationError, match="above 0") as caught:
        DbSettings(url="sqlite+aiosqlite://", **cast("dict[str, Any]", {key: 0}))
    assert caught.value.key == key


def test_the_password_is_not_shown() -> None:
    """Settings may be logged."""
    own = {"password": "hunter2"}
    settings = DbSettings(url="postgresql+asyncpg://me:hunter2@host/d", connect_args=own, options={"connect_args": own})
    assert "hunter2" not in repr(settings)
