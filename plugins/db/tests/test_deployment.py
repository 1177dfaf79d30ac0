"""What a deployment is validated by: what an engine keeps itself to, and what its role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from switchgear.spi import ClientLimits
from switchgear.testing import PostgresServer
from switchgear_db import DbSettings
from switchgear_db._connect import connect, limits
from switchgear_db._probe import permissions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio


async def test_the_limits_are_the_deadlines_and_the_pool() -> None:
    """The pool's bound is that with its overflow. The engine retries nothing."""
    settings = DbSettings(url="postgresql+asyncpg://h/d", statement_timeout=7, connect_timeout=2, pool_size=3)
    async with connect(settings) as engine:
        assert limits(engine, settings) == ClientLimits(timeout=7, connect_timeout=2, connections=13, retries=0)


@pytest.mark.parametrize(
    "settings",
    [
        DbSettings(url="postgresql+asyncpg://h/d", connect_args={"command_timeout": 600}),
        DbSettings(url="postgresql+psycopg://h/d?options=-cstatement_timeout%3D0"),
    ],
    ids=["an argument", "the URL"],
)
async def test_deadlines_of_the_users_own_cannot_be_told(settings: DbSettings) -> None:
    """An argument for the driver goes before the settings, so these say nothing any more."""
    async with connect(settings) as engine:
        told = limits(engine, settings)
        assert (told.timeout, told.connect_timeout) == (None, None)


async def test_a_role_is_told_by_what_it_may_do(healthy: PostgresServer, driver: str) -> None:
    """A superuser is one too many; a role whose transactions are read-only may not write; another has nothing wrong."""
    async with connect(DbSettings(url=healthy.url(driver))) as engine:
        superuser = await permissions(engine)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE ROLE app"))
        await _become(engine, "app")
        app = await permissions(engine)
        await _become(engine, "app", read_only=True)
        reader = await permissions(engine)
        async with engine.begin() as connection:
            await connection.execute(text("RESET ROLE"))
            await connection.execute(text("RESET default_transaction_read_only"))
        async with engine.begin() as connection:
            await connection.execute(text("DROP ROLE app"))
    assert superuser["write"] == ""
    assert superuser["a role of its own"].startswith("postgres is a superuser's")
    assert app == {"write": "", "a role of its own": ""}
    assert reader["write"].startswith("transactions are read-only")


async def _become(engine: AsyncEngine, role: str, *, read_only: bool = False) -> None:
    """On the one connection of the pool, for all that follows on it."""
    async with engine.begin() as connection:
        await connection.execute(text(f"SET ROLE {role}"))
        if read_only:
            await connection.execute(text("SET default_transaction_read_only = on"))


async def test_sqlite_has_no_roles() -> None:
    """Nothing is said of it."""
    async with connect(DbSettings(url="sqlite+aiosqlite://")) as engine:
        assert await permissions(engine) == {}
