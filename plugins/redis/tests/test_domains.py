"""Of ten nodes of a cluster one is broken: its branch opens, the other nine serve every call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
import redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException

from plugins.redis.tests.nodes import cluster, complete, key_on
from plugins.redis.tests.support import LASTING, QUICK, VERSION, Witness, bare, outcome, until
from switchgear import CallNotPermitted
from switchgear.testing import ValkeyServer

pytestmark = pytest.mark.anyio

_ROUNDS = 10
#: However busy the machine is that runs eleven servers.
_TWICE = replace(QUICK, consecutive_failures=2, slow_call_rate_threshold=None, wait_duration_in_open=5.0)


@pytest.fixture(scope="module")
async def nodes(anyio_backend: str) -> AsyncIterator[list[ValkeyServer]]:
    async with cluster(10) as nodes:
        yield nodes


async def rounds(client: Any, key: str, outcomes: list[Any]) -> None:
    """Ten times a write, a read and a pipeline, each of which must say what was written, or why not."""
    for number in range(_ROUNDS):
        outcomes.append(await outcome(client.set(key, number)))
        outcomes.append(await outcome(client.get(key)))
        outcomes.append(await outcome(client.pipeline().set(key, number).get(key).execute()))


def served() -> list[Any]:
    return [reply for number in range(_ROUNDS) for reply in (True, str(number), [True, str(number)])]


@pytest.mark.skipif(VERSION < (8, 0), reason="redis-py before 8 itself cuts the nine when the tenth fails")
@pytest.mark.parametrize("broken", ["killed", "hung"])
async def test_one_node_of_ten(broken: str, nodes: list[ValkeyServer], witness: Witness) -> None:
    """All ten are asked at once, again and again. Those who ask the broken one get an error and then refusals; of the
    calls to the nine not one is refused, fails or is answered wrongly. When the node is back, so are its calls."""
    made = RedisCluster(host="127.0.0.1", port=nodes[0].port, socket_timeout=1, decode_responses=True)
    async with witness.guard(made, _TWICE) as client:
        keys = [key_on(client, node) for node in nodes]
        await client.mset_nonatomic(dict.fromkeys(keys, "-"))
        victim = nodes[4]
        await (victim.kill() if broken == "killed" else victim.hang())
        outcomes: list[list[Any]] = [[] for _ in nodes]
        async with anyio.create_task_group() as tasks:
            for key, answers in zip(keys, outcomes, strict=True):
                tasks.start_soon(rounds, client, key, answers)
        lost = outcomes.pop(4)
        assert outcomes == [served()] * 9
        assert all(isinstance(error, (redis.RedisError, RedisClusterException)) for error in lost)
        assert sum(isinstance(error, CallNotPermitted) for error in lost) > len(lost) / 2
        opened = {transition.domain for transition in witness.moved}
        assert opened == {f"127.0.0.1:{victim.port}/{half}" for half in ("read", "write")}
        assert witness.states()[""] == "CLOSED"

        await (victim.restart() if broken == "killed" else victim.resume())
        async with bare(victim.port) as direct:
            await until(lambda: complete(direct, 10))

        async def back() -> bool:
            await outcome(client.set(keys[4], "back"))
            return bool(await outcome(client.get(keys[4])) == "back")

        await until(back, seconds=30)


async def test_one_address_of_two(healthy: ValkeyServer, victim: ValkeyServer, connect: Any, witness: Witness) -> None:
    """A service may be several servers, each with a client of its own: the one that is dead, and whose retries say so,
    does not speak for the other."""
    dead, alive = (witness.guard(connect(server), LASTING) for server in (victim, healthy))
    await victim.kill()
    assert isinstance(await outcome(dead.get("key")), redis.ConnectionError)
    assert isinstance(await outcome(dead.get("key")), CallNotPermitted)
    assert await alive.set("key", "value")
    assert await alive.get("key") == b"value"
