"""A cluster of three: one dead node costs its own slots, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import redis
from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisClusterException

from plugins.redis.tests.nodes import cluster, complete, key_on
from plugins.redis.tests.support import LASTING, Witness, bare, outcome, timed, until
from switchgear import CallNotPermitted, ConfigurationError, LimitExceeded, Switchgear, Verdict
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND
from switchgear_redis._health import gauges, identify, probe, saturation

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def nodes(anyio_backend: str) -> AsyncIterator[list[ValkeyServer]]:
    async with cluster(3) as nodes:
        yield nodes


@pytest.fixture
async def client(nodes: list[ValkeyServer], witness: Witness) -> AsyncIterator[Any]:
    for server in nodes:
        if not server.running:
            pytest.fail("a test before this one killed a node and did not bring it back")
    made = RedisCluster(host="127.0.0.1", port=nodes[0].port, socket_timeout=1, decode_responses=True)
    async with witness.guard(made, LASTING) as client:
        await client.flushall(target_nodes=RedisCluster.PRIMARIES)
        witness.settled.clear()
        yield client


def domains(witness: Witness, state: str) -> set[str]:
    snapshots = witness.gear.service("cache").group.snapshots()
    return {snapshot.domain for snapshot in snapshots if str(snapshot.state) == state}


async def test_every_way_of_calling_works(client: Any, nodes: list[ValkeyServer], witness: Witness) -> None:
    """Commands, commands for several nodes, pipelines, transactions and locks: results and types as ever."""
    assert isinstance(client, RedisCluster)
    a, b, c = (key_on(client, server) for server in nodes)
    for key in (a, b, c):
        assert await client.set(key, key)
    assert await client.mget_nonatomic(a, b, c) == [a, b, c]
    assert await client.exists(a, b, c, "no") == 3
    assert sorted(await client.keys(target_nodes=RedisCluster.PRIMARIES)) == sorted([a, b, c])
    async with client.pipeline() as pipeline:
        assert isinstance(pipeline, ClusterPipeline)
        for key in (a, b, "no"):
            pipeline.get(key)
        pipeline.incr(f"{{{c}}}n")
        assert [a, b, None, 1] == await pipeline.execute()
    lock = client.lock("lock", timeout=5)
    assert await lock.acquire()
    await lock.release()
    assert await client.eval("return redis.call('GET', KEYS[1])", 1, a) == a
    assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}
    assert {f"127.0.0.1:{server.port}/read" for server in nodes} <= domains(witness, "CLOSED")
    assert (witness.count("hits"), witness.count("misses")) == (5, 1)
    assert await identify(client) == str(nodes[0])
    assert not await probe(client, f"127.0.0.1:{nodes[0].port}/read")  # it cannot tell
    assert gauges(client)["pool_idle"] >= 3


async def test_a_cluster_is_as_full_as_its_fullest_node(client: Any, nodes: list[ValkeyServer]) -> None:
    """Six of one node's eight connections are held, and few of the others': the share is that node's, no average."""
    for node in client.get_nodes():
        node.max_connections = 8
    node = client.get_node_from_key(key_on(client, nodes[1]))
    held = [node.acquire_connection() for _ in range(6)]
    assert saturation(client) == {"pool": 0.75}
    for connection in held:
        node._free.append(connection)
    assert saturation(client) == {"pool": 0.0}


async def test_a_bulkhead_bounds_the_commands_of_the_whole_cluster(nodes: list[ValkeyServer]) -> None:
    """While a write waits in one node it has the only place: commands and pipelines for the others find none, and are
    refused as redis-py says that a server cannot be reached. Then all goes on."""
    gear = Switchgear()
    made: Any = RedisCluster(host="127.0.0.1", port=nodes[0].port, decode_responses=True)
    async with (
        gear.guard(made, BACKEND, name="cluster", breaker=LASTING, pipeline=[Bulkhead(1)]) as client,
        bare(nodes[1].port, decode_responses=True) as observer,
    ):
        here, there = key_on(client, nodes[0]), key_on(client, nodes[1])
        await client.set(here, "value")

        async def is_held() -> bool:
            return any("b" in one["flags"] for one in await observer.client_list())

        await observer.client_pause(60_000, all=False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.set, there, "value")
            await until(is_held)
            for call in (client.get(here), client.pipeline().get(here).execute()):
                refused = await outcome(call)
                assert isinstance(refused, LimitExceeded)
                assert isinstance(refused, redis.ConnectionError)
            await observer.client_unpause()
        assert await client.get(there) == "value"
        assert await client.pipeline().get(here).get(there).execute() == ["value", "value"]


async def looks_at_the_topology(nodes: list[ValkeyServer]) -> int:
    """How often the nodes were asked for it, by anybody."""
    asked = 0
    for node in nodes:
        async with bare(node.port, decode_responses=True) as direct:
            asked += (await direct.info("commandstats")).get("cmdstat_cluster|slots", {"calls": 0})["calls"]
    return asked


