"""A guarded client is the client: what it does on a healthy server, the unguarded one does too, result for result."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, NoScriptError, ResponseError, WatchError

from plugins.redis.tests.commands import SEED, calls
from plugins.redis.tests.support import Witness, bare, outcome
from switchgear import Verdict
from switchgear.testing import ValkeyServer

pytestmark = pytest.mark.anyio

#: Different each time, or per connection or database, or with the load of the machine: only the type can be compared.
CHANGING = {
    "acl_genpass", "acl_log", "client_id", "client_info", "client_list", "commandlog_get", "commandlog_len",
    "debug_object", "hrandfield", "info", "keys", "lastsave", "latency_latest", "memory_malloc_stats",
    "memory_stats", "memory_usage", "object_idletime", "randomkey", "scan", "scan_iter", "slowlog_get",
    "slowlog_len", "spop", "srandmember", "time", "xinfo_consumers", "xinfo_stream", "zrandmember",
}  # fmt: skip


def seen(result: Any, *, changing: bool) -> Any:
    """What two outcomes are compared by."""
    if isinstance(result, Exception):
        return type(result), str(result)
    return type(result) if changing else (type(result), result)


async def call(client: Any, method: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    async with client.pipeline(transaction=False) as pipeline:
        for command in SEED:
            pipeline.execute_command(*command)
        await pipeline.execute()

    async def made() -> Any:
        made = getattr(client, method)(*args, **kwargs)
        if isinstance(made, AsyncIterator):
            return [item async for item in made]
        return await made if hasattr(made, "__await__") else type(made)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some methods are deprecated, and still there
        return await outcome(made())


async def test_every_method_of_the_client_gives_what_it_gives_unguarded(
    server: ValkeyServer, connect: Any, witness: Witness
) -> None:
    """All public command methods, found by reflection: the same results, and the same errors where they fail."""
    plain, guarded = connect(server, db=0), witness.guard(connect(server, db=1))
    made, served, different = 0, 0, {}
    for method, args, kwargs in calls():
        expected, actual = await call(plain, method, args, kwargs), await call(guarded, method, args, kwargs)
        changing = method in CHANGING
        if seen(expected, changing=changing) != seen(actual, changing=changing):
            different[method] = expected, actual
        made += 1
        served += not isinstance(actual, Exception)
    assert different == {}
    assert made > 270
    assert served > 200  # the others are for servers newer than this one, or need cleverer arguments
    assert {"CLOSED"} == set(witness.states().values())
    assert {Verdict.SUCCESS, Verdict.IGNORED} >= {verdict for _, verdict in witness.verdicts}


async def test_a_guarded_client_looks_as_before(server: ValkeyServer, connect: Any, witness: Witness) -> None:
    """Same object, same name of its class, same repr; an instance of all it was."""

    class Special(Redis):
        """A subclass of the user's own."""

    for client in (connect(server), Special(connection_pool=BlockingConnectionPool(port=server.port))):
        before, kind = repr(client), type(client)
        guarded = witness.guard(client)
        assert guarded is client
        assert before == repr(guarded)
        assert isinstance(guarded, kind)
        assert (kind.__name__, kind.__module__) == (type(guarded).__name__, type(guarded).__module__)
        await client.aclose()


async def test_guarding_twice_does_nothing(client: Any, witness: Witness) -> None:
    """The second time, types and permits are as after the first."""
    kind = type(client)
    assert client is witness.guard(client)
    assert kind is type(client)
    await client.get("key")
    assert witness.verdicts == [("redis.get", Verdict.SUCCESS)]


async def test_what_a_client_makes_is_guarded_and_of_its_own_type(client: Any, witness: Witness) -> None:
    """Pipelines, subscriptions, locks, single-connection clients: one permit for each thing done with them."""
    async with client.pipeline() as pipeline:
        assert issubclass(type(pipeline), Pipeline)
        assert await pipeline.set("k", "v").get("k").incr("n").execute() == [True, "v", 1]
        assert await pipeline.execute() == []
    async with client.pubsub() as subscription:
        assert isinstance(subscription, PubSub)
        await subscription.subscribe("channel")
    async with client.client() as single:
        assert isinstance(single, Redis)
        assert await single.ping()
    lock = client.lock("lock")
    assert isinstance(lock, Lock)
    assert await lock.acquire()
    expected = ["redis.pipeline", "redis.subscribe", "redis.connect", "redis.ping", "redis.set"]
    assert [(name, Verdict.SUCCESS) for name in expected] == witness.verdicts


async def test_guarded_pipelines_are_of_one_class(client: Any, witness: Witness) -> None:
    """Also when none is left of the last ones: a class for each would cost each more than its commands do."""
    kinds = set[int]()
    kept = weakref.ref(type(client.pipeline()))
    for _ in range(3):
        gc.collect()
        assert kept() is not None
        kinds.add(id(type(client.pipeline())))
    assert kinds == {id(kept())}


