"""One operation of a cluster, from its first command to the end of redis-py's loops."""

# redis-py is annotated in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from redis.exceptions import RedisClusterException

from switchgear.spi import CallNotPermitted

T = TypeVar("T")


class Refused(Exception):
    """Carries a refusal through redis-py's loops. Those take every ConnectionError for a change of the topology: they
    would retry it, and reconnect all nodes, of which only one is refused."""

    def __init__(self, refusal: CallNotPermitted) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


#: How nodes have failed in the operation that this task is in, by their names.
raised_in: ContextVar[list[tuple[str, Exception]] | None] = ContextVar("switchgear_redis_raised", default=None)


async def refusable(attempt: Coroutine[Any, Any, T]) -> T:
    """One operation, round all of redis-py's loops. It fails with what a node raised, even if redis-py would have tried
    again and was refused; with the refusal, if that is all there is."""
    raised: list[tuple[str, Exception]] = []
    token = raised_in.set(raised)
    try:
        return await attempt
    except (Refused, RedisClusterException) as error:
        carrier = error if isinstance(error, Refused) else error.__cause__  # no node could be asked for the topology
        told = error if not isinstance(carrier, Refused) else raised[-1][1] if raised else carrier.refusal
    finally:
        raised_in.reset(token)
        raised.clear()  # with their frames
    try:
        raise told  # out here, where it keeps the context that it has
    finally:
        del told
