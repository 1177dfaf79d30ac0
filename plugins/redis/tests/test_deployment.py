"""What a deployment is validated by: what a client keeps itself to, and what its account may do."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from switchgear.spi import ClientLimits
from switchgear.testing import ValkeyServer
from switchgear_redis import RedisSettings
from switchgear_redis._connect import connect
from switchgear_redis._health import limits, permissions

pytestmark = pytest.mark.anyio


async def test_the_limits_are_those_of_the_connections() -> None:
    """What the URL says goes before the settings, and is what is told."""
    settings = RedisSettings(url="redis://h?socket_timeout=7", max_connections=12)
    async with connect(settings) as client:
        assert limits(client, settings) == ClientLimits(
            timeout=7, connect_timeout=1.5, connections=12, enough_connections=50, retries=0
        )


async def test_a_client_without_limits_has_infinite_ones() -> None:
    """No timeout, a pool without an end, and retries for ever are told as such."""
    retry = Retry(NoBackoff(), -1)
    options: Any = {"socket_timeout": None, "socket_connect_timeout": None, "retry": retry}
    pool = BlockingConnectionPool(max_connections=2**31, **options)
    client = Redis(connection_pool=pool)
    told = limits(client, None)
    assert (told.timeout, told.connect_timeout, told.connections, told.retries) == (inf, inf, inf, inf)


async def test_an_account_is_tried_and_nothing_is_changed(server: ValkeyServer, connect: Any) -> None:
    """One that may only read is told so in the server's words; one that may do all has nothing against it."""
    admin = connect(server)
    assert await permissions(admin, []) == {"read": "", "write": ""}
    await admin.acl_setuser("reader", enabled=True, passwords="+pw", keys="*", commands=["+get", "+ping"])
    told = await permissions(connect(server, username="reader", password="pw"), [])
    assert told["read"] == ""
    assert "setrange" in told["write"]
    assert await admin.dbsize() == 0
    with pytest.raises(AuthenticationError):
        await permissions(connect(server, username="reader", password="wrong"), [])
    await admin.acl_deluser("reader")
