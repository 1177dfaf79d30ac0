"""Nodes of a cluster that send their clients elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, ClusterError, RedisClusterException

from plugins.redis.tests.nodes import SLOTS, cluster, key_on
from plugins.redis.tests.support import LASTING, VERSION, Witness, bare, outcome
from plugins.redis.tests.wire import Reply, Wire, error
from switchgear import CallNotPermitted, Verdict

pytestmark = pytest.mark.anyio

#: However busy the machine is.
_NEVER_SLOW = replace(LASTING, slow_call_rate_threshold=None)


async def test_a_storm_of_redirects(witness: Witness) -> None:
    """A slot moves while fifty callers ask for it: each is redirected and served, nothing is held against either node,
    and the cluster is not asked for its topology by each of them. On a busy machine redis-py may take the connection
    from under one of its own commands, bare as well: that is an error of redis-py's, and nothing is held against a
    node for it either."""
    async with cluster(2) as (old, new):
        made = RedisCluster(host="127.0.0.1", port=old.port, decode_responses=True)
        async with witness.guard(made, _NEVER_SLOW) as client, bare(old.port) as source, bare(new.port) as target:
            await client.initialize()
            key = key_on(client, old)
            slot = client.keyslot(key)
            owner = (await target.execute_command("CLUSTER MYID")).decode()
            for node in (target, source):
                await node.execute_command("CLUSTER SETSLOT", slot, "NODE", owner)
            looked = await looks_at_the_topology(source, target)
            answers: list[Any] = []

            async def ask(number: int) -> None:
                answers.append(await outcome(client.set(key, number)))

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(ask, number)
            served = answers.count(True)
            assert [answer for answer in answers if answer is not True and not isinstance(answer, AttributeError)] == []
            assert served >= 25
            verdicts = [verdict for name, verdict in witness.verdicts if name == "redis.set"]
            assert verdicts.count(Verdict.SUCCESS) == served
            assert set(verdicts) == {Verdict.SUCCESS, Verdict.IGNORED}
            assert witness.moved == []
            assert await looks_at_the_topology(source, target) - looked < 25


async def looks_at_the_topology(*nodes: Any) -> int:
    asked = 0
    for node in nodes:
        asked += (await node.info("commandstats")).get("cmdstat_cluster|slots", {"calls": 0})["calls"]
    return asked


@asynccontextmanager
async def one_node(reply: bytes, *, slots: int = SLOTS) -> AsyncIterator[tuple[Wire, Any]]:
    """A cluster of one node, which says so many slots are its own, and a client of it."""
    async with Wire(Reply(reply)) as wire:
        address = f"$9\r\n127.0.0.1\r\n:{wire.port}\r\n$1\r\nx\r\n".encode()
        wire.answers = {
            b"CLUSTER": f"*1\r\n*3\r\n:0\r\n:{slots - 1}\r\n*3\r\n".encode() + address,
            b"COMMAND": b"*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n",
        }
        # More attempts would only take longer: it pauses in between.
        twice: Any = {"retry": Retry(NoBackoff(), 2)} if VERSION >= (6, 0) else {"cluster_error_retry_attempts": 2}
        client = RedisCluster(host="127.0.0.1", port=wire.port, protocol=2, require_full_coverage=True, **twice)
        yield wire, client
        await client.aclose()


async def test_sent_in_circles(witness: Witness) -> None:
    """A node that sends on to itself, for ever: redis-py gives up, with an error of its own, which no node has raised.
    It is the failure of the node that was asked first, and comes through untouched."""
    async with one_node(b"") as (wire, client):
        wire.reply = error(f"MOVED 12539 127.0.0.1:{wire.port}")
        raised = await outcome(witness.guard(client, LASTING).get("key"))
        assert type(raised) is ClusterError
        assert raised.__cause__ is None
        assert str(raised) == "TTL exhausted."
        asked = len(wire.commands)
        assert asked > 5
        verdicts = [verdict for name, verdict in witness.verdicts if name == "redis.get"]
        assert verdicts == [Verdict.IGNORED] * asked + [Verdict.FAILURE]
        assert witness.states() == {"": "CLOSED", "read": "OPEN"}
        assert isinstance(await outcome(client.get("key")), CallNotPermitted)
        assert len(wire.commands) == asked


async def piped(client: Any) -> Any:
    async with client.pipeline() as pipeline:
        return await pipeline.get("key").get("key").execute()


DOWN = "The cluster is down", "Hash slot not served"


@pytest.mark.parametrize("text", DOWN)
@pytest.mark.parametrize("ask", [lambda client: client.get("key"), piped], ids=["command", "pipeline"])
async def test_the_cluster_is_down(ask: Callable[[Any], Awaitable[Any]], text: str, witness: Witness) -> None:
    """As nodes say that cannot see most of the others, or of one slot: redis-py's own error. redis-py asks again for
    some seconds, since it may be a failover; that is one failure of the node."""
    async with one_node(error(f"CLUSTERDOWN {text}").sent) as (wire, client):
        witness.guard(client, replace(LASTING, consecutive_failures=2))
        raised = await outcome(ask(client))
        assert type(raised) is ClusterDownError
        assert text in str(raised)
        assert len(wire.commands) >= 3
        assert [verdict for _, verdict in witness.verdicts].count(Verdict.FAILURE) == 1
        assert witness.states() == {"": "CLOSED", "read": "CLOSED"}


async def test_an_open_breaker_of_a_cluster_that_is_down(witness: Witness) -> None:
    """It opens in the middle of the first operation, which fails with what the node said; the next one is refused."""
    async with one_node(error("CLUSTERDOWN The cluster is down").sent) as (wire, client):
        for raised in (ClusterDownError, CallNotPermitted):
            assert isinstance(await outcome(piped(witness.guard(client, LASTING))), raised)
        assert len(wire.commands) == 2
        assert witness.states() == {"": "CLOSED", "read": "OPEN"}


async def test_no_node_can_be_reached(witness: Witness) -> None:
    """redis-py's own error, which is no RedisError; the node that it tried to begin with is not tried again."""
    async with one_node(b"") as (wire, client):
        witness.guard(client, LASTING)
        wire._server.close()
        raised = await outcome(client.get("key"))
        assert type(raised) is RedisClusterException
        assert witness.states() == {"": "CLOSED", "read": "OPEN"}
        refused = await outcome(client.get("key"))
        assert isinstance(refused, CallNotPermitted)


async def test_slots_that_nobody_has(witness: Witness) -> None:
    """The node has answered, so nothing opens; the caller has redis-py's own error."""
    async with one_node(b"", slots=100) as (_wire, client):
        raised = await outcome(witness.guard(client, LASTING).get("key"))
        assert type(raised) is RedisClusterException
        assert "All slots are not covered" in str(raised)
        assert "OPEN" not in witness.states().values()
