"""Ending what takes too long.

On trio by a cancel scope. On asyncio a scope with a deadline costs more than all other strategies together, most of it
for a timer that hardly ever rings. But limits of one length end in the order in which they began: so one timer does for
all of them, and to begin and to end is to append and to look. What is cancelled, and how that is told from anybody
else's cancellation, is as in `asyncio.timeout`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import anyio
import anyio.lowlevel

from switchgear._call import Call
from switchgear._errors import CallTimedOut
from switchgear._pipeline import Next


class Limit:
    """One call that has to be over at a moment."""

    __slots__ = ("cancel_called", "cancelling", "moment", "task")

    def __init__(self, task: asyncio.Task[Any], moment: float) -> None:
        self.task: asyncio.Task[Any] | None = task
        self.moment = moment
        self.cancelling = task.cancelling()
        #: Whether it was not.
        self.cancel_called = False


class Limits:
    """All those of one length, in seconds, in one event loop."""

    __slots__ = ("_loop", "_running", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._running: deque[Limit] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[Any]) -> Limit:
        limit = Limit(task, self._loop.time() + self._seconds)
        self._running.append(limit)
        if self._timer is None:
            self._timer = self._loop.call_at(limit.moment, self._ring)
        return limit

    def end(self, limit: Limit) -> bool:
        """Whether it was this limit that ended the call."""
        task, limit.task = limit.task, None
        running = self._running
        while running and running[0].task is None:
            running.popleft()
        return limit.cancel_called and task is not None and task.uncancel() <= limit.cancelling

    def _ring(self) -> None:
        running, now = self._running, self._loop.time()
        while running and (running[0].task is None or running[0].moment <= now):
            limit = running.popleft()
            if limit.task is not None:
                limit.cancel_called = True
                limit.task.cancel()
        self._timer = self._loop.call_at(running[0].moment, self._ring) if running else None


class Expiry:
    """The limits of one strategy: `whole` for all attempts together, else for one."""

    __slots__ = ("_known", "_whole")

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        # In one attribute, as two threads may have an event loop each.
        self._known: tuple[asyncio.AbstractEventLoop | None, dict[float, Limits]] = None, {}

    async def run(self, inner: Next, call: Call, seconds: float) -> Any:
        """Await `inner`, and raise CallTimedOut if it takes longer. A cancellation by others passes."""
        limits, task = self._limits(seconds)
        if limits is None or task is None:
            return await self._in_scope(inner, call, seconds)
        limit = limits.begin(task)
        if not self._whole:
            call.timer, call.limit = limit, seconds
        try:
            result = await inner(call)
        except BaseException as exc:
            if limits.end(limit) and isinstance(exc, asyncio.CancelledError):
                raise self._error(call, seconds) from exc
            if limit.cancel_called and isinstance(exc, asyncio.CancelledError):
                # Somebody else cancelled it in the same moment. Of two cancellations asyncio makes one exception, the
                # first one's: a scope of anyio would not know ours for its own, and so raises its own here.
                await anyio.lowlevel.checkpoint_if_cancelled()
            raise
        limits.end(limit)
        return result

    def _limits(self, seconds: float) -> tuple[Limits | None, asyncio.Task[Any] | None]:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None, None
        known, limits = self._known
        if known is not loop:
            known, limits = self._known = loop, {}
        if seconds not in limits:
            limits[seconds] = Limits(loop, seconds)
        return limits[seconds], asyncio.current_task(loop)  # none, where trio is a guest in this loop

    async def _in_scope(self, inner: Next, call: Call, seconds: float) -> Any:
        with anyio.CancelScope(deadline=anyio.current_time() + seconds) as scope:
            if not self._whole:
                call.timer, call.limit = scope, seconds
            return await inner(call)
        # A scope swallows nothing but its own cancellation, so whoever comes here ran out of time.
        raise self._error(call, seconds)

    def _error(self, call: Call, seconds: float) -> CallTimedOut:
        return call.pipeline.timed_out(call.pipeline.name, call.operation.name, seconds, whole=self._whole)
