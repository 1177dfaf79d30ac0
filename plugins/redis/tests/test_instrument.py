"""Clients that an application makes for itself are guarded: each kind, once, as the service that is meant."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis
from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel, from_url
from redis.asyncio.cluster import ClusterNode

import switchgear_redis
from plugins.redis.tests.support import LASTING, QUICK, Witness, bare, outcome
from switchgear import CallNotPermitted, instrument
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND, RedisSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def gear(witness: Witness) -> Iterator[Any]:
    """Whose services are all clients that are made from now on."""
    with instrument(witness.gear, plugins=["redis"]):
        yield witness.gear


@pytest.fixture
async def closing() -> AsyncIterator[Any]:
    """Closes what it is called with at the end of the test."""
    async with AsyncExitStack() as stack:

        def closing(client: Any) -> Any:
            options = {} if isinstance(client, RedisCluster) else {"close_connection_pool": True}
            stack.push_async_callback(client.aclose, **options)
            return client

        yield closing


class Sub(Redis):
    """As libraries have them: what it does after super().__init__() works on a guarded client."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.prefix = self.connection_pool.connection_kwargs["port"]


async def test_each_way_to_make_a_client_is_covered(server: ValkeyServer, gear: Any, closing: Any) -> None:
    """All are clients of one service, named after the address; another database is another one."""
    port, url = server.port, server.url
    made = [
        Redis(host="127.0.0.1", port=port),
        Redis.from_url(url),
        from_url(url),
        Redis.from_pool(ConnectionPool.from_url(url)),
        Redis(connection_pool=ConnectionPool(host="127.0.0.1", port=port)),
        Redis(host="127.0.0.1", port=port, single_connection_client=True),
        Sub(host="127.0.0.1", port=port),
    ]
    for client in made:
        assert await closing(client).set("key", "value")
        async with client.pipeline() as pipeline:
            pipeline.get("key")
            pipeline.get("none")
            assert await pipeline.execute() == [b"value", None]
    assert list(gear.services) == [f"redis-127.0.0.1:{port}"]
    assert len(gear.service(f"redis-127.0.0.1:{port}").clients) == len(made)
    assert await closing(Redis.from_url(f"{url}/3")).ping()
    assert list(gear.services)[1:] == [f"redis-127.0.0.1:{port}-3"]
    assert isinstance(made[-1], Sub)
    assert made[-1].prefix == port


async def test_clients_for_threads_are_left_alone(server: ValkeyServer, gear: Any) -> None:
    """The plugin guards redis.asyncio; `redis.Redis` works as it did."""
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        assert client.ping()
    assert gear.services == {}


async def test_what_is_behind_a_sentinel_is_one_service(gear: Any) -> None:
    """Named after the master, wherever that runs; the Sentinels are services of their own."""
    sentinel = Sentinel([("127.0.0.1", 1)])
    master, replica = sentinel.master_for("shop"), sentinel.slave_for("shop")
    for client in (master, replica):
        assert isinstance(await outcome(client.ping()), redis.ConnectionError)
        await client.aclose()
    assert sorted(gear.services) == ["redis-127.0.0.1:1", "redis-shop", "redis-shop-replicas"]


async def test_a_cluster_is_one_service(gear: Any, closing: Any) -> None:
    """Named after the first of the nodes that it was told."""
    nodes = [ClusterNode("127.0.0.1", port) for port in (2, 1)]
    client = closing(RedisCluster(startup_nodes=nodes))
    assert isinstance(await outcome(client.get("key")), Exception)
    assert list(gear.services) == ["redis-127.0.0.1:1"]


async def test_an_outage_opens_the_breaker_within_one_command(victim: ValkeyServer, gear: Any, closing: Any) -> None:
    """With redis-py's ten retries too, of which each attempt is evidence."""
    client = closing(bare(victim.port))
    await client.ping()
    await victim.kill()
    assert isinstance(await outcome(client.ping()), redis.ConnectionError)
    assert isinstance(await outcome(client.ping()), CallNotPermitted)


