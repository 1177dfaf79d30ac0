"""A master behind a Sentinel: the service is the master's name, wherever it runs just now."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from plugins.redis.tests.support import QUICK, Witness, bare, outcome, timed, until
from switchgear import CallNotPermitted
from switchgear.testing import ValkeyServer

pytestmark = pytest.mark.anyio


class SentinelServer(ValkeyServer):
    """The same program as a Sentinel, which keeps its state in its configuration file."""

    name = "Sentinel"

    async def prepare(self) -> None:
        (self.directory / "sentinel.conf").touch()

    def command(self) -> Sequence[str]:
        return *super().command()[:1], "sentinel.conf", "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"

    async def probe(self) -> str:
        async with bare(self.port, retry=None) as client:
            return "" if isinstance(info := await outcome(client.info("server")), Exception) else info["redis_version"]


async def test_a_failover_heals_the_breaker(victim: ValkeyServer, witness: Witness) -> None:
    """The master dies: commands are refused quickly. Its replica is promoted: the next probe finds it, and the same
    domains close. Reads from replicas are another domain."""
    async with ValkeyServer("--replicaof", "127.0.0.1", str(victim.port)) as replica, SentinelServer() as watcher:
        async with bare(watcher.port) as admin:
            await admin.execute_command("SENTINEL MONITOR", "shop", "127.0.0.1", victim.port, 1)
            await admin.execute_command("SENTINEL SET", "shop", "down-after-milliseconds", 300)
            await admin.execute_command("SENTINEL SET", "shop", "failover-timeout", 2000)

            async def replica_known() -> bool:
                return bool(await admin.sentinel_slaves("shop"))

            await until(replica_known, seconds=15)
        async with AsyncExitStack() as stack:
            sentinel = Sentinel([("127.0.0.1", watcher.port)], socket_timeout=1, retry=Retry(NoBackoff(), 0))
            stack.push_async_callback(sentinel.sentinels[0].aclose)
            master: Any = witness.guard(sentinel.master_for("shop"), QUICK)
            replicas: Any = witness.guard(sentinel.slave_for("shop"), QUICK)
            stack.push_async_callback(master.aclose)
            stack.push_async_callback(replicas.aclose)
            await master.set("key", "value")
            assert await replicas.info("server")
            assert {"", "shop/write", "shop-replicas/read"} == set(domains(witness))
            await victim.kill()
            error, seconds = await timed(master.set("key", "other"))
            assert isinstance(error, redis.ConnectionError)
            while not isinstance(error, CallNotPermitted):
                error, seconds = await timed(master.set("key", "other"))
            assert seconds < 0.1
            assert await replicas.info("server")  # the master does not speak for them

            async def promoted() -> bool:
                return await outcome(master.set("key", "after")) is True

            await until(promoted, seconds=15)
            async with bare(replica.port, decode_responses=True) as direct:
                assert await direct.get("key") == "after"
            assert {"", "shop/write", "shop-replicas/read"} == set(domains(witness))


def domains(witness: Witness) -> list[str]:
    return [snapshot.domain for snapshot in witness.gear.service("cache").group.snapshots()]
