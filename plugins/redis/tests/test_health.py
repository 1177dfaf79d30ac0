"""The active check, who answers, and how full the pool is."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from plugins.redis.tests.support import bare, outcome
from switchgear.testing import ValkeyServer
from switchgear_redis._health import METRICS, gauges, identify, probe

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("domain", ["", "127.0.0.1:6379/read", "127.0.0.1:6379/write"])
async def test_the_check_exercises_a_healthy_server_and_changes_nothing(client: Any, domain: str) -> None:
    """True for each domain, and the server is as empty as before."""
    assert await probe(client, domain)
    assert await client.dbsize() == 0


async def test_the_check_of_writes_finds_a_server_that_takes_none(victim: ValkeyServer) -> None:
    """Full, or a replica: the check of the write half raises what a write would; that of the read half passes."""
    async with bare(victim.port) as client:
        await client.config_set("maxmemory", 1)
        assert isinstance(await outcome(probe(client, "x/write")), OutOfMemoryError)
        assert await probe(client, "x/read")
        await client.config_set("maxmemory", 0)
        await client.replicaof("127.0.0.1", 1)
        assert isinstance(await outcome(probe(client, "x/write")), ReadOnlyError)
        assert await probe(client, "x/read")


@pytest.mark.parametrize("decode_responses", [False, True])
async def test_the_server_is_named(server: ValkeyServer, connect: Any, decode_responses: bool) -> None:
    """With its own name and version, not those of the Redis that it is compatible with."""
    assert str(server) == await identify(connect(server, decode_responses=decode_responses))


async def test_the_gauges_follow_the_pool(client: Any) -> None:
    """In use, idle and at most, as the pool has them; without a call to the server."""
    most = client.connection_pool.max_connections
    assert gauges(client) == {"pool_in_use": 0, "pool_idle": 0, "pool_max": most}
    async with client.client():
        assert gauges(client) == {"pool_in_use": 1, "pool_idle": 0, "pool_max": most}
    assert gauges(client) == {"pool_in_use": 0, "pool_idle": 1, "pool_max": most}
    assert set(gauges(client)) == {metric.name for metric in METRICS if metric.kind == "gauge"}