async def test_who_guards_by_hand_takes_over(victim: ValkeyServer, gear: Any, closing: Any) -> None:
    """Commands, pipelines, connections that are there and the evidence of retries: all go to the service that the
    application meant, and by its breaker."""
    client, own = closing(bare(victim.port)), Witness()
    await client.ping()
    automatic = gear.service(f"redis-127.0.0.1:{victim.port}")
    calls = sum(one.calls for one in automatic.group.snapshots())
    assert own.guard(client, LASTING) is client
    await client.set("key", "value")
    async with client.pipeline() as pipeline:
        await pipeline.get("key").execute()
    await victim.kill()
    assert isinstance(await outcome(client.ping()), redis.ConnectionError)
    assert own.states()["read"] == "OPEN"
    assert [event.breaker for event in own.refused] == []
    assert sum(one.calls for one in automatic.group.snapshots()) == calls
    assert (automatic.clients, automatic.gauges()) == ([], {})


async def test_who_guards_a_cluster_by_hand_takes_it_over(gear: Any, closing: Any) -> None:
    """With the nodes that it knows and those it will find."""
    client, own = closing(RedisCluster(host="127.0.0.1", port=1)), Witness()
    own.guard(client, QUICK)
    assert BACKEND.owner is not None
    assert BACKEND.owner(client) is own.gear.service("cache")
    [node] = client.nodes_manager.startup_nodes.values()
    assert node.guard.service is own.gear.service("cache")


async def test_clients_of_a_pool_that_is_guarded_join_it(server: ValkeyServer, gear: Any, closing: Any) -> None:
    """Whoever borrows from the pool of a client that was guarded by hand is its service's, and no other's."""
    own = Witness()
    with_name = own.guard(closing(Redis(host="127.0.0.1", port=server.port)))
    borrower = Redis(connection_pool=with_name.connection_pool)
    await borrower.get("key")
    assert own.verdicts[-1][0] == "redis.get"
    assert gear.service(f"redis-127.0.0.1:{server.port}").clients == []


async def test_a_pool_is_counted_once(server: ValkeyServer, gear: Any) -> None:
    """However many clients borrow from it."""
    pool = ConnectionPool(host="127.0.0.1", port=server.port, max_connections=7)
    clients = [Redis(connection_pool=pool) for _ in range(3)]
    await clients[1].ping()
    service = gear.service(f"redis-127.0.0.1:{server.port}")
    assert service.gauges() == {"pool_in_use": 0, "pool_idle": 1, "pool_max": 7}
    del clients[0]  # another one speaks for it
    assert service.gauges()["pool_max"] == 7
    await pool.aclose()


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"url": "redis://user:hush@host:1234"}, "host:1234"),
        ({"url": "redis://host"}, "host:6379"),
        ({"url": "rediss://host/0"}, "host:6379"),
        ({"url": "redis://host/2"}, "host:6379/2"),
        ({"url": "redis://host?db=2"}, "host:6379/2"),
        ({"url": "redis://host", "db": 3}, "host:6379/3"),
        ({"url": "unix:///run/redis.sock", "db": 1}, "/run/redis.sock/1"),
        ({"url": "redis://[::1]:7000"}, "[::1]:7000"),
    ],
)
async def test_a_configured_service_is_found_by_its_address(settings: dict[str, Any], address: str) -> None:
    """The same for the settings as for a client that is made of them, or of the URL; and no secret is in it."""
    instrument = BACKEND.instrument
    assert instrument is not None
    assert instrument.address_in(RedisSettings(**settings)) == address
    async with BACKEND.connect(RedisSettings(**settings)) as client:
        assert instrument.address(client) == address
    own = Redis.from_url(**settings)
    assert instrument.address(own) == address


async def test_guarding_by_hand_without_a_name() -> None:
    """The plugin's own function asks for one; the gear's does without."""
    witness = Witness()
    client = Redis(host="127.0.0.1", port=1)
    assert witness.gear.guard(client, BACKEND) is client
    assert list(witness.gear.services) == ["redis-127.0.0.1:1"]
    assert switchgear_redis.guard(client, witness.gear, name="redis-127.0.0.1:1") is client
