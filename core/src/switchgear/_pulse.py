"""The heartbeat of a gear that nobody enters, on the event loop of the application, from its first guarded call on.

It is made of timers. A task would be seen by those who wait for all tasks before they leave, and be in the way of those
who close their loop without; a thread would make each fork a warning. A timer that is left over troubles nobody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextvars import Context
from functools import partial

from switchgear._heartbeat import Heartbeat
from switchgear._service import Service

_INTERVAL = 1.0  # seconds


class Pulse:
    """Beats once a second on one event loop at a time, as long as that runs. On asyncio only."""

    def __init__(self, begin: Callable[[], Heartbeat]) -> None:
        self._begin = begin
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    def expect(self, service: Service) -> None:
        """Begin with the next call to this service, if nothing beats by then."""
        if not self._beats():
            service.before_next_call(partial(self._start, service))

    def _beats(self) -> bool:
        return self._loop is not None and not self._loop.is_closed() and self._process == os.getpid()

    def _start(self, service: Service) -> None:
        if self._beats():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a synchronous call, or trio; others may come
            self.expect(service)
            return
        self._loop, self._process = loop, os.getpid()
        self._wait(loop, self._begin())

    def _wait(self, loop: asyncio.AbstractEventLoop, heartbeat: Heartbeat) -> None:
        due = loop.time() + _INTERVAL
        # In a context of its own: that of the first call would be kept alive for good.
        loop.call_at(due, self._beat, loop, heartbeat, due, context=Context())

    def _beat(self, loop: asyncio.AbstractEventLoop, heartbeat: Heartbeat, due: float) -> None:
        self._wait(loop, heartbeat)
        # How late a timer is run is how late all tasks are.
        heartbeat.beat(max(0.0, loop.time() - due))
