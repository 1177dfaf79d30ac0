"""Clients made from settings."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
import redis
import trio
from redis.asyncio import BlockingConnectionPool

from plugins.redis.tests.support import TOUCHY, Witness, outcome, timed
from switchgear import ConfigurationError
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND, RedisSettings

pytestmark = pytest.mark.anyio


async def test_a_client_is_connected_and_closed(server: ValkeyServer) -> None:
    """It works, has at most 50 connections, and none of them outlives the context."""
    async with BACKEND.connect(RedisSettings(url=server.url, client_name="shop", decode_responses=True)) as client:
        assert await client.set("key", "value")
        assert (await client.get("key"), await client.client_getname()) == ("value", "shop")
        pool = client.connection_pool
        assert isinstance(pool, BlockingConnectionPool)
        assert (pool.max_connections, pool.timeout) == (50, 0.25)
    assert not [c for c in pool._available_connections if c.is_connected]


@pytest.mark.parametrize("protocol", [2, 3])
async def test_settings_reach_the_server(server: ValkeyServer, protocol: Any) -> None:
    """Database and protocol, and the URL goes before them."""
    async with BACKEND.connect(
        RedisSettings(url=f"redis://127.0.0.1:{server.port}", db=3, protocol=protocol)
    ) as client:
        info = await client.client_info()
        assert ("3", str(protocol)) == (str(info["db"]), str(info["resp"]))
    async with BACKEND.connect(RedisSettings(url=f"redis://127.0.0.1:{server.port}/5", db=3)) as client:
        assert str((await client.client_info())["db"]) == "5"


async def test_it_has_no_retries_of_its_own(victim: ValkeyServer) -> None:
    """A refused connection is told at once, where redis-py's own client takes four seconds."""
    async with BACKEND.connect(RedisSettings(url=victim.url)) as client:
        await client.ping()
        await victim.kill()
        for _ in range(2):
            error, seconds = await timed(client.ping())
            assert isinstance(error, redis.ConnectionError)
            assert seconds < 0.5


async def test_its_timeouts_are_finite(victim: ValkeyServer) -> None:
    """A hung server costs socket_timeout, once."""
    async with BACKEND.connect(RedisSettings(url=victim.url, socket_timeout=0.2)) as client:
        await client.ping()
        await victim.hang()
        error, seconds = await timed(client.ping())
        assert isinstance(error, redis.TimeoutError)
        assert seconds < 1


async def test_a_burst_waits_for_a_connection_and_a_crowd_does_not(server: ValkeyServer, witness: Witness) -> None:
    """More commands at once than connections are served in turn; where none comes free, the wait ends after a quarter
    of a second, and that is no failure of the server."""
    async with BACKEND.connect(RedisSettings(url=server.url, max_connections=2)) as connected:
        client = witness.guard(connected, TOUCHY)
        results: list[Any] = []

        async def get() -> None:
            results.append(await outcome(client.get("key")))

        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(get)
        assert results == [None] * 40
        async with client.pipeline() as first, client.pipeline() as second:
            await first.watch("key")
            await second.watch("key")
            error, seconds = await timed(client.get("key"))
        assert "No connection available" in str(error)
        assert 0.2 < seconds < 1
        assert witness.states()["read"] == "CLOSED"


def test_a_secret_is_not_shown() -> None:
    """Neither the password nor a URL that may hold one is in the repr of the settings."""
    shown = repr(RedisSettings(url="redis://user:hunter2@host", username="user", password="hunter3"))
    assert "hunter" not in shown
    assert "user" in shown


@pytest.mark.parametrize("url", ["http://:hunter2@host", "redis://:hunter2@host:port", "redis://:hunter2@host?db=x"])
async def test_a_wrong_url_is_an_error_of_the_configuration(url: str) -> None:
    """It names the key and what to write, and keeps the password to itself."""
    with pytest.raises(ConfigurationError, match=r"^url: .* Write redis://") as caught:
        async with BACKEND.connect(RedisSettings(url=url)):
            pass
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_another_event_loop_is_an_error_of_the_configuration() -> None:
    """redis.asyncio runs on asyncio only, and trio's users are told so."""

    async def main() -> None:
        async with BACKEND.connect(RedisSettings(url="redis://127.0.0.1")):
            pass

    with pytest.raises(ConfigurationError, match="runs on asyncio only"):
        trio.run(main)


async def test_options_are_those_of_the_connections(server: ValkeyServer) -> None:
    """What redis-py's connections take and the settings have no key for; they go before those keys."""
    settings = RedisSettings(url=server.url, client_name="shop", options={"client_name": "till", "encoding": "latin-1"})
    async with BACKEND.connect(settings) as client:
        assert await client.client_getname() in {"till", b"till"}
        assert client.connection_pool.connection_kwargs["encoding"] == "latin-1"


async def test_an_option_that_nobody_knows_is_named() -> None:
    """When it is connected, and not with the first command."""
    with pytest.raises(ConfigurationError, match=r"^options: .*no_such_option"):
        async with BACKEND.connect(RedisSettings(url="redis://h", options={"no_such_option": "hush"})):
            pass


def test_options_are_not_shown() -> None:
    """There may be a password among them."""
    assert "hush" not in repr(RedisSettings(url="redis://h", options={"ssl_password": "hush"}))
