"""Engines of our own making. Loads SQLAlchemy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from switchgear.spi import ClientLimits, ConfigurationError, MissingDependency
from switchgear_db._deadlines import DEADLINES, give_up
from switchgear_db._metrics import MOST, gauges
from switchgear_db._settings import DbSettings

#: Seconds for taking leave of the server, all connections together.
_LEAVE = 3.0

_EXTRAS = {"asyncpg": "asyncpg", "psycopg": "psycopg", "psycopg_async": "psycopg", "aiosqlite": "sqlite"}


@asynccontextmanager
async def connect(settings: DbSettings) -> AsyncGenerator[AsyncEngine]:
    """An engine; its connections are made when they are needed, and closed in the end.

    Raises ConfigurationError and MissingDependency.
    """
    engine = _engine(settings)
    event.listen(engine.sync_engine, "handle_error", give_up)
    try:
        yield engine
    finally:
        with anyio.move_on_after(_LEAVE, shield=True) as patience:
            await engine.dispose()
        if patience.cancelled_caught:  # the server hangs
            dialect: Any = engine.dialect
            dialect.do_close = dialect.do_terminate  # which does not wait, if called outside of a greenlet
            engine.sync_engine.dispose()


def limits(engine: AsyncEngine, settings: DbSettings) -> ClientLimits:
    """The deadlines, where no argument of the driver's that the user gave is in their place; and the pool."""
    deadlines = DEADLINES[engine.url.get_driver_name()](settings)
    own = deadlines.keys() & {*settings.connect_args, *engine.url.query}
    return ClientLimits(
        timeout=None if own else settings.statement_timeout,
        connect_timeout=None if own else settings.connect_timeout,
        connections=gauges(engine).get(MOST),
        retries=0,  # SQLAlchemy has none
    )


def _engine(settings: DbSettings) -> AsyncEngine:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError("SQLAlchemy's async engines run on asyncio only, and this is not asyncio.") from None
    driver = ""
    try:
        url = make_url(settings.url)
        driver = url.get_driver_name()
        if driver not in DEADLINES:
            raise NoSuchModuleError(f"the driver {driver!r} is none of those that it can set deadlines for")
        deadlines = {key: value for key, value in DEADLINES[driver](settings).items() if key not in url.query}
        dialect: Any = url.get_dialect()
        pooled = issubclass(dialect.get_pool_class(url), QueuePool)  # all but SQLite's databases in memory
        options: dict[str, Any] = {
            "pool_recycle": settings.pool_recycle,
            "pool_pre_ping": settings.pool_pre_ping,
            "echo": settings.echo,
            "connect_args": {**deadlines, **settings.connect_args},
            **({"isolation_level": settings.isolation_level} if settings.isolation_level else {}),
            **(_pool(settings) if pooled else {}),
            **settings.options,
        }
        return create_async_engine(url, **options)
    except ImportError as exc:
        raise MissingDependency(f"The driver {driver!r}", install=f"switchgear-db[{_EXTRAS[driver]}]") from exc
    except TypeError as exc:
        # It names the arguments, and quotes none.
        raise ConfigurationError(f"SQLAlchemy does not know one of these: {exc}", key="options") from None
    except (SQLAlchemyError, ValueError) as exc:
        # A text of SQLAlchemy's may quote the URL, and that the password.
        why = f" ({exc})" if isinstance(exc, NoSuchModuleError) else ""
        raise ConfigurationError(
            f"switchgear-db cannot connect by this URL{why}. Give one for SQLAlchemy with an async driver: "
            "postgresql+asyncpg://user:password@host/database, postgresql+psycopg://... or sqlite+aiosqlite:///file. "
            "With another driver, make the engine yourself and guard it with switchgear_db.guard(engine, ...).",
            key="url",
        ) from None


def _pool(settings: DbSettings) -> dict[str, Any]:
    return {
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": settings.pool_timeout,
    }