async def test_a_transaction_that_loses_its_race_is_no_failure(client: Any, witness: Witness) -> None:
    """WATCH, read, MULTI, EXEC: results as usual, WatchError when another was faster, and the server served."""
    async with client.pipeline() as pipeline:
        await pipeline.watch("n")
        assert await pipeline.get("n") is None
        pipeline.multi()
        pipeline.set("n", 1)
        assert await pipeline.execute() == [True]
        await pipeline.watch("n")
        await client.set("n", 5)
        pipeline.multi()
        pipeline.incr("n")
        with pytest.raises(WatchError):
            await pipeline.execute()

    def increase(pipeline: Any) -> None:
        pipeline.multi()
        pipeline.incr("n")

    assert await client.transaction(increase, "n") == [6]
    assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}


async def test_scripts_load_themselves_as_ever(client: Any, witness: Witness) -> None:
    """The NOSCRIPT of the first call is the way a script gets loaded, in a pipeline too; no failure."""
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert await script(keys=["n"], args=[3]) == 3
    await client.script_flush()
    async with client.pipeline() as pipeline:
        await script(keys=["n"], args=[4], client=pipeline)
        assert await pipeline.execute() == [7]
    assert isinstance(await outcome(client.evalsha("0" * 40, 0)), NoScriptError)
    assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}


async def test_errors_of_the_caller_are_no_failures(client: Any, witness: Witness) -> None:
    """WRONGTYPE, an unknown command, an argument that cannot be sent: passed on, and the breaker is not told."""
    await client.set("k", "v")
    assert isinstance(await outcome(client.lpush("k", 1)), ResponseError)
    assert isinstance(await outcome(client.execute_command("NO.SUCH")), ResponseError)
    assert isinstance(await outcome(client.set("k", object())), Exception)
    expected = [("redis.set", Verdict.SUCCESS), ("redis.lpush", Verdict.SUCCESS), ("redis.other", Verdict.SUCCESS)]
    assert [*expected, ("redis.set", Verdict.IGNORED)] == witness.verdicts


async def test_a_lock_excludes_others(client: Any, witness: Witness) -> None:
    """acquire, extend, release, and the error of a release that is not ours."""
    async with client.lock("lock", timeout=5) as held:
        assert not await client.lock("lock", blocking_timeout=0.01, sleep=0.005).acquire()
        assert await held.extend(5)
    with pytest.raises(LockError):
        await client.lock("lock").release()
    assert {"CLOSED"} == set(witness.states().values())


async def test_messages_reach_a_subscriber(client: Any, witness: Witness) -> None:
    """subscribe, psubscribe, get_message, listen and unsubscribe; waiting for a message takes no permit."""
    async with client.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe("news")
        await subscription.psubscribe("new*")
        assert await subscription.get_message(timeout=0.05) is None
        witness.settled.clear()
        await client.publish("news", "hello")
        received = [message async for message in _first(subscription, 2)]
        assert {("message", "hello"), ("pmessage", "hello")} == {(m["type"], m["data"]) for m in received}
        await subscription.unsubscribe()
        await subscription.punsubscribe()
    names = ["redis.publish", "redis.unsubscribe", "redis.punsubscribe"]
    assert [(name, Verdict.SUCCESS) for name in names] == witness.verdicts


async def _first(subscription: Any, count: int) -> AsyncIterator[Any]:
    async for message in subscription.listen():
        yield message
        count -= 1
        if not count:
            return


async def test_blocking_commands_and_streams_wait_as_ever(client: Any, witness: Witness) -> None:
    """BLPOP is served by a push, or gives up after its own time; XREAD BLOCK likewise; neither is slow."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.rpush, "list", "item")
        assert list(await client.blpop(["list"], timeout=5)) == ["list", "item"]
    assert await client.blpop(["list"], timeout=0.05) is None
    last = await client.xadd("stream", {"field": "value"})
    assert not await client.xread({"stream": last}, block=50)
    assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}


async def test_monitor_shows_commands(client: Any) -> None:
    """MONITOR works; what it shows is what others send."""
    async with client.monitor() as monitor:
        await client.set("k", "v")
        with anyio.fail_after(5):
            while "SET k v" not in (await monitor.next_command())["command"]:
                pass


async def test_a_client_of_another_pool_made_by_a_guarded_class_is_not_guarded(
    server: ValkeyServer, client: Any, witness: Witness
) -> None:
    """The guard hangs on the pool: the class alone claims nothing."""
    async with type(client)(connection_pool=ConnectionPool(port=server.port)) as other:
        assert await other.set("k", "v")
        async with other.pipeline() as pipeline:
            assert await pipeline.get("k").execute() == [b"v"]
        async with other.pubsub() as subscription:
            await subscription.subscribe("channel")
        await other.connection_pool.disconnect()
    assert witness.verdicts == []


async def test_close_and_reuse(server: ValkeyServer, witness: Witness) -> None:
    """`async with` closes the pool; a guarded client connects again when it is used again, as the plain one does."""
    client = witness.guard(bare(server.port))
    async with client:
        await client.set("k", "v")
    assert not [c for c in client.connection_pool._available_connections if c.is_connected]
    assert await client.get("k") == b"v"
    await client.aclose()
