"""What is admitted, what is refused, and what the breaker is told."""

from __future__ import annotations

import asyncio
import logging
import pickle
from dataclasses import replace
from typing import Any

import pytest
import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.exceptions import OutOfMemoryError, WatchError

from plugins.redis.tests.support import LASTING, QUICK, TOUCHY, Witness, bare, outcome, timed, until
from switchgear import CallNotPermitted, ConfigurationError, Verdict
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND, guard

pytestmark = pytest.mark.anyio

FAILURE, IGNORED, SUCCESS = Verdict.FAILURE, Verdict.IGNORED, Verdict.SUCCESS


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_redis_own_error_for_an_unreachable_server(client: Any, witness: Witness) -> None:
    """`except redis.ConnectionError` catches it, and CallNotPermitted; it survives a pickle."""
    witness.force_open()
    with pytest.raises(redis.ConnectionError) as caught:
        await client.get("key")
    refusal = caught.value
    assert isinstance(refusal, CallNotPermitted)
    assert (refusal.breaker, refusal.reason) == ("cache", "the test says so")
    assert "RedisCallNotPermitted" in repr(refusal)
    vars(refusal)["connection"] = client  # as a cluster client hangs its node on errors, and that does not pickle
    copy = pickle.loads(pickle.dumps(refusal))
    assert (type(refusal), str(refusal), refusal.state) == (type(copy), str(copy), copy.state)


async def test_a_refusal_is_quick_and_not_retried(client: Any, witness: Witness) -> None:
    """redis-py retries ConnectionErrors ten times; this one it does not, whatever was to be done."""
    witness.force_open()
    pipeline, subscription, single = client.pipeline(), client.pubsub(), client.client()
    for call in (
        client.get("key"),
        client.set("key", "value"),
        pipeline.get("key").execute(),
        pipeline.watch("key"),
        client.transaction(lambda p: p.get("key"), "key"),
        subscription.subscribe("channel"),
        single.initialize(),
        client.lock("lock").acquire(),
        client.monitor().connect(),
    ):
        witness.refused.clear()
        refusal, seconds = await timed(call)
        assert isinstance(refusal, CallNotPermitted)
        assert seconds < 0.05  # one retry sleeps; in a quiet moment it is 50 microseconds
        assert len(witness.refused) == 1
    assert client.connection_pool._in_use_connections == set()


async def test_a_refused_pipeline_is_reset(client: Any, witness: Witness) -> None:
    """As after any execute: empty, without a connection, and good for the next use."""
    pipeline = client.pipeline()
    pipeline.set("key", "value")
    witness.force_open()
    assert isinstance(await outcome(pipeline.execute()), CallNotPermitted)
    assert (len(pipeline), pipeline.connection) == (0, None)
    witness.gear.service("cache").group.reset()
    assert await pipeline.get("key").execute() == [None]


async def test_what_was_admitted_as_a_whole_finishes(client: Any, witness: Witness) -> None:
    """A transaction that watches when the breaker opens reads, executes and unwatches; the next one is refused."""
    async with client.pipeline() as first, client.pipeline() as second, client.pipeline() as third:
        for pipeline in (first, second, third):
            await pipeline.watch("key")
        witness.force_open()
        assert await first.get("key") is None
        first.multi()
        assert await first.set("key", "value").execute() == [True]
        assert await second.unwatch()
        await third.reset()
        assert isinstance(await outcome(first.watch("key")), CallNotPermitted)


async def test_a_transaction_by_hand_finishes(client: Any, witness: Witness) -> None:
    """MULTI on a single-connection client: DISCARD and EXEC are never refused, since they end what was admitted."""
    async with client.client() as single:
        await single.execute_command("MULTI")
        witness.force_open()
        assert isinstance(await outcome(single.set("key", "value")), CallNotPermitted)
        assert await single.execute_command("DISCARD")
    await client.connection_pool.disconnect()


