"""What is made of a guarded client, by the client or by Python: it is guarded, and is what it is of a bare one."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import copy
import inspect
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from redis.asyncio.client import Monitor
from redis.asyncio.lock import Lock

from plugins.redis.tests.support import VERSION, Witness, outcome
from switchgear import CallNotPermitted, Verdict
from switchgear.testing import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("copied", [copy.copy, lambda client: copy.copy(client.pipeline())])
async def test_a_copy_shares_the_pool_and_the_guard(
    copied: Callable[[Any], Any], client: Any, witness: Witness
) -> None:
    """As copies of a client do: one pool, and so one breaker."""
    made: Any = copied(client)
    assert made is not client
    assert issubclass(type(made), Redis)
    assert made.connection_pool is client.connection_pool
    await outcome(made.set("key", "value").execute() if hasattr(made, "execute") else made.set("key", "value"))
    assert [verdict for _, verdict in witness.verdicts] == [Verdict.SUCCESS]
    witness.force_open()
    again = made.get("key").execute() if hasattr(made, "execute") else made.get("key")
    assert isinstance(await outcome(again), CallNotPermitted)


@pytest.mark.parametrize("dumped", [pickle.dumps, copy.deepcopy])
async def test_what_cannot_cross_processes_still_cannot(
    dumped: Callable[[Any], Any], server: ValkeyServer, connect: Any, client: Any
) -> None:
    """A client holds locks and connections: neither a bare one nor a guarded one is pickled, or copied in depth."""
    fails = []
    for one in (connect(server), client):
        try:
            dumped(one)
        except (TypeError, pickle.PicklingError):
            fails.append(True)
        else:  # before redis-py 6 some of it works
            fails.append(False)
    assert fails[0] is fails[1]
    assert fails[0] or VERSION < (6, 0)


async def test_a_client_can_be_looked_at_as_before(server: ValkeyServer, connect: Any, client: Any) -> None:
    """Texts of all that it makes, weak references, attributes of its own, hash and equality."""
    bare = connect(server, decode_responses=True)
    for of in (lambda c: c, lambda c: c.pipeline(), lambda c: c.pubsub(), lambda c: c.lock("x"), lambda c: c.monitor()):
        expected, actual = of(bare), of(client)
        assert repr(actual).split(" at 0x")[0] == repr(expected).split(" at 0x")[0]
        assert type(actual).__qualname__ == type(expected).__qualname__
        assert isinstance(actual, type(expected))
        assert weakref.ref(actual)() is actual
        assert {actual: 1}[actual] == 1
    assert len(client.pipeline().get("a").get("b")) == 2
    assert bool(client.pipeline())
    client.mine = 1
    assert client.mine == 1


async def test_a_monitor_is_admitted_when_it_begins(client: Any, witness: Witness) -> None:
    """It takes a connection, and then watches for as long as it likes; refused, it is redis-py's own error."""
    async with client.monitor() as monitor:
        assert isinstance(monitor, Monitor)
    assert witness.verdicts == [("redis.connect", Verdict.SUCCESS)]
    witness.force_open()
    monitor = client.monitor()
    with pytest.raises(redis.ConnectionError) as refused:
        await monitor.connect()
    assert isinstance(refused.value, CallNotPermitted)
    assert not client.connection_pool._in_use_connections


async def test_a_lock_tells_a_refusal_from_a_lock_that_is_held(client: Any, witness: Witness) -> None:
    """An acquire that is refused is no "somebody else has it": the caller hears of it at once."""
    lock = client.lock("lock", timeout=5, blocking_timeout=5)
    assert isinstance(lock, Lock)
    assert await lock.acquire()
    assert await lock.owned()
    await lock.release()
    witness.force_open()
    with pytest.raises(CallNotPermitted):
        await lock.acquire()


async def test_a_script_is_refused_like_a_command(client: Any, witness: Witness) -> None:
    """And its registration, which does no I/O, is not."""
    witness.force_open()
    script = client.register_script("return 1")
    assert isinstance(await outcome(script()), CallNotPermitted)
    assert len(witness.refused) == 1


def test_there_is_no_cache_that_would_go_past_the_guard() -> None:
    """redis-py's client-side caching is for its blocking clients: were it to come to redis.asyncio, a hit would be
    counted as no call at all, and this would have to be thought about."""
    assert "cache_config" not in inspect.signature(Redis.__init__).parameters
    assert "cache_config" in inspect.signature(redis.Redis.__init__).parameters or redis.__version__ < "5.1"
