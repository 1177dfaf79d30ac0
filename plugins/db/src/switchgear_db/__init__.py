"""The switchgear plugin for SQL databases: guards SQLAlchemy's engines, async and sync, and the sessions on them.

    engine = switchgear_db.guard(create_async_engine(url), gear, name="db")

or, in a configuration, `plugin = "db"` with the settings of DbSettings. Importing this loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from switchgear.spi import Backend, BreakerConfig, ClientLimits, HealthConfig, MissingDependency, Service, hookimpl
from switchgear_db._classify import classify
from switchgear_db._convention import CONVENTION
from switchgear_db._instrument import INSTRUMENT, owner
from switchgear_db._metrics import METRICS, gauges, saturation
from switchgear_db._operations import OPERATIONS
from switchgear_db._settings import DbSettings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from switchgear import Switchgear

    EngineT = TypeVar("EngineT", bound=AsyncEngine | Engine)

__all__ = ["BACKEND", "DbSettings", "guard", "register_backends"]

_SDK = "sqlalchemy[asyncio]>=2.0.20"


def guard(engine: EngineT, gear: Switchgear, *, name: str) -> EngineT:
    """Guard an existing engine, async or sync, in place, as the service `name`; with it all connections and sessions
    made from it, before and after. Raises ConfigurationError.
    """
    guarded: EngineT = gear.guard(engine, BACKEND, name=name)
    return guarded


def _connect(settings: DbSettings) -> AbstractAsyncContextManager[AsyncEngine]:
    try:
        from switchgear_db._connect import connect
    except ImportError as exc:
        raise MissingDependency("SQLAlchemy", install=_SDK) from exc
    return connect(settings)


def _guard(engine: Any, service: Service) -> Any:
    from switchgear_db._guard import guard

    return guard(engine, service)


async def _probe(engine: Any, domain: str) -> bool:
    from switchgear_db._probe import probe

    return await probe(engine, domain)


async def _permissions(engine: Any, _domains: Sequence[str]) -> Mapping[str, str]:
    from switchgear_db._probe import permissions

    return await permissions(engine)


def _limits(engine: Any, settings: DbSettings) -> ClientLimits:
    from switchgear_db._connect import limits

    return limits(engine, settings)


async def _identify(engine: Any) -> str:
    from switchgear_db._probe import identify

    return await identify(engine)


BACKEND: Backend[Any, DbSettings] = Backend(
    name="db",
    settings=DbSettings,
    connect=_connect,
    guard=_guard,
    owner=owner,
    instrument=INSTRUMENT,
    classify=classify,
    operations=OPERATIONS,
    probe=_probe,
    identify=_identify,
    metrics=METRICS,
    convention=CONVENTION,
    gauges=gauges,
    limits=_limits,
    permissions=_permissions,
    saturation=saturation,
    health=HealthConfig(
        # A statement by an index takes 0.3 ms on one host and 1 to 5 ms within a region, and an answer to a user is
        # made of several: half a second for one of them is a hundred times what is usual. Four times as long is where
        # the breaker takes statements for slow.
        tolerated={"read": 0.5, "write": 0.5},
        # It holds the originals: one failed statement in twenty breaks about one request in four.
        r50=0.05,
    ),
    recommended=BreakerConfig(
        # At a low rate of calls an outage shows in a row of failures long before there are enough for a rate.
        consecutive_failures=5,
        # Slow for what answers a user. Housekeeping (class admin) is never slow.
        slow_call_duration_threshold={"read": 2.0, "write": 2.0},
    ),
    sdk=_SDK,
)


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """What this plugin adds."""
    return [BACKEND]