async def test_a_subscriber_goes_on_and_may_leave(server: ValkeyServer, client: Any, witness: Witness) -> None:
    """Messages keep coming through an open breaker, and unsubscribing is not refused; a new subscription is."""
    async with client.pubsub(ignore_subscribe_messages=True) as subscription, bare(server.port) as publisher:
        await subscription.subscribe("news")
        assert await subscription.get_message(timeout=1) is None
        witness.force_open()
        await publisher.publish("news", "hello")
        assert (await subscription.get_message(timeout=1) or {})["data"] == "hello"
        assert isinstance(await outcome(subscription.subscribe("more")), CallNotPermitted)
        await subscription.unsubscribe("news")


async def test_a_subscriber_does_not_reconnect_through_an_open_breaker(
    victim: ValkeyServer, connect: Any, witness: Witness
) -> None:
    """Once its server is gone, reading is refused like any other call, instead of trying to connect each time."""
    client = witness.guard(connect(victim), LASTING)
    async with client.pubsub() as subscription:
        await subscription.subscribe("news")
        assert await subscription.get_message(timeout=5)
        await victim.kill()
        for _ in range(2):  # the connection that is lost, and the one that cannot be made
            assert isinstance(await outcome(subscription.get_message(timeout=5)), redis.ConnectionError)
        assert witness.states()["read"] == "OPEN"
        refusal, seconds = await timed(subscription.get_message(timeout=5))
        assert isinstance(refusal, CallNotPermitted)
        assert seconds < 0.05


# -- evidence ----------------------------------------------------------------------------------------------------------


async def test_a_cancelled_command_gives_its_permit_back(client: Any, witness: Witness) -> None:
    """It is neither success nor failure, in a command, a pipeline and a subscription's read."""

    async def wait() -> None:
        await client.blpop(["nothing"], timeout=4)

    async def wait_in_a_pipeline() -> None:
        async with client.pipeline() as pipeline:
            await pipeline.watch("key")
            await pipeline.blpop(["nothing"], timeout=4)

    for waiting in (wait, wait_in_a_pipeline):
        witness.settled.clear()
        task = asyncio.create_task(waiting())

        async def blocked() -> bool:
            return "blocked_clients:0" not in str(await _info(client))

        await until(blocked)
        task.cancel()  # once, as asyncio does: redis-py gives its connection back when it is not cancelled in that too
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ("redis.blpop", IGNORED) in witness.verdicts
        assert witness.in_flight == 0


async def _info(client: Any) -> str:
    info = await client.info("clients")
    return f"blocked_clients:{info['blocked_clients']}"


@pytest.mark.parametrize("blocking_pool", [False, True])
async def test_a_full_pool_is_no_failure_of_the_server(
    server: ValkeyServer, witness: Witness, blocking_pool: bool
) -> None:
    """The error passes, the breaker is not told, and it is counted."""
    options: Any = {"port": server.port, "max_connections": 1}
    pool = BlockingConnectionPool(timeout=0.05, **options) if blocking_pool else bare(**options).connection_pool
    client = witness.guard(Redis(connection_pool=pool), TOUCHY)
    async with client.pipeline() as holder:
        await holder.watch("key")
        error = await outcome(client.get("key"))
        assert isinstance(error, redis.ConnectionError)
        assert BACKEND.gauges is not None
        assert BACKEND.gauges(client) == {"pool_in_use": 1, "pool_idle": 0, "pool_max": 1}
    assert witness.verdicts == [("redis.watch", SUCCESS), ("redis.get", IGNORED)]
    assert witness.count("pool_exhausted") == 1
    await pool.disconnect()


