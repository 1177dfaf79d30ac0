"""Statements as OpenTelemetry's conventions for databases know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchgear.spi import Convention
from switchgear_db._operations import CONNECT, FETCH, FINISH, OPERATIONS, OTHER

_KNOWN = {operation.name for operation in OPERATIONS} - {each.name for each in (CONNECT, FETCH, FINISH, OTHER)}
#: What SQLAlchemy calls otherwise.
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}


def _attributes(engine: Any, operation: str, _class: str, _domain: str) -> Mapping[str, str | int]:
    """None for what is no statement: connecting, reading on, tidying up, an active check."""
    if operation not in _KNOWN:
        return {}
    dialect: str = engine.dialect.name
    url = engine.url
    return {
        "db.system.name": _SYSTEMS.get(dialect, dialect),
        "db.operation.name": operation.removeprefix("db.").upper(),
        "server.address": url.host or "",  # none: it is a file, or the driver picks one of several
        "server.port": url.port or "",
    }


CONVENTION: Convention[Any] = Convention(
    duration="db.client.operation.duration",
    attributes=_attributes,
    instrumentations=tuple(
        f"opentelemetry.instrumentation.{name}" for name in ("sqlalchemy", "asyncpg", "psycopg", "aiopg", "sqlite3")
    ),
)
