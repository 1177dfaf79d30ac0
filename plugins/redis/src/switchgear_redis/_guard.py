"""Guarding a client that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio.client import Redis
from redis.asyncio.cluster import RedisCluster

from switchgear.spi import ConfigurationError, Service
from switchgear_redis._admission import Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._client import GuardedRedis
from switchgear_redis._cluster import GuardedCluster, guard_cluster, hand_over
from switchgear_redis._pool import GuardedPool, guard_pool
from switchgear_redis._refusal import RedisCallNotPermitted, RedisCallTimedOut

if TYPE_CHECKING:
    from redis.asyncio.connection import ConnectionPool

ClientT = TypeVar("ClientT")


def guard(client: ClientT, service: Service) -> ClientT:
    """Guard a `redis.asyncio` client in place, with its pool and all that borrows from it.

    Raises ConfigurationError for what is no such client.
    """
    if isinstance(client, RedisCluster):
        if isinstance(client, GuardedCluster):
            hand_over(client, service)
        else:
            guard_cluster(client, service)
    elif isinstance(client, Redis):
        pool = client.connection_pool
        if not isinstance(pool, GuardedPool) or pool.switchgear_guard.service is not service:
            guard_pool(pool, _guard_for(pool, service))
        adopt(client, GuardedRedis)
    else:
        raise ConfigurationError(
            f"{type(client).__module__}.{type(client).__qualname__} cannot be guarded. "
            "Give a client of redis.asyncio: Redis, RedisCluster, or what Sentinel.master_for returns.",
            key=f"services.{service.name}",
        )
    service.refusal, service.timed_out = RedisCallNotPermitted, RedisCallTimedOut
    return client


def _guard_for(pool: ConnectionPool, service: Service) -> Guard:
    settings: dict[str, Any] = pool.connection_kwargs
    replicas = not getattr(pool, "is_master", True)  # a Sentinel's pool has it
    return Guard(service, address(pool), among_others=replicas, socket_timeout=settings.get("socket_timeout"))


def address(pool: ConnectionPool) -> str:
    """What fails as one. A Sentinel's master is the same service wherever it is just now: a failover is healed by the
    first probe, since that asks the Sentinels for the address."""
    service_name: str | None = getattr(pool, "service_name", None)
    if service_name is not None:
        return service_name if getattr(pool, "is_master", True) else f"{service_name}-replicas"
    settings: dict[str, Any] = pool.connection_kwargs
    if "path" in settings:
        return str(settings["path"])
    host = str(settings.get("host", "localhost"))
    return f"{f'[{host}]' if ':' in host else host}:{settings.get('port', 6379)}"
