"""A service's strategies hold for its guarded clients, as the server sees it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from plugins.redis.tests.support import QUICK, Witness, bare, outcome, timed, until
from switchgear import (
    CallTimedOut,
    Chaos,
    Hedge,
    InjectedFault,
    LimitExceeded,
    Retry,
    State,
    Strategy,
    Switchgear,
    Timeout,
)
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import ValkeyServer, VirtualClock
from switchgear_redis import BACKEND
from switchgear_redis._refusal import RedisCallNotPermitted

pytestmark = pytest.mark.anyio

Call = Callable[[Any], Any]

#: Never opens.
PATIENT = replace(QUICK, failure_rate_threshold=None, slow_call_rate_threshold=None, consecutive_failures=None)


async def write(client: Any) -> Any:
    return await client.set("key", "value")


async def write_in_a_pipeline(client: Any) -> Any:
    async with client.pipeline(transaction=False) as pipeline:
        return await pipeline.set("key", "value").get("key").execute()


async def write_in_a_transaction(client: Any) -> Any:
    async with client.pipeline() as pipeline:
        return await pipeline.set("key", "value").get("key").execute()


CALLS = [write, write_in_a_pipeline, write_in_a_transaction]


@pytest.fixture
async def observer(server: ValkeyServer) -> AsyncIterator[Any]:
    """A client that nobody guards."""
    async with bare(server.port, decode_responses=True) as client:
        yield client
        await client.client_unpause()


async def held(observer: Any) -> int:
    """How many connections the server is holding back, since it takes no writes."""
    return sum("b" in client["flags"] for client in await observer.client_list())


async def are_held(observer: Any, connections: int) -> bool:
    return await held(observer) == connections


@asynccontextmanager
async def no_writes(observer: Any) -> AsyncIterator[None]:
    """The server lets writes wait."""
    await observer.client_pause(60_000, all=False)
    try:
        yield
    finally:
        await observer.client_unpause()


def strategies(witness: Witness, client: Any, *strategies: Strategy) -> Any:
    return witness.gear.guard(client, BACKEND, name="cache", breaker=PATIENT, pipeline=strategies)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("limit", [2, None])
async def test_a_bulkhead_bounds_what_the_server_sees(
    call: Call, limit: int | None, server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """Of eight calls at once two reach the server while six wait for a place; without a bulkhead all do. When it
    answers, all are served."""
    bulkhead = Bulkhead(limit or 8, queue=8)
    client = strategies(witness, connect(server, decode_responses=True), bulkhead)
    results: list[Any] = []

    async def one() -> None:
        results.append(await call(client))

    async with no_writes(observer), anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one)
        await until(partial(are_held, observer, limit or 8))
        assert bulkhead.waiting == 8 - (limit or 8)
        assert await held(observer) == (limit or 8)
        await observer.client_unpause()
    assert results == [await call(client)] * 8


async def test_a_configured_bulkhead_bounds_what_the_server_sees(
    server: ValkeyServer, observer: Any, tmp_path: Path
) -> None:
    """Two keys of a file are enough."""
    file = tmp_path / "switchgear.toml"
    file.write_text(
        f"""
        [services.cache]
        plugin = "redis"
        settings.url = "{server.url}"
        pipeline.bulkhead = {{ limit = 2, queue = 8 }}
        """
    )
    async with Switchgear.from_toml(file) as gear, no_writes(observer), anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(gear.client("cache").set, "key", "value")
        await until(partial(are_held, observer, 2))
        pipeline = gear.service("cache").pipeline
        assert pipeline is not None
        assert pipeline.saturations()["bulkhead"] == 1
        assert await held(observer) == 2
        await observer.client_unpause()


async def test_who_finds_no_place_gets_redis_own_error(
    server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """As a refusal of the breaker is: existing `except` clauses go on working, and the pipeline is as good as new."""
    client = strategies(witness, connect(server, decode_responses=True), Bulkhead(1))
    async with no_writes(observer), anyio.create_task_group() as tasks:
        tasks.start_soon(client.set, "key", "value")
        await until(partial(are_held, observer, 1))
        for call in CALLS:
            with pytest.raises(redis.ConnectionError) as caught:
                await call(client)
            assert isinstance(caught.value, LimitExceeded)
            assert isinstance(caught.value, RedisCallNotPermitted)
            assert caught.value.strategy == "bulkhead"
        pipeline = client.pipeline().set("other", "value")
        assert isinstance(await outcome(pipeline.execute()), LimitExceeded)
        assert len(pipeline) == 0
        await observer.client_unpause()
    assert await client.exists("other") == 0
    assert [name for name, _ in witness.verdicts] == ["redis.set", "redis.exists"]


async def test_what_waits_by_design_and_what_has_begun_needs_no_place(
    server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """With all places taken: commands that block, subscriptions, transactions that watch, administration, and the
    breaker's own check of the server."""
    client = strategies(witness, connect(server, decode_responses=True), Bulkhead(1))
    async with no_writes(observer), anyio.create_task_group() as tasks:
        tasks.start_soon(client.set, "key", "value")
        await until(partial(are_held, observer, 1))
        assert isinstance(await outcome(client.get("other")), LimitExceeded)

        assert await client.xread({"stream": "0"}, block=1) in ([], {})
        async with client.pubsub() as subscription:
            await subscription.subscribe("channel")
            assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
        async with client.pipeline() as transaction:
            await transaction.watch("other")
            assert await transaction.get("other") is None
            transaction.multi()
            assert await transaction.get("other").execute() == [None]
        assert (await client.info("server"))["tcp_port"] == server.port
        service = witness.gear.service("cache")
        assert await service.check(client, service.group.main)
        await observer.client_unpause()


