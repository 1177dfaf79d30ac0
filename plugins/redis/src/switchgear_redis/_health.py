"""What can be told of a client and its server: the active check, who answers, and the state of the pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any
from weakref import WeakKeyDictionary, ref

from switchgear.spi import ClientLimits, Metric

#: What is read and written to find out whether that can be done; it comes into being by neither.
_KEY = "switchgear:probe"
#: A command holds a connection for its round trip: 50 of them carry more than one event loop can ask for.
_ENOUGH = 50
#: What redis-py before 8 sets where nobody sets a limit.
_UNLIMITED = 2**31

METRICS = (
    Metric(name="hits", kind="counter", help="Keys and fields that GET, GETEX, GETDEL, MGET, HGET, HMGET found."),
    Metric(name="misses", kind="counter", help="Keys and fields that they did not find."),
    Metric(
        name="pipeline_commands", kind="histogram", help="Commands in each pipeline or transaction that was executed.",
        buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    ),
    Metric(name="pipeline_errors", kind="counter", help="Errors among the replies of raise_on_error=False."),
    Metric(name="pool_exhausted", kind="counter", help="Commands that got no connection from the full pool."),
    Metric(name="auth_errors", kind="counter", help="Commands or connections that the server did not allow."),
    Metric(name="blocking_timeouts", kind="counter", help="Commands told to wait for longer than their socket."),
    Metric(name="pool_in_use", kind="gauge", help="Connections that a command or a subscription holds."),
    Metric(name="pool_idle", kind="gauge", help="Open connections that nobody holds."),
    Metric(name="pool_max", kind="gauge", help="Connections that the pool may have."),
)  # fmt: skip


async def probe(client: Any, domain: str) -> bool:
    """Ask the server for what the domain needs: a PING, or a write that changes nothing.

    Writing "" at the start of a key that does not exist creates nothing, and is refused like any other write by a
    server that is full, a replica, or cannot persist. A cluster's nodes cannot be told by this (False): only a user's
    command, failing on a dead node, makes redis-py look for the node's successor.
    """
    if not hasattr(client, "connection_pool"):
        return False
    if domain.endswith("/write"):
        await client.execute_command("SETRANGE", _KEY, 0, "")
    else:
        await client.execute_command("PING")
    return True


async def permissions(client: Any, _domains: Sequence[str]) -> Mapping[str, str]:
    """Whether the account may read and write the key that is probed."""
    from redis.exceptions import ResponseError

    told: dict[str, str] = {}
    for what, command in (("read", ("GET", _KEY)), ("write", ("SETRANGE", _KEY, 0, ""))):
        try:
            await client.execute_command(*command)
            told[what] = ""
        except ResponseError as exc:
            told[what] = str(exc)
    return told


async def identify(client: Any) -> str:
    """The server's name and version: "Valkey 9.1.2"."""
    info = await client.info("server")
    return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"


def limits(client: Any, _settings: object) -> ClientLimits:
    """As its pool makes connections."""
    pool = client.connection_pool
    options = pool.connection_kwargs
    retry = client.get_retry() or options.get("retry")
    retries = 0 if retry is None else retry._retries
    return ClientLimits(
        timeout=options.get("socket_timeout") or inf,
        connect_timeout=options.get("socket_connect_timeout") or inf,
        connections=pool.max_connections if pool.max_connections < _UNLIMITED else inf,
        enough_connections=_ENOUGH,
        retries=inf if retries < 0 else retries,
    )


#: Pool -> the one of its clients that speaks for it: it must not be counted once for each of them.
_speakers: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


def gauges(client: Any) -> Mapping[str, float]:
    """How full the client's pools are; nothing, if another client speaks for its pool."""
    pool = getattr(client, "connection_pool", None)
    if pool is not None:
        speaker = _speakers.get(pool)
        if speaker is None or speaker() is None:
            speaker = _speakers[pool] = ref(client)
        if speaker() is not client:
            return {}
    pools = _pools(client)
    return {
        "pool_in_use": sum(in_use for in_use, _, _ in pools),
        "pool_idle": sum(idle for _, idle, _ in pools),
        "pool_max": sum(most for _, _, most in pools),
    }


def saturation(client: Any) -> Mapping[str, float]:
    """The share of its connections that a pool has given away; of a cluster's nodes, the fullest: one of them that has
    none left fails as much as if all had. Nothing for pools without a limit."""
    shares = [in_use / most for in_use, _, most in _pools(client) if most < _UNLIMITED]
    return {"pool": max(shares)} if shares else {}


def _pools(client: Any) -> Iterable[tuple[int, int, int]]:
    if hasattr(client, "connection_pool"):
        pool = client.connection_pool
        return [(len(pool._in_use_connections), len(pool._available_connections), pool.max_connections)]
    nodes = client.nodes_manager.nodes_cache.values()
    return [(len(node._connections) - len(node._free), len(node._free), node.max_connections) for node in nodes]
