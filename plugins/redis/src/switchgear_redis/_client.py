"""The waists of a client, one method each: all that it can do goes through these.

Commands of classes read and write, and pipelines of them, go through the service's strategies, if it has any. The
others do not: what waits by design would hold a place for as long as it waits, what belongs to a transaction would wait
for a place while it keeps others waiting, and administration must get through when nothing else does.
"""

# redis-py is annotated in part, and the waist of a client is private in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from copy import copy
from functools import partial
from typing import Any

from redis.asyncio.client import Pipeline, PubSub, Redis

from switchgear.spi import CallNotPermitted
from switchgear_redis._admission import Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._commands import Command, command_of, commands_of, pipeline_of
from switchgear_redis._pool import guard_of

#: The classes of operations that go through the service's strategies.
PIPED = frozenset({"read", "write"})


class GuardedRedis(Redis):
    """Plain commands, and with them scripts, locks and single-connection clients."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        # No coroutine of its own: every command comes along here.
        guard = guard_of(self)
        if guard is None:
            return super().execute_command(*args, **options)
        command = command_of(args)
        if guard.service.pipeline is None or command.operation.klass not in PIPED:
            return self._execute_admitted(guard, command, args, options)

        # The caller's own arguments are those that a fallback is called with, and knows a last good reply by.
        def attempt(*args: Any, **options: Any) -> Coroutine[Any, Any, Any]:
            return self._execute_admitted(guard, command, args, options)

        again = partial(attempt, *args, **options)
        return guard.service.run(command.operation, guard.domains[command.writes], again)

    async def _execute_admitted(
        self, guard: Guard, command: Command, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        with guard.admit(command, args):
            reply = await super().execute_command(*args, **options)
        if command.lookup:
            count_lookup(guard, command, reply)
        return reply

    def pipeline(self, *args: Any, **kwargs: Any) -> Pipeline:
        return adopt(super().pipeline(*args, **kwargs), GuardedPipeline)

    def pubsub(self, **kwargs: Any) -> PubSub:
        return adopt(super().pubsub(**kwargs), GuardedPubSub)


class GuardedPipeline(Pipeline):
    """Pipelines and transactions: one permit for all commands. One that watches is past its admission: it finishes."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        guard = guard_of(self)
        if guard is None or not (self.command_stack or self.watching):
            return await super().execute(raise_on_error)
        commands = commands_of([args for args, _ in self.command_stack])
        command = pipeline_of(commands)
        if guard.service.pipeline is None or self.watching:
            return await self._execute_admitted(guard, command, commands, raise_on_error)

        async def attempt() -> list[Any]:
            # A copy, since a pipeline forgets its commands when it is executed.
            return await copy(self)._execute_admitted(guard, command, commands, raise_on_error)

        try:
            return await guard.service.run(command.operation, guard.domains[command.writes], attempt)
        finally:
            await self.reset()

    async def _execute_admitted(
        self, guard: Guard, command: Command, commands: Sequence[Command], raise_on_error: bool
    ) -> list[Any]:
        try:
            admission = guard.admit(command, finishing=self.watching)
        except CallNotPermitted:
            await self.reset()
            raise
        with admission:
            replies = await super().execute(raise_on_error)
            if not raise_on_error:  # else there are none among them
                admission.look_into(replies)
        count_pipeline(guard, commands, replies)
        return replies

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        guard = guard_of(self)
        if guard is None:
            return await super().immediate_execute_command(*args, **options)
        with guard.admit(command_of(args), args, finishing=self.watching):
            return await super().immediate_execute_command(*args, **options)


class GuardedPubSub(PubSub):
    """Subscribing and connecting. A read takes no permit: it waits for as long as nobody publishes."""

    async def execute_command(self, *args: Any) -> Any:
        guard = guard_of(self)
        if guard is None:
            return await super().execute_command(*args)
        with guard.admit(command_of(args), args):
            return await super().execute_command(*args)

    async def parse_response(self, *args: Any, **kwargs: Any) -> Any:
        guard, connection = guard_of(self), self.connection
        if guard is not None and connection is not None and not connection.is_connected:
            with guard.admit(command_of(("SUBSCRIBE",))):
                await self.connect()  # reading would do it, over and over, refused or not
        return await super().parse_response(*args, **kwargs)


def count_pipeline(guard: Guard, commands: Sequence[Command], replies: Sequence[object]) -> None:
    """Count a pipeline that was executed, and what its replies tell."""
    guard.pipeline_commands.observe(len(commands))
    looked_up = 0
    for command, reply in zip(commands, replies, strict=False):
        if command.lookup == "one" and reply is not None and not isinstance(reply, Exception):
            looked_up += 1  # counted together, as there may be thousands
        elif command.lookup:
            count_lookup(guard, command, reply)
    if looked_up:
        guard.hits.add(looked_up)


def count_lookup(guard: Guard, command: Command, reply: Any) -> None:
    """Count hits and misses, as the client sees them."""
    for item in reply if command.lookup == "many" and isinstance(reply, list) else (reply,):
        if item is None:
            guard.misses.tick()
        elif not isinstance(item, Exception):
            guard.hits.tick()
