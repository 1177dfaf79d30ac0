"""How full a client's pool is, while commands really hold its connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import pytest

from plugins.redis.tests.support import Witness, outcome, until
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND, RedisSettings

pytestmark = pytest.mark.anyio

assert BACKEND.saturation
saturation: Callable[[Any], Mapping[str, float]] = BACKEND.saturation


async def test_a_pool_is_as_full_as_the_share_of_its_connections_that_commands_hold(
    server: ValkeyServer, witness: Witness
) -> None:
    """From empty, over half full, to full, where the next command finds no connection, and back. The server is well all
    the time, and so is its breaker: it is the pool that the service says is full."""
    async with BACKEND.connect(RedisSettings(url=server.url, max_connections=4, socket_timeout=60)) as connected:
        client = witness.guard(connected)
        assert saturation(client) == {"pool": 0.0}

        async def held(connections: int) -> bool:
            return saturation(client) == {"pool": connections / 4}

        async with anyio.create_task_group() as tasks:
            for connections in range(1, 5):
                tasks.start_soon(client.blpop, "queue", 30)
                await until(partial(held, connections))
            assert "No connection available" in str(await outcome(client.get("key")))
            assert witness.states()["read"] == "CLOSED"
            assert witness.gear.service("cache").saturations()["pool"] == 1
            tasks.cancel_scope.cancel()
        assert saturation(client) == {"pool": 0.0}


async def test_a_pool_without_a_limit_is_never_full(server: ValkeyServer, connect: Callable[..., Any]) -> None:
    """What redis-py before 8 makes unless told otherwise: there is no share to tell."""
    client = connect(server, max_connections=2**31)
    await client.ping()
    assert saturation(client) == {}
