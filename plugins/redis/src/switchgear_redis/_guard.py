"""Guarding a client that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio.client import Redis
from redis.asyncio.cluster import RedisCluster

from switchgear.spi import ConfigurationError, Service
from switchgear_redis._admission import Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._client import GuardedRedis
from switchgear_redis._cluster import GuardedCluster, guard_cluster
from switchgear_redis._pool import GuardedPool, guard_pool
from switchgear_redis._refusal import RedisCallNotPermitted

if TYPE_CHECKING:
    from redis.asyncio.connection import ConnectionPool

ClientT = TypeVar("ClientT")


def guard(client: ClientT, service: Service) -> ClientT:
    """Guard a `redis.asyncio` client in place, with its pool and all that borrows from it.

    Raises ConfigurationError for what is no such client, and for one that is another service's already.
    """
    if isinstance(client, RedisCluster):
        _check_owner(getattr(client.nodes_manager, "service", None), service)
        if not isinstance(client, GuardedCluster):
            guard_cluster(client, service)
    elif isinstance(client, Redis):
        pool = client.connection_pool
        if isinstance(pool, GuardedPool):
            _check_owner(pool.switchgear_guard.service, service)
        else:
            guard_pool(pool, _guard_for(pool, service))
        adopt(client, GuardedRedis)
    else:
        raise ConfigurationError(
            f"{type(client).__module__}.{type(client).__qualname__} cannot be guarded. "
            "Give a client of redis.asyncio: Redis, RedisCluster, or what Sentinel.master_for returns.",
            key=f"services.{service.name}",
        )
    service.refusal = RedisCallNotPermitted
    return client


def _guard_for(pool: ConnectionPool, service: Service) -> Guard:
    settings: dict[str, Any] = pool.connection_kwargs
    master: bool = getattr(pool, "is_master", True)  # a Sentinel's pool has it
    return Guard(service, _address(pool), alone=master, socket_timeout=settings.get("socket_timeout"))


def _address(pool: ConnectionPool) -> str:
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


def _check_owner(owner: Service | None, service: Service) -> None:
    if owner is not None and owner is not service:
        raise ConfigurationError(
            f"This client is guarded as the service {owner.name!r} already, and one outage must not be counted twice. "
            "Guard each client once.",
            key=f"services.{service.name}",
        )