async def test_one_dead_node_does_not_cost_the_others(client: Any, nodes: list[ValkeyServer], witness: Witness) -> None:
    """Its own keys are refused at once, in commands and in pipelines; the other nodes are asked as before, and not
    reconnected for each refusal. When it is back, its breaker is all that has to close."""
    victim = nodes[2]
    a, b, dead = (key_on(client, server) for server in nodes)
    await victim.kill()
    error = await outcome(client.set(dead, "value"))
    assert isinstance(error, (redis.ConnectionError, RedisClusterException))
    assert domains(witness, "OPEN") == {f"127.0.0.1:{victim.port}/write"}
    await outcome(client.get(dead))
    assert {f"127.0.0.1:{victim.port}/{half}" for half in ("read", "write")} == domains(witness, "OPEN")
    await client.get(a)  # redis-py looks at the topology again after a failure, once
    looked = await looks_at_the_topology(nodes[:2])
    for call in (
        client.get(dead),
        client.set(dead, "value"),
        client.pipeline().set(a, "1").set(dead, "2").execute(),
    ):
        refusal, seconds = await timed(call)
        assert isinstance(refusal, CallNotPermitted)
        assert isinstance(refusal, redis.ConnectionError)
        assert seconds < 0.1  # redis-py's own loop sleeps a quarter of a second before each retry
        assert await client.get(b) is None
    assert looked == await looks_at_the_topology(nodes[:2])
    assert {"CLOSED"} == {str(s.state) for s in witness.gear.service("cache").group.snapshots() if s.domain == ""}
    await victim.restart()
    async with bare(victim.port) as direct:
        await until(lambda: complete(direct, 3))


async def test_errors_that_hide_in_a_result_are_found(client: Any, nodes: list[ValkeyServer], witness: Witness) -> None:
    """A node that is full: the pipeline goes on elsewhere, and the breaker of that node's writes opens."""
    a, full = key_on(client, nodes[0]), key_on(client, nodes[1])
    async with bare(nodes[1].port) as direct:
        await direct.config_set("maxmemory", 1)
        try:
            async with client.pipeline() as pipeline:
                pipeline.set(a, "1")
                pipeline.set(full, "2")
                replies = await pipeline.execute(raise_on_error=False)
        finally:
            await direct.config_set("maxmemory", 0)
    assert (True, OutOfMemoryError) == (replies[0], type(replies[1]))
    assert domains(witness, "OPEN") == {f"127.0.0.1:{nodes[1].port}/write"}
    assert witness.count("pipeline_errors") == 1


async def test_a_transaction_has_its_nodes_permit(client: Any, nodes: list[ValkeyServer], witness: Witness) -> None:
    """It is recorded in its node's domain; refused when that is open, also when it begins with WATCH; and one that
    watches finishes."""
    if not hasattr(client.pipeline(), "_execution_strategy"):
        pytest.skip("this redis-py has no transactions on clusters")
    key = key_on(client, nodes[1])
    async with client.pipeline(transaction=True) as pipeline:
        assert await pipeline.set(key, "value").get(key).execute() == [True, "value"]
    assert witness.verdicts == [("redis.pipeline", Verdict.SUCCESS)]
    async with client.pipeline(transaction=True) as watching:
        await watching.watch(key)
        branch = witness.gear.breaker("cache", f"127.0.0.1:{nodes[1].port}/write")
        for half in ("read", "write"):
            witness.gear.breaker("cache", f"127.0.0.1:{nodes[1].port}/{half}").force_open("the test says so")
        watching.multi()
        assert await watching.set(key, "other").execute() == [True]
        refusal, seconds = await timed(client.pipeline(transaction=True).set(key, "value").execute())
        assert isinstance(refusal, CallNotPermitted)
        assert seconds < 0.1
        witness.refused.clear()
        assert isinstance(await outcome(_watch(client, key)), CallNotPermitted)
        assert len(witness.refused) == 1
        branch.reset()


async def _watch(client: Any, key: str) -> None:
    async with client.pipeline(transaction=True) as pipeline:
        await pipeline.watch(key)


async def test_the_guard_covers_nodes_found_later(nodes: list[ValkeyServer], witness: Witness) -> None:
    """A client guarded before it ever connected knows one node; those that it discovers are guarded too."""
    client = witness.guard(RedisCluster(host="127.0.0.1", port=nodes[0].port, retry=Retry(NoBackoff(), 0)))
    assert client is witness.guard(client)
    async with client:
        for server in nodes:
            await client.get(key_on(client, server))
        with pytest.raises(ConfigurationError, match="already"):
            witness.guard(client, name="other")
    assert {f"127.0.0.1:{server.port}/read" for server in nodes} <= domains(witness, "CLOSED")
