"""The switchgear plugin for Redis and Valkey: guards every command of a `redis.asyncio` client.

    client = switchgear_redis.guard(Redis.from_url(url), gear, name="cache")

Importing this package does not import redis-py. redis.asyncio, and so this plugin, runs on asyncio only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from switchgear.spi import Backend, BreakerConfig, HealthConfig, Service, TimeWindow, hookimpl
from switchgear_redis._classify import classify
from switchgear_redis._commands import OPERATIONS
from switchgear_redis._convention import CONVENTION
from switchgear_redis._health import METRICS, gauges, identify, limits, permissions, probe, saturation
from switchgear_redis._instrument import INSTRUMENT, owner
from switchgear_redis._settings import RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from switchgear import Switchgear
    from switchgear_redis._single_flight import SingleFlight

__all__ = ["BACKEND", "RedisSettings", "SingleFlight", "guard", "register_backends"]

ClientT = TypeVar("ClientT")


def _connect(settings: RedisSettings) -> AbstractAsyncContextManager[Redis]:
    from switchgear_redis._connect import connect

    return connect(settings)


def _guard(client: Any, service: Service) -> Any:
    from switchgear_redis._guard import guard

    return guard(client, service)


BACKEND: Backend[Any, RedisSettings] = Backend(
    name="redis",
    settings=RedisSettings,
    connect=_connect,
    guard=_guard,
    owner=owner,
    instrument=INSTRUMENT,
    classify=classify,
    operations=OPERATIONS,
    probe=probe,
    identify=identify,
    metrics=METRICS,
    convention=CONVENTION,
    gauges=gauges,
    limits=limits,
    permissions=permissions,
    saturation=saturation,
    health=HealthConfig(
        # A round trip takes 0.1 to 0.2 ms on one host and 0.3 to 2 ms within a region. At 125 ms a cache costs more
        # than the query that it saves; at four times that a call is as bad as failed, which is where the breaker's slow
        # ones begin. What waits by design, and administration, takes as long as it takes.
        tolerated={"read": 0.125, "write": 0.125},
        # A cache in front of something slower: one call in ten that must do without it doubles the load behind.
        r50=0.1,
    ),
    recommended=BreakerConfig(
        # A server answers in well under a millisecond; with half a second it is of no use as a cache any more. Commands
        # that wait by design, subscriptions and administration have no such limit.
        slow_call_duration_threshold={"read": 0.5, "write": 0.5},
        # Thousands of commands a second are nothing special, so a window is a time and not a number of them; and an
        # outage shows in a few attempts, whatever the share of them in the window.
        window=TimeWindow(10),
        consecutive_failures=5,
        probe_with="both",
    ),
    sdk="redis>=5.0.8",
)


def guard(client: ClientT, gear: Switchgear, *, name: str, breaker: BreakerConfig | None = None) -> ClientT:
    """Guard a client of `redis.asyncio` in place, as the service `name` of the gear, and return it. `breaker` replaces
    the recommended configuration.

    Redis, RedisCluster and what Sentinel makes are guarded with their pipelines, transactions, subscriptions, locks and
    scripts, and so is all else that borrows from the same pool. Guarding a client again does nothing. Refused commands
    raise RedisCallNotPermitted, which is a redis.ConnectionError.

    Raises ConfigurationError for what is no such client, and for one that is another service's already.
    """
    guarded: ClientT = gear.guard(client, BACKEND, name=name, breaker=breaker)
    return guarded


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """Redis, and what speaks its protocol."""
    return [BACKEND]


def __getattr__(name: str) -> Any:  # it needs the SDK
    if name != "SingleFlight":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from switchgear_redis._single_flight import SingleFlight

    return SingleFlight
