"""The stream of events: the whole state about once a second, and what happens at once, the same bytes for everybody.

There is no task and no queue. Each subscriber has a cursor into the timeline, and whoever of them is awake first
renders what the others then send as well. So nothing is rendered when nobody listens, and a slow client holds back
nobody but itself: when it takes nothing for some seconds it is dropped, and may come back to where it was, by
`Last-Event-ID`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import anyio
import msgspec
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.exceptions import HTTPException

from switchgear._clock import monotonic
from switchgear._document import Entry, State
from switchgear._timeline import Timeline

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

_log = logging.getLogger("switchgear")

#: Seconds from one state to the next, and for which a client may take nothing.
_PERIOD, _PATIENCE = 1.0, 5.0
#: Subscribers at once; each has a connection, and who asks for more would take them all.
_MOST = 2000
#: Milliseconds after which a browser that has lost the stream comes back.
_RETRY = 1000


class Feed:
    """What subscribers are sent; `state` renders the state."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self.timeline = Timeline(self._wake)
        self._rendered = (-1, b"")
        self._subscribers = 0
        # By thread, as an event belongs to a loop. What happens on other threads is told with the next state.
        self._woken: dict[int, anyio.Event] = {}

    async def respond(self, request: Request) -> EventSourceResponse:
        """The stream, to one client."""
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else self.timeline.seq  # noqa: PLR2004
        if self._subscribers >= _MOST:
            raise HTTPException(503, "Too many listen already. Ask /api/state instead.", {"Retry-After": "60"})
        leaving = anyio.Event()
        return _Stream(
            self._frames(after, leaving), sep="\n", ping=0, send_timeout=_PATIENCE,
            shutdown_event=leaving, shutdown_grace_period=1.5 * _PERIOD,
        )  # fmt: skip

    async def _frames(self, after: int, leaving: anyio.Event) -> AsyncGenerator[bytes]:
        # A number that is still to come is of an earlier process.
        seen, told = min(after, self.timeline.seq), -1
        self._subscribers += 1
        try:
            yield b"retry: %d\n\n" % _RETRY
            while not leaving.is_set():
                for entry in self.timeline.since(seen):
                    seen = entry.seq
                    yield _entry(entry)
                period = int(monotonic() / _PERIOD)
                if period != told:
                    told = period
                    yield self._state_of(period)
                if self.timeline.seq == seen:
                    await self._news((period + 1) * _PERIOD - monotonic())
        finally:
            self._subscribers -= 1

    def _state_of(self, period: int) -> bytes:
        if self._rendered[0] != period:
            self._rendered = period, b"event: state\ndata: %b\n\n" % msgspec.json.encode(self._state())
        return self._rendered[1]

    async def _news(self, seconds: float) -> None:
        """Comes back when something has happened on this thread, or after so many seconds."""
        event = self._woken.setdefault(threading.get_ident(), anyio.Event())
        with anyio.move_on_after(seconds):
            await event.wait()

    def _wake(self) -> None:
        if event := self._woken.pop(threading.get_ident(), None):
            event.set()


@lru_cache(maxsize=64)
def _entry(entry: Entry) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (entry.seq, entry.kind.encode(), msgspec.json.encode(entry))


class _Stream(EventSourceResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            # It has what it has; the server closes the connection of an answer that was not completed.
            _log.info("A client of /events took nothing for %g s and was dropped.", _PATIENCE)
