"""Where clients come from, where they go, and whose they are. Asked when there is a client, so the SDK is loaded."""

from __future__ import annotations

from typing import Any

from switchgear.spi import Instrument, Service
from switchgear_redis._settings import RedisSettings


def owner(client: Any) -> Service | None:
    """The service that guards a client, or the pool that it shares with others."""
    if (nodes := getattr(client, "nodes_manager", None)) is not None:
        return getattr(nodes, "service", None)
    guard = getattr(getattr(client, "connection_pool", None), "switchgear_guard", None)
    return None if guard is None else guard.service


def _address(client: Any) -> str | None:
    """Host and port, and the database if it is not the first; of a cluster, the first of the nodes it was told."""
    from switchgear_redis._guard import address

    if (nodes := getattr(client, "nodes_manager", None)) is not None:
        return min(nodes.startup_nodes, default=None)
    pool = client.connection_pool
    return _with_database(address(pool), pool.connection_kwargs)


def _address_in(settings: RedisSettings) -> str:
    from switchgear_redis._connect import pool_of
    from switchgear_redis._guard import address

    pool = pool_of(settings)
    return _with_database(address(pool), pool.connection_kwargs)


def _with_database(address: str, options: dict[str, Any]) -> str:
    return f"{address}/{options['db']}" if options.get("db") else address


INSTRUMENT: Instrument[Any, RedisSettings] = Instrument(
    made_by=("redis.asyncio.client:Redis.__init__", "redis.asyncio.cluster:RedisCluster.__init__"),
    address=_address,
    address_in=_address_in,
)
