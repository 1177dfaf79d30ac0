"""The guard of one engine. Loads SQLAlchemy.

It sits where all of Core, the ORM, run_sync and streaming results reach the driver: in the methods of the engine's own
dialect object (_waist.py) and in its pool (_pool.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from switchgear.spi import ConfigurationError, Service
from switchgear_db import _checkout, _metrics, _pool
from switchgear_db._refusal import DbCallNotPermitted, DbCallTimedOut
from switchgear_db._waist import Waist

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

EngineT = TypeVar("EngineT", bound="AsyncEngine | Engine")

#: Where a dialect keeps its waist.
_WAIST = "_switchgear_db"


def guard(engine: EngineT, service: Service) -> EngineT:
    """Guard an engine, async or sync, in place. Raises ConfigurationError for one that cannot be."""
    sync_engine: Engine = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    waist = waist_of(engine)
    if waist is not None and waist.service is service:
        return engine
    _check_version(sync_engine)
    _checkout.check(service, is_async=sync_engine.dialect.is_async)
    service.refusal, service.timed_out = DbCallNotPermitted, DbCallTimedOut
    if waist is None:
        _install(Waist(service, address(sync_engine.url)), sync_engine)
    else:
        waist.serve(service)
        _pool.pipe(waist, sync_engine.pool)
    return engine


def waist_of(engine: AsyncEngine | Engine) -> Waist | None:
    """What stands between a guarded engine and its driver."""
    return getattr(engine.dialect, _WAIST, None)


def address(url: URL) -> str:
    """What fails as one: host and port (all of them, where the driver picks one), or the file of a database."""
    hosts = url.query.get("host", ())
    host = ",".join((hosts,) if isinstance(hosts, str) else hosts) or url.host
    if host is None:
        return url.database or "local"
    return f"{host}:{url.port}" if url.port else host


def _install(waist: Waist, engine: Engine) -> None:
    dialect: Any = engine.dialect
    dialect.do_execute = waist.statement(dialect.do_execute)
    dialect.do_executemany = waist.statement(dialect.do_executemany)
    dialect.do_execute_no_params = waist.statement_without_parameters(dialect.do_execute_no_params)
    dialect.do_commit = waist.ending(dialect.do_commit, "commit")
    dialect.do_commit_twophase = waist.ending(dialect.do_commit_twophase, "commit")
    dialect.do_rollback = waist.ending(dialect.do_rollback, "rollback")
    dialect.do_rollback_twophase = waist.ending(dialect.do_rollback_twophase, "rollback")
    # On the dialect, not on the engine, where each event that is listened to costs each statement some time.
    event.listen(engine, "handle_error", waist.error)
    _pool.install(waist, engine.pool)
    setattr(dialect, _WAIST, waist)


def _check_version(engine: Engine) -> None:
    private: list[tuple[object, str]] = [
        (Connection, "_is_autocommit_isolation"),
        (engine.pool, "_creator"),
        (engine.pool, "_invoke_creator"),
        (engine.pool, "_do_return_conn"),
    ]
    if isinstance(engine.pool, QueuePool):
        private.append((engine.pool, _metrics.OVERFLOW))
    missing = [name for owner, name in private if not hasattr(owner, name)]
    if missing:
        raise ConfigurationError(
            f"SQLAlchemy {sqlalchemy.__version__} is not supported by this version of switchgear-db, which needs its "
            f"{' and '.join(missing)}. Install SQLAlchemy 2.0.20 to 2.1, or a newer switchgear-db."
        )
