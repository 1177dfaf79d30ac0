"""Active checks of a database. Loads SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from anyio import to_thread
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "mysql": "MySQL", "mariadb": "MariaDB"}


async def probe(engine: AsyncEngine | Engine, domain: str) -> bool:
    """Whether a domain serves.

    For writes only PostgreSQL can tell without writing: it knows whether it is a standby, or read-only by decree. It
    does not tell that its disk is full; then the breaker closes, and opens again.
    """

    def ask(connection: Connection) -> bool:
        if not domain.endswith("/write"):
            connection.execute(select(1))
            return True
        if connection.dialect.name == "postgresql":
            return bool(connection.scalar(text("SHOW transaction_read_only")) == "off")
        return False

    return await _connected(engine, ask)


async def permissions(engine: AsyncEngine | Engine) -> Mapping[str, str]:
    """Whether the role may write, and whether it is one for an application: a superuser's is not.

    SQLite has no roles; whether its file can be written, only writing could tell.
    """

    def ask(connection: Connection) -> Mapping[str, str]:
        if connection.dialect.name != "postgresql":
            return {}
        role = connection.scalar(select(func.current_user()))
        setting = "SELECT current_setting('transaction_read_only') = 'on', current_setting('is_superuser') = 'on'"
        read_only, superuser = connection.execute(text(setting)).one()
        return {
            "write": "transactions are read-only: it is a standby, or set so" if read_only else "",
            "a role of its own": f"{role} is a superuser's, which can destroy all there is" * superuser,
        }

    return await _connected(engine, ask)


async def identify(engine: AsyncEngine | Engine) -> str:
    """Name and version of the server ("PostgreSQL 18.6")."""

    def ask(connection: Connection) -> str:
        dialect = connection.dialect
        version = ".".join(map(str, dialect.server_version_info or ()))
        return f"{_NAMES.get(dialect.name, dialect.name)} {version}".rstrip()

    return await _connected(engine, ask)


async def _connected(engine: AsyncEngine | Engine, ask: Callable[[Connection], T]) -> T:
    if isinstance(engine, AsyncEngine):
        async with engine.connect() as connection:
            return await connection.run_sync(ask)

    def connected() -> T:
        with engine.connect() as connection:
            return ask(connection)

    return await to_thread.run_sync(connected)
