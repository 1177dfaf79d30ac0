"""The keys of [services.NAME.settings]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from switchgear.spi import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class DbSettings:
    """How to connect to a database, within finite time whatever it does.

    Times are in seconds. `url` is SQLAlchemy's ("postgresql+asyncpg://user:password@host/database"), through one of the
    drivers whose deadlines we know how to set: asyncpg, psycopg, aiosqlite. What it says of the driver's arguments
    (`?options=...`) goes before what the other keys make of them.

    Raises ConfigurationError.
    """

    url: str = field(repr=False)
    #: Connections kept, and how many more may be opened when all are in use. SQLAlchemy's own defaults.
    pool_size: int = 5
    max_overflow: int = 10
    #: The longest wait for a connection of the pool; SQLAlchemy's 30 s outlast the patience of those who wait.
    pool_timeout: float = 5.0
    #: Connections older than this are replaced when they are next taken, before a firewall forgets them.
    pool_recycle: float = 1800.0
    #: Ask each connection for a sign of life when it is taken. Off: it costs up to three round trips each time, and
    #: saves one failed statement after a restart of the server, since SQLAlchemy replaces all connections at the first.
    pool_pre_ping: bool = False
    #: The longest wait for a new connection. psycopg rounds it up to 2 s.
    connect_timeout: float = 5.0
    #: The longest a statement may take (SQLite: may wait for a lock). The server is told, and ends it; from one that
    #: does not, the connection is taken away a second later.
    statement_timeout: float = 30.0
    isolation_level: str | None = None
    echo: bool = False
    #: Further arguments of the driver's connect(). They go before all others.
    connect_args: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    #: Further keyword arguments of create_async_engine ("pool_use_lifo"). They go before all others.
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def __post_init__(self) -> None:
        for key in ("pool_timeout", "connect_timeout", "statement_timeout"):
            if not getattr(self, key) > 0:
                raise ConfigurationError("A deadline is a number of seconds above 0.", key=key)
