"""Waiting for one's turn at a bucket."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import anyio

from switchgear._strategies._bucket import Bucket
from switchgear._strategies._line import Line, Waiter


class Meter:
    """One bucket, and the line of those who wait for it. Only the first in line watches the time."""

    __slots__ = ("bucket", "line")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.line = Line()

    async def wait(self, waiter: Waiter, clock: Callable[[], float]) -> bool:
        """Wait in line, and take one's units when it is one's turn. False: the waiter's deadline came first."""
        self.line.join(waiter)
        try:
            while True:
                now = clock()
                first = self.line.first() is waiter
                if first and self.bucket.take_now(waiter.units, now):
                    return True
                if now >= waiter.deadline:
                    return False
                wait = self.bucket.wait(waiter.units, now) if first else inf
                event = anyio.Event()
                waiter.wake = event.set
                patience = min(wait, waiter.deadline - now)
                if patience < inf:
                    with anyio.move_on_after(patience):
                        await event.wait()
                else:  # a scope costs more than all the rest
                    await event.wait()
        finally:
            self.line.leave(waiter)
            self.changed()

    def changed(self) -> None:
        """Whoever is first has to look again."""
        first = self.line.first()
        if first is not None:
            first.wake()
