"""A cluster's client: its commands, its pipelines, and the nodes that it knows and will find."""

# redis-py is annotated in part, and the waist of a client is private in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ClusterError

from switchgear.spi import CallNotPermitted, Service
from switchgear_redis._adopt import adopt
from switchgear_redis._client import PIPED, count_pipeline
from switchgear_redis._commands import Command, command_of, commands_of, pipeline_of
from switchgear_redis._node import GuardedNode, GuardedNodesManager
from switchgear_redis._pool import RefusableBackoff, with_backoff
from switchgear_redis._refusable import Refused, raised_in, refusable


class GuardedCluster(RedisCluster):
    """The client: its commands, and what comes of them at the end of redis-py's loops."""

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:
        topology: Coroutine[Any, Any, RedisCluster] = super().initialize(*args, **kwargs)
        # In the middle of an operation, that will tell.
        return await (topology if raised_in.get() is not None else refusable(topology))

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        service = service_of(self)
        if service.pipeline is None or (operation := command_of(args).operation).klass not in PIPED:
            return refusable(super().execute_command(*args, **kwargs))
        execute = super().execute_command
        return service.run(operation, "", lambda: refusable(execute(*args, **kwargs)))

    async def _execute_command(self, target_node: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._execute_command(target_node, *args, **kwargs)
        except ClusterError as error:
            if type(error) is ClusterError:  # sent in circles: no node failed, and yet nobody serves
                guard, command = target_node.guard, command_of(args)
                with suppress(CallNotPermitted):
                    guard.service.admit(command.operation, guard.domains[command.writes]).fail(error)
            raise

    def pipeline(self, *args: Any, **kwargs: Any) -> ClusterPipeline:
        return adopt(super().pipeline(*args, **kwargs), GuardedClusterPipeline)


class GuardedClusterPipeline(ClusterPipeline):
    """As above; and a transaction, which talks to its node over a connection of its own, has its permit from here."""

    __slots__ = ()

    async def execute(self, *args: Any, **kwargs: Any) -> list[Any]:
        pipeline: Any = self
        if not hasattr(self, "_execution_strategy"):  # redis-py before 6.2
            service, strategy, queue = service_of(pipeline._client), None, pipeline._command_stack
        else:
            strategy = pipeline._execution_strategy
            service, queue = service_of(self.cluster_client), strategy._command_queue
        commands = commands_of([command.args for command in queue])

        def attempt() -> Coroutine[Any, Any, list[Any]]:
            return refusable(self._execute_admitted(strategy, commands, args, kwargs))

        if service.pipeline is None or getattr(strategy, "_watching", False):
            return await attempt()
        # It forgets its commands when it has sent them, so there is nothing to try again with.
        return await service.run(replace(pipeline_of(commands).operation, idempotent=False), "", attempt)

    async def _execute_admitted(
        self, strategy: Any, commands: list[Command], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Any]:
        slots = getattr(strategy, "_pipeline_slots", None)  # a transaction's
        if not slots:
            return await super().execute(*args, **kwargs)
        node: Any = self.cluster_client.nodes_manager.get_node_from_slot(min(slots), read_from_replicas=False)
        try:
            admission = node.guard.admit(pipeline_of(commands), finishing=strategy._watching)
        except CallNotPermitted as refusal:
            raise Refused(refusal) from None
        with admission:
            replies = await super().execute(*args, **kwargs)
            admission.look_into(replies)
        count_pipeline(node.guard, commands, replies)
        return replies


def service_of(client: RedisCluster) -> Service:
    """The service that a guarded cluster client is."""
    service: Service = getattr(client.nodes_manager, "service")  # noqa: B009 - what its guard has put there
    return service


def guard_cluster(client: RedisCluster, service: Service) -> None:
    """Guard a cluster client, with all the nodes that it knows and will find."""
    node = type("GuardedNode", (GuardedNode,), {"__slots__": (), "service": service, "guards": {}})
    manager = type("GuardedNodesManager", (GuardedNodesManager,), {"__slots__": (), "service": service, "node": node})
    nodes = adopt(client.nodes_manager, manager)
    for known in (*nodes.startup_nodes.values(), *nodes.nodes_cache.values()):
        adopt(known, node)
    if hasattr(client, "retry"):
        client.retry = with_backoff(client.retry, RefusableBackoff)  # cluster transactions go by a copy of it
    adopt(client, GuardedCluster)


def hand_over(client: RedisCluster, service: Service) -> None:
    """Let a guarded cluster client be another service's."""
    manager: Any = type(client.nodes_manager)
    if manager.service is not service:
        manager.service = manager.node.service = service
        manager.node.guards = {}
