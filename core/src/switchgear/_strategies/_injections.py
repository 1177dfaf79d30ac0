"""What chaos can do to a call: Polly's four (fault, latency, outcome, behaviour), a stream that breaks off, and a call
that lets go of nothing. Each takes the call and the next one in, as a strategy does, and has a name for labels.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from inspect import isasyncgen
from typing import Any, ClassVar, Protocol

import anyio

from switchgear._call import Call
from switchgear._errors import InjectedFault
from switchgear._pipeline import Next


class Injection(Protocol):
    """One way in which calls go wrong."""

    name: ClassVar[str]
    #: It happens in the backend's stead, or before it is asked, so a guard would not know of it.
    before: ClassVar[bool]

    async def __call__(self, call: Call, next: Next, /) -> Any: ...  # noqa: A002


@dataclass(frozen=True, slots=True)
class Fault:
    """The call raises the error that `error` makes, and never reaches the backend. Without one it is an InjectedFault,
    for a plugin's client also that client's own error for an unreachable backend.
    """

    name: ClassVar[str] = "fault"
    before: ClassVar[bool] = True
    error: Callable[[], BaseException] | None = None

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        pipeline = call.pipeline
        raise InjectedFault.of(pipeline.refusal)(pipeline.name) if self.error is None else self.error()


@dataclass(frozen=True, slots=True)
class Latency:
    """The call takes `seconds` longer, before it reaches the backend."""

    name: ClassVar[str] = "latency"
    before: ClassVar[bool] = True
    seconds: float

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        await anyio.sleep(self.seconds)
        return await next(call)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The call returns `result`, and never reaches the backend."""

    name: ClassVar[str] = "outcome"
    before: ClassVar[bool] = True
    result: Any

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        return self.result


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Before the call `function` is awaited: it may flush a cache, or kill a server."""

    name: ClassVar[str] = "behaviour"
    before: ClassVar[bool] = True
    function: Callable[[], Awaitable[object]]

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        await self.function()
        return await next(call)


@dataclass(frozen=True, slots=True)
class StreamCut:
    """A result that comes in parts breaks off after `parts` of them, with the error that `error` makes. Other results
    are left alone.
    """

    name: ClassVar[str] = "stream_cut"
    before: ClassVar[bool] = False
    parts: int = 1
    error: Callable[[], BaseException] = ConnectionResetError

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        result = await next(call)
        if isasyncgen(result):
            return self._cut(result.__anext__, result.aclose)
        kind: Any = result.__class__
        if hasattr(kind, "__aiter__"):
            parts: Any = kind.__aiter__(result)  # itself, perhaps: so it is asked for parts as its class does now
            following: Any = parts.__class__.__anext__
            result.__class__ = _iterating(kind, self._cut(partial(following, parts), _nothing))
        return result

    async def _cut(
        self, following: Callable[[], Awaitable[Any]], close: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[Any, None]:
        try:
            for _ in range(self.parts):
                try:
                    part = await following()
                except StopAsyncIteration:
                    break
                yield part
            raise self.error()
        finally:
            await close()


async def _nothing() -> None:
    pass


def _iterating(kind: Any, parts: AsyncGenerator[Any, None]) -> Any:
    """A class for one object, which stays an instance of what it was, and iterates over these parts."""

    def iterate(_self: object) -> AsyncIterator[Any]:
        return parts

    def following(_self: object) -> Awaitable[Any]:
        return anext(parts)

    return type(kind.__name__, (kind,), {"__aiter__": iterate, "__anext__": following})


@dataclass(frozen=True, slots=True)
class PoolStarve:
    """The call is over and does not let go: for `seconds` it keeps its place in whatever stands further out, so that
    the others have that many fewer.
    """

    name: ClassVar[str] = "pool_starve"
    before: ClassVar[bool] = False
    seconds: float

    async def __call__(self, call: Call, next: Next, /) -> Any:  # noqa: A002
        result = await next(call)
        await anyio.sleep(self.seconds)
        return result
