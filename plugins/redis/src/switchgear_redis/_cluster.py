"""A cluster: each node fails for itself, so each is guarded for itself."""

# redis-py is annotated in part, and the waist of a client is private in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, NodesManager, RedisCluster
from redis.exceptions import ClusterDownError, ClusterError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError

from switchgear.spi import CallNotPermitted, Service
from switchgear_redis._admission import Admission, Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._classify import classify
from switchgear_redis._client import PIPED, count_lookup, count_pipeline
from switchgear_redis._commands import CONNECT, Command, command_of, commands_of, pipeline_of
from switchgear_redis._pool import RefusableBackoff, with_backoff

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection

T = TypeVar("T")


class Refused(Exception):
    """Carries a refusal through redis-py's loops. Those take every ConnectionError for a change of the topology: they
    would retry it, and reconnect all nodes, of which only one is refused."""

    def __init__(self, refusal: CallNotPermitted) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


#: How a command ends whose connection is closed under it; the latter where it was just about to write.
_CUT = RedisConnectionError, AttributeError
#: How nodes have failed in the operation that this task is in, by their names.
_raised: ContextVar[list[tuple[str, Exception]] | None] = ContextVar("switchgear_redis_raised", default=None)


async def refusable(attempt: Coroutine[Any, Any, T]) -> T:
    """One operation, round all of redis-py's loops. It fails with what a node raised, even if redis-py would have tried
    again and was refused; with the refusal, if that is all there is."""
    raised: list[tuple[str, Exception]] = []
    token = _raised.set(raised)
    try:
        return await attempt
    except (Refused, RedisClusterException) as error:
        carrier = error if isinstance(error, Refused) else error.__cause__  # no node could be asked for the topology
        told = error if not isinstance(carrier, Refused) else raised[-1][1] if raised else carrier.refusal
    finally:
        _raised.reset(token)
        raised.clear()  # with their frames
    try:
        raise told  # out here, where it keeps the context that it has
    finally:
        del told


def _failure(reply: object) -> bool:
    return isinstance(reply, Exception) and classify(reply).name == "FAILURE"


class GuardedNode(ClusterNode):
    """One node. What takes its connections away unguarded (transactions, subscriptions) is admitted when it does."""

    __slots__ = ()
    service: ClassVar[Service]
    guards: ClassVar[dict[str, Guard]]

    @property
    def guard(self) -> Guard:
        guard = self.guards.get(self.name)
        if guard is None:
            timeout = self.connection_kwargs.get("socket_timeout")
            guard = self.guards[self.name] = Guard(self.service, self.name, among_others=True, socket_timeout=timeout)
        return guard

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        guard, command = self.guard, command_of(args)
        try:
            admission = guard.admit(command, args)
        except CallNotPermitted as refusal:
            raise Refused(refusal) from None
        with admission, self._told(admission):
            reply = await super().execute_command(*args, **kwargs)
        if command.lookup:
            count_lookup(guard, command, reply)
        return reply

    async def execute_pipeline(self, commands: list[Any]) -> bool:
        guard, known = self.guard, commands_of([command.args for command in commands])
        try:
            admission = guard.admit(pipeline_of(known))
        except CallNotPermitted as refusal:
            raise Refused(refusal) from None
        with admission, self._told(admission):
            failed = await super().execute_pipeline(commands)
            replies = [command.result for command in commands]
            if failed and (failures := [reply for reply in replies if _failure(reply)]):
                self._keep(failures[0], admission)
            admission.look_into(replies)
        count_pipeline(guard, known, replies)
        return failed

    @contextmanager
    def _told(self, admission: Admission) -> Generator[None]:
        """Keep the node's failure for whoever waits at the end of redis-py's loops."""
        cut = self.guard.cut
        try:
            yield
        except Exception as error:
            if (self.guard.cut != cut or self.guard.cutting) and isinstance(error, _CUT):
                # By redis-py itself, with commands under way, in order to look at the topology anew. It tries again.
                admission.give_back()
            elif _failure(error):
                self._keep(error, admission)
            raise

    def _keep(self, error: Exception, admission: Admission) -> None:
        raised = _raised.get()
        if raised is None:
            return
        # What a node that is well says of a slot, or during a failover. redis-py asks again until that is over; however
        # often it does, it is one failure an operation, so that none which would have come through is refused.
        if isinstance(error, ClusterDownError) and (self.name, ClusterDownError) in ((n, type(e)) for n, e in raised):
            admission.give_back()
        raised.append((self.name, error))

    async def disconnect(self) -> None:
        self.guard.cutting += 1
        try:
            await super().disconnect()
        finally:
            self.guard.cutting -= 1
            self.guard.cut += 1

    def acquire_connection(self) -> Connection:
        if self.guard.current() is None:
            self.guard.service.admit(CONNECT.operation, self.guard.domains[CONNECT.writes]).release()
        return super().acquire_connection()


class GuardedNodesManager(NodesManager):
    """Where new nodes appear."""

    __slots__ = ()
    service: ClassVar[Service]
    node: ClassVar[type[GuardedNode]]

    def set_nodes(self, old: dict[str, ClusterNode], new: dict[str, ClusterNode], *args: Any, **kwargs: Any) -> None:
        super().set_nodes(old, new, *args, **kwargs)
        for node in old.values():
            adopt(node, self.node)


class GuardedCluster(RedisCluster):
    """The client: its commands, and what comes of them at the end of redis-py's loops."""

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:
        topology: Coroutine[Any, Any, RedisCluster] = super().initialize(*args, **kwargs)
        # In the middle of an operation, that will tell.
        return await (topology if _raised.get() is not None else refusable(topology))

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
