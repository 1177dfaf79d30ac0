"""The nodes of a cluster: each fails for itself, so each is guarded for itself."""

# redis-py is annotated in part, and the waist of a client is private in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from redis.asyncio.cluster import ClusterNode, NodesManager
from redis.exceptions import ClusterDownError
from redis.exceptions import ConnectionError as RedisConnectionError

from switchgear.spi import CallNotPermitted, Service
from switchgear_redis._admission import Admission, Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._classify import classify
from switchgear_redis._client import count_lookup, count_pipeline
from switchgear_redis._commands import CONNECT, command_of, commands_of, pipeline_of
from switchgear_redis._refusable import Refused, raised_in

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection

#: How a command ends whose connection is closed under it; the latter where it was just about to write.
_CUT = RedisConnectionError, AttributeError


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
        raised = raised_in.get()
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


def _failure(reply: object) -> bool:
    return isinstance(reply, Exception) and classify(reply).name == "FAILURE"
