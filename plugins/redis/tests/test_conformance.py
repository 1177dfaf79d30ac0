"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from typing import Any, ClassVar

from plugins.redis.tests.support import VERSION
from switchgear.testing import ValkeyServer
from switchgear.testing.conformance import Conformance, rejected, served
from switchgear_redis import RedisSettings


class TestConformance(Conformance):
    plugin = "redis"
    event_loops = ("asyncio",)
    unguarded: ClassVar = {
        "connection_pool.get_available_connection()": "a bare connection, which no client takes by itself"
    }
    values: ClassVar = {"timeout": 0.01, "time": 1}

    def server(self) -> ValkeyServer:
        return ValkeyServer()

    def settings(self, server: ValkeyServer, port: int) -> RedisSettings:
        return RedisSettings(url=f"redis://127.0.0.1:{port}/0", socket_timeout=0.8, socket_connect_timeout=0.8)

    @served
    async def set(self, client: Any, key: str) -> Any:
        return await client.set(key, "value")

    @served
    async def get(self, client: Any, key: str) -> Any:
        return await client.get(key)

    @served
    async def transaction(self, client: Any, key: str) -> Any:
        async with client.pipeline(transaction=True) as pipeline:
            return await pipeline.set(key, "7").incr(key).execute()

    @served
    async def scan(self, client: Any, key: str) -> Any:
        return [found async for found in client.scan_iter(match=key)]

    if VERSION >= (8, 0):  # one before loses the connection of a subscription that is cancelled while it closes

        @served
        async def subscribe(self, client: Any, key: str) -> Any:
            async with client.pubsub() as subscription:
                await subscription.subscribe("channel")
                return (await subscription.get_message(timeout=1))["type"]

    @rejected
    async def wrong_type(self, client: Any, key: str) -> None:
        await client.set(key, "text")
        await client.lpush(key, "item")
