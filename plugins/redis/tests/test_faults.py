"""Faults of a real server: what the breaker makes of them, and how it gets over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)

from plugins.redis.tests.support import LASTING, TOUCHY, Witness, bare, outcome, serves, timed, until
from switchgear import CallNotPermitted, TimeWindow, Verdict
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(victim: ValkeyServer, connect: Any, witness: Witness) -> AsyncIterator[Any]:
    """A guarded client of the victim, with redis-py's own ten retries; its breakers are checked on actively."""
    guarded = witness.guard(connect(victim, socket_timeout=0.3))
    await guarded.set("key", "value")
    async with witness.gear:
        yield guarded


async def test_killed(victim: ValkeyServer, client: Any, witness: Witness) -> None:
    """The first command opens the breaker in spite of its retries; then every command is refused in under 5 ms, reads
    and writes alike; and it recovers by itself when the server is back."""
    await victim.kill()
    error, seconds = await timed(client.get("key"))
    assert isinstance(error, redis.ConnectionError)
    assert seconds < 2  # unguarded: about four
    assert witness.states() == {"": "OPEN", "read": "OPEN", "write": "CLOSED"}
    for call in (client.set, client.lpush):
        refused = [await timed(call("key", "other")) for _ in range(5)]
        assert {True} == {isinstance(refusal, CallNotPermitted) for refusal, _ in refused}
        assert min(seconds for _, seconds in refused) < 0.1
    await victim.restart()
    await until(lambda: serves(client))