@pytest.mark.parametrize("call", CALLS)
async def test_what_may_be_done_twice_is_tried_again_whole(
    call: Call, server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """Its connection is cut while the server holds it: the second attempt sends all of it once more, and its caller
    sees nothing but the result."""
    retry = Retry(attempts=2, initial=0.001)
    client = strategies(witness, connect(server, retry=None, decode_responses=True), retry)
    expected = await call(client)
    witness.settled.clear()
    results: list[Any] = []

    async def one() -> None:
        results.append(await call(client))

    async with no_writes(observer), anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await until(partial(are_held, observer, 1))
        await observer.client_kill_filter(_type="normal", skipme=True)
        await until(partial(are_held, observer, 1))
        await observer.client_unpause()
    assert results == [expected]
    assert [verdict.name for _, verdict in witness.verdicts] == ["FAILURE", "SUCCESS"]
    assert retry.counts()["retries"] == 1


async def test_what_may_not_be_done_twice_is_not(
    server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """The server may have counted before it was lost: the caller learns of the error and decides."""
    client = strategies(witness, connect(server, retry=None), Retry(attempts=5, initial=0.001))
    failed: list[Any] = []

    async def count() -> None:
        failed.append(await outcome(client.incr("n")))

    async with no_writes(observer), anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await until(partial(are_held, observer, 1))
        await observer.client_kill_filter(_type="normal", skipme=True)
    assert isinstance(failed[0], redis.ConnectionError)
    assert [name for name, _ in witness.verdicts] == ["redis.incrby"]


@pytest.mark.parametrize("call", CALLS)
async def test_two_attempts_at_once_do_not_meet(
    call: Call, server: ValkeyServer, connect: Any, observer: Any, witness: Witness
) -> None:
    """A pipeline that is hedged goes twice over two connections, and its caller has one answer; the other one's
    connection is not left behind."""
    client = strategies(witness, connect(server, decode_responses=True), Hedge(delay=0.001))
    expected = await call(client)
    results: list[Any] = []

    async def one() -> None:
        results.append(await call(client))

    async with no_writes(observer), anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await until(partial(are_held, observer, 2))
        await observer.client_unpause()
    assert results == [expected]
    assert not client.connection_pool._in_use_connections
    assert witness.in_flight == 0


async def test_attempts_do_not_multiply(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """A client with ten retries of its own leaves them to the pipeline's: two attempts, and not twenty-two; what does
    not go through the pipeline is tried as often as by the bare client (before redis-py 8 a refused connect is not)."""
    retry = Retry(attempts=2, initial=0.001, max=0.001)
    client = strategies(witness, connect(victim), retry)
    await client.ping()
    await victim.kill()
    witness.settled.clear()
    error, seconds = await timed(client.get("key"))
    assert isinstance(error, redis.ConnectionError)
    assert retry.counts()["retries"] == 1
    assert len(witness.settled) == 2
    assert seconds < 0.5
    error, seconds = await timed(client.info())
    assert isinstance(error, redis.ConnectionError)
    _, unguarded = await timed(connect(victim).info())
    assert (seconds > 0.5) == (unguarded > 0.5)


async def test_a_server_that_takes_no_more_connections_lowers_an_adaptive_limit(
    victim: ValkeyServer, connect: Any
) -> None:
    """THROTTLED is a drop for it, though the breaker stays closed; answers that say no are none."""
    clock, adaptive = VirtualClock(), Adaptive(limit=4)
    gear = Switchgear(clock=clock)
    client = gear.guard(connect(victim, retry=None), BACKEND, name="cache", breaker=PATIENT, pipeline=[adaptive])
    await client.set("text", "no number")

    async def fails(call: Callable[[], Any]) -> None:
        assert isinstance(await outcome(call()), redis.RedisError)
        clock.advance(0.1)

    for _ in range(60):
        await fails(lambda: client.hget("text", "field"))
    assert adaptive.limit >= 4

    async def lowered() -> bool:  # the server hangs up right after saying why, sometimes faster than we can read
        await fails(lambda: client.get("text"))
        return adaptive.limit < 4

    async with bare(victim.port, single_connection_client=True) as last:
        await client.connection_pool.disconnect()
        await last.config_set("maxclients", 1)
        await until(lowered)
    assert gear.breaker("cache").state is State.CLOSED


async def test_lack_of_time_and_chaos_have_the_clients_own_errors(
    server: ValkeyServer, connect: Any, witness: Witness
) -> None:
    """A call that takes too long raises what the client does, and so does a fault of chaos: `except` clauses are put to
    the test by it. Both cross processes.
    """
    chaos = Chaos()
    client = strategies(witness, connect(server), Timeout(0.05), chaos)
    chaos.switch_on(Chaos.Latency(60), rate=1, for_=60, reason="a test")
    with pytest.raises(redis.TimeoutError) as late:
        await client.get("key")
    assert isinstance(late.value, CallTimedOut)
    assert str(pickle.loads(pickle.dumps(late.value))) == str(late.value)
    chaos.switch_off()
    chaos.switch_on(Chaos.Fault(), rate=1, for_=60, reason="a test")
    with pytest.raises(redis.ConnectionError) as fault:
        await client.get("key")
    assert isinstance(fault.value, InjectedFault)
    assert str(pickle.loads(pickle.dumps(fault.value))) == str(fault.value)
