"""A cluster of as many masters as a test wants, without replicas: a slot that is lost stays lost, the others go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from plugins.redis.tests.support import bare, until
from switchgear.testing import ValkeyServer
from switchgear.testing.servers._ports import free_port

SLOTS = 16384
_OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")


def alone() -> ValkeyServer:
    """A node that knows no other, and has no slots."""
    # The port of its bus is not 10,000 above its own, as it would choose: those are for outgoing connections.
    return ValkeyServer(*_OPTIONS, "--cluster-port", str(free_port()))


@asynccontextmanager
async def cluster(size: int) -> AsyncGenerator[list[ValkeyServer]]:
    """Its nodes, each with an equal share of the slots, all of which know each other."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(alone()) for _ in range(size)]
        for number, node in enumerate(nodes):
            async with bare(node.port) as client:
                first, last = number * SLOTS // size, (number + 1) * SLOTS // size - 1
                await client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                await client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)  # else they have to agree on it
                if number:
                    await client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port, nodes[0].arguments[-1])
        for node in nodes:
            async with bare(node.port) as client:
                await until(partial(complete, client, size), seconds=30)
        yield nodes


async def complete(client: Any, size: int) -> bool:
    """Whether a node knows all others, and who has which slots."""
    info = await client.execute_command("CLUSTER INFO")
    keys = "cluster_state", "cluster_known_nodes", "cluster_slots_ok"
    return tuple(info[key] for key in keys) == ("ok", str(size), str(SLOTS))


def key_on(client: Any, node: ValkeyServer) -> str:
    """A key that the node has the slot of, as a client of the cluster sees it."""
    names = (f"key{number}" for number in range(10_000))
    return next(name for name in names if client.get_node_from_key(name).port == node.port)