async def test_killed_with_the_recommended_breaker(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """Out of the box: opens within the first command, and serves again within four seconds of the restart."""
    client = witness.guard(connect(victim), BACKEND.recommended)
    await client.ping()
    await victim.kill()
    _, seconds = await timed(client.get("key"))
    assert seconds < 2
    assert witness.states()["read"] == "OPEN"
    await victim.restart()
    async with witness.gear:
        await until(lambda: serves(client), seconds=4)


async def test_an_idle_service_recovers(victim: ValkeyServer, client: Any, witness: Witness) -> None:
    """Nobody calls; the active check closes all its breakers."""
    await victim.kill()
    await outcome(client.get("key"))
    await outcome(client.set("key", "value"))
    await victim.restart()

    async def closed() -> bool:
        return {"CLOSED"} == set(witness.states().values())

    await until(closed)


async def test_hung(victim: ValkeyServer, client: Any, witness: Witness) -> None:
    """A server that answers nothing: five timeouts open, not the fifty-five of five commands with ten retries."""
    await victim.hang()
    error, seconds = await timed(client.get("key"))
    assert isinstance(error, (redis.TimeoutError, redis.ConnectionError))
    assert seconds < 4  # 5 x 0.3 s, and pauses between them
    assert isinstance(await outcome(client.get("key")), CallNotPermitted)
    await victim.resume()
    await until(lambda: serves(client))


async def test_slow(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """No error at all, but everything takes long: opens while the calls are still in flight, before they come back."""
    slow = replace(
        LASTING, slow_call_duration_threshold={"read": 0.05}, minimum_number_of_calls=10, window=TimeWindow(10)
    )
    client = witness.guard(connect(victim), slow)
    async with bare(victim.port) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(other.execute_command, "DEBUG", "SLEEP", "0.5")
        with anyio.fail_after(0.45):
            while witness.states().get("read") != "OPEN":
                tasks.start_soon(outcome, client.get("key"))
                await anyio.sleep(0.01)
    assert "slow-call rate" in witness.moved[0].detail
    assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}


async def test_writes_paused(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """CLIENT PAUSE WRITE: writes time out and are refused; reads go on, and are not."""
    client = witness.guard(connect(victim, socket_timeout=0.1, retry=None), LASTING)
    await client.execute_command("CLIENT", "PAUSE", 5000, "WRITE")
    assert isinstance(await outcome(client.set("key", "value")), redis.TimeoutError)
    assert isinstance(await outcome(client.set("key", "value")), CallNotPermitted)
    assert await client.get("key") is None
    assert witness.states() == {"": "CLOSED", "read": "CLOSED", "write": "OPEN"}


async def test_out_of_memory(victim: ValkeyServer, client: Any, witness: Witness) -> None:
    """Writes are refused while reads are served; the check finds out without writing when there is room again."""
    await client.config_set("maxmemory", 1)
    for _ in range(5):
        assert isinstance(await outcome(client.set("key", "other")), OutOfMemoryError)
    assert isinstance(await outcome(client.set("key", "other")), CallNotPermitted)
    assert await client.get("key") == b"value"
    assert witness.states() == {"": "CLOSED", "read": "CLOSED", "write": "OPEN"}
    await client.config_set("maxmemory", 0)

    async def writable() -> bool:
        return witness.states()["write"] == "CLOSED"

    await until(writable)
    assert await client.keys() == [b"key"]


async def test_out_of_memory_in_a_transaction(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """The error is wrapped in the text of a pipeline's, and still found."""
    client = witness.guard(connect(victim), TOUCHY)
    await client.config_set("maxmemory", 1)
    error = await outcome(client.pipeline().set("key", "value").execute())
    assert isinstance(error, OutOfMemoryError)
    assert witness.states()["write"] == "OPEN"


async def test_become_a_replica(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """After a failover the old address is read-only: writes are refused, reads are served."""
    client = witness.guard(connect(victim), LASTING)
    await client.set("key", "value")
    await client.replicaof("127.0.0.1", 1)
    assert isinstance(await outcome(client.set("key", "other")), ReadOnlyError)
    assert isinstance(await outcome(client.set("key", "other")), CallNotPermitted)
    assert await client.get("key") == b"value"


async def test_full_of_clients(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """A server that takes no more clients is throttling: half a failure, and the error passes."""
    client = witness.guard(connect(victim, retry=None))
    async with bare(victim.port) as other:
        await other.config_set("maxclients", 1)

        async def told() -> bool:  # the server hangs up right after, sometimes faster than we can read
            return "max number of clients" in str(await outcome(client.get("key")))

        await until(told)
    assert witness.verdicts[-1] == ("redis.get", Verdict.THROTTLED)


async def test_loading(connect: Any, witness: Witness) -> None:
    """A server that reads its data back does not serve yet."""
    async with ValkeyServer("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024") as server:
        client = witness.guard(connect(server, retry=None))
        async with bare(server.port) as other:
            async with other.pipeline(transaction=False) as pipeline:
                for number in range(200):
                    pipeline.set(f"key{number}", "x" * 100)
                await pipeline.execute()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcome, other.execute_command("DEBUG", "RELOAD"))

                async def loading() -> bool:
                    return isinstance(await outcome(client.get("key1")), BusyLoadingError)

                await until(loading)
                await until(lambda: serves(client))
    assert ("redis.get", Verdict.FAILURE.everywhere()) in witness.verdicts


async def test_a_password_that_is_wrong(connect: Any, witness: Witness) -> None:
    """Configuration, not an outage: the breaker stays closed, and somebody can see the counter."""
    async with ValkeyServer("--requirepass", "secret") as server:
        for options in ({}, {"password": "wrong"}):
            client = witness.guard(connect(server, retry=None, **options), TOUCHY)
            assert isinstance(await outcome(client.get("key")), AuthenticationError)
    assert witness.verdicts == [("redis.get", Verdict.IGNORED)] * 2
    assert witness.count("auth_errors") == 2


async def test_a_command_that_is_not_allowed(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """NOPERM likewise."""
    async with bare(victim.port) as admin:
        await admin.acl_setuser("reader", enabled=True, passwords=["+pw"], commands=["+get", "+hello"], keys=["*"])
    client = witness.guard(connect(victim, username="reader", password="pw", retry=None), TOUCHY)
    assert isinstance(await outcome(client.set("key", "value")), NoPermissionError)
    assert witness.verdicts == [("redis.set", Verdict.IGNORED)]


async def test_a_script_that_does_not_end(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """BUSY is no error of the caller, though it is a plain ResponseError."""
    client = witness.guard(connect(victim), LASTING)
    async with bare(victim.port) as other:
        await other.config_set("busy-reply-threshold", 50)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome, other.eval("while true do end", 0))

            async def busy() -> bool:
                return "BUSY" in str(await outcome(client.get("key")))

            await until(busy)
            assert isinstance(await outcome(client.get("key")), CallNotPermitted)
            async with bare(victim.port) as killer:
                await killer.script_kill()


async def test_one_lost_connection_does_not_open(victim: ValkeyServer, client: Any, witness: Witness) -> None:
    """CLIENT KILL on a healthy server: redis-py connects again, the caller sees nothing, the breaker stays closed."""
    async with bare(victim.port) as other:
        await other.client_kill_filter(_type="normal", skipme=True)
    assert await client.get("key") == b"value"
    assert {"CLOSED"} == set(witness.states().values())


async def test_while_open_nothing_reaches_the_server(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """The server is back, and sees no command until the wait is over."""
    client = witness.guard(connect(victim), replace(LASTING, probe_with="traffic"))
    await client.set("key", "value")
    await victim.kill()
    await outcome(client.get("key"))
    await victim.restart()
    for call in (client.get("key"), client.pipeline().get("key").execute(), client.pubsub().subscribe("c")):
        assert isinstance(await outcome(call), CallNotPermitted)
    async with bare(victim.port) as other:
        clients = await other.client_list()
        stats = await other.info("commandstats")
    assert len(clients) == 1  # the one that asks
    assert not {"cmdstat_get", "cmdstat_subscribe"} & set(stats)