async def test_a_command_that_blocks_for_longer_than_its_socket_waits_is_no_failure(
    server: ValkeyServer, connect: Any, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    """BLPOP without limit on a socket with one times out on a healthy server: the caller's mistake, told once."""
    client = witness.guard(connect(server, socket_timeout=0.05, retry=Retry(ConstantBackoff(0), 2)), TOUCHY)
    with caplog.at_level(logging.WARNING, "switchgear.redis"):
        for wait in (client.blpop(["nothing"], timeout=0), client.xread({"nothing": "$"}, block=0)):
            assert isinstance(await outcome(wait), redis.TimeoutError)
    assert {"CLOSED"} == set(witness.states().values())
    assert witness.verdicts == [("redis.blpop", IGNORED), ("redis.xread", IGNORED)]
    assert witness.count("blocking_timeouts") == 2
    assert ["socket_timeout = 0.05 s" in record.message for record in caplog.records] == [True]


async def test_a_command_that_blocks_for_less_is_judged(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """The same timeout, when the server should have answered by then: a failure."""
    client = witness.guard(connect(victim, socket_timeout=0.2, retry=None), QUICK)
    await client.ping()
    await victim.hang()
    assert isinstance(await outcome(client.blpop(["nothing"], timeout=0.1)), redis.TimeoutError)
    assert ("redis.blpop", FAILURE) in witness.verdicts


async def test_errors_that_hide_in_a_result_are_found(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """raise_on_error=False returns them among the replies; the breaker hears of them all the same."""
    client = witness.guard(connect(victim), QUICK)
    await client.config_set("maxmemory", 1)
    replies = await client.pipeline(transaction=False).get("key").set("key", "value").execute(raise_on_error=False)
    assert isinstance(replies[1], OutOfMemoryError)
    assert ("redis.pipeline", FAILURE) in witness.verdicts
    assert witness.count("pipeline_errors") == 1


async def test_a_connection_lost_under_a_watch_is_one_failure(
    server: ValkeyServer, client: Any, witness: Witness
) -> None:
    """redis-py says WatchError; the breaker counts what it was, once."""
    async with client.pipeline() as pipeline, bare(server.port) as other:
        await pipeline.watch("key")
        watcher = await pipeline.client_id()
        await other.client_kill_filter(_id=str(watcher))
        witness.settled.clear()
        assert isinstance(await outcome(pipeline.get("key")), WatchError)
    assert [("redis.get", FAILURE.everywhere())] == witness.verdicts


async def test_attempts_are_counted_while_the_command_goes_on(
    victim: ValkeyServer, connect: Any, witness: Witness
) -> None:
    """With ten retries the breaker opens within the first command, which then gets the real error."""
    client = witness.guard(connect(victim), replace(LASTING, consecutive_failures=3))
    await client.ping()
    await victim.kill()
    error, seconds = await timed(client.get("key"))
    assert isinstance(error, redis.ConnectionError)
    assert not isinstance(error, CallNotPermitted)
    assert seconds < 2  # ten retries take about four
    read = witness.gear.breaker("cache", next(d for d in witness.gear.service("cache").group.branches if "read" in d))
    snapshot: Any = read.snapshot()
    assert (str(snapshot.state), snapshot.verdicts["FAILURE"]) == ("OPEN", 3)


async def test_a_retry_policy_stays_the_users_own(server: ValkeyServer, connect: Any, witness: Witness) -> None:
    """What the user gave is not changed; the connections' copies carry the guard, also after set_retry."""
    mine = Retry(ExponentialBackoff(), 3)
    client = witness.guard(connect(server, retry=mine))
    await client.ping()
    for _ in range(2):
        assert type(mine._backoff) is ExponentialBackoff
        assert (3, ExponentialBackoff) == (client.get_retry()._retries, type(client.get_retry()._backoff))
        for connection in (client.connection_pool._available_connections[0], client.connection_pool.make_connection()):
            assert connection.retry._retries == 3
            assert isinstance(connection.retry._backoff, ExponentialBackoff)
            assert type(connection.retry._backoff) is not ExponentialBackoff
        client.set_retry(mine)


async def test_a_script_in_a_pipeline_is_part_of_it(client: Any, witness: Witness) -> None:
    """What redis-py does inside an operation goes by the operation's permit."""
    script = client.register_script("return 1")
    async with client.pipeline() as pipeline:
        await script(client=pipeline)
        assert await pipeline.execute() == [1]
    assert witness.verdicts == [("redis.pipeline", SUCCESS)]


async def test_a_task_started_inside_a_command_is_admitted_for_itself(
    server: ValkeyServer, connect: Any, witness: Witness
) -> None:
    """It inherits the context of the command; when that is settled it must not pass for ever."""
    tasks: list[asyncio.Task[Any]] = []
    connected = asyncio.Event()

    async def later() -> Any:
        await connected.wait()
        return await outcome(other.get("key"))

    async def on_connect(connection: Any) -> None:
        await connection.on_connect()
        tasks.append(asyncio.create_task(later()))

    client = witness.guard(connect(server, redis_connect_func=on_connect))
    other = Redis(connection_pool=client.connection_pool)
    await client.get("key")
    witness.force_open()
    connected.set()
    assert isinstance(await tasks[0], CallNotPermitted)


# -- the pool ----------------------------------------------------------------------------------------------------------


async def test_others_that_borrow_from_a_guarded_pool_are_refused_too(client: Any, witness: Witness) -> None:
    """A client, pipeline or subscription made by hand on the same pool never heard of us, and yet is guarded."""
    pool = client.connection_pool
    plain, subscription = Redis(connection_pool=pool), PubSub(pool)
    pipeline: Any = plain.pipeline()
    assert await plain.set("key", "value")
    assert witness.verdicts == [("redis.connect", SUCCESS)]
    witness.force_open()
    for call in (plain.get("key"), pipeline.get("key").execute(), subscription.subscribe("channel")):
        assert isinstance(await outcome(call), CallNotPermitted)


async def test_others_that_borrow_give_evidence_too(victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """A plain client on a guarded pool opens the breaker when the server dies, within its first command."""
    pool = witness.guard(connect(victim), LASTING).connection_pool
    other = Redis(connection_pool=pool)
    await other.ping()
    await victim.kill()
    error, seconds = await timed(other.ping())
    assert isinstance(error, redis.ConnectionError)
    assert seconds < 2
    assert witness.states()["read"] == "OPEN"


async def test_a_client_belongs_to_one_service(client: Any, witness: Witness) -> None:
    """Guarding it for a second service is an error that says so; another client may join the first."""
    with pytest.raises(ConfigurationError, match="guarded already, as the service 'cache'"):
        witness.guard(client, name="sessions")
    assert "sessions" not in witness.gear.services
    other = witness.guard(Redis(connection_pool=client.connection_pool))
    await other.get("key")
    assert witness.verdicts == [("redis.get", SUCCESS)]


@pytest.mark.parametrize("stranger", [redis.Redis(), object()])
async def test_what_cannot_be_guarded_is_an_error(witness: Witness, stranger: object) -> None:
    """A client for threads, or no client at all."""
    with pytest.raises(ConfigurationError, match="Give a client of redis"):
        guard(stranger, witness.gear, name="cache")


# -- metrics -----------------------------------------------------------------------------------------------------------


async def test_hits_and_misses_are_counted_by_key(client: Any, witness: Witness) -> None:
    """GET, MGET, HGET and HMGET, in pipelines too; what looks nothing up, or fails, counts nothing."""
    await client.mset({"a": "1", "b": "2"})
    await client.hset("h", "f", "1")
    for key in ("a", "no"):
        await client.get(key)
    await client.mget("a", "b", "no")
    for field in ("f", "no"):
        await client.hget("h", field)
    await client.hmget("h", ["f", "no"])
    await client.exists("no")
    await outcome(client.get("h"))
    assert (witness.count("hits"), witness.count("misses")) == (5, 4)
    async with client.pipeline(transaction=False) as pipeline:
        await pipeline.get("a").get("no").incr("n").mget("a", "no").get("h").execute(raise_on_error=False)
    assert (witness.count("hits"), witness.count("misses")) == (7, 6)
    commands = witness.gear.service("cache").histograms()["pipeline_commands", ()]
    assert (sum(commands.counts), commands.sum) == (1, 5)
