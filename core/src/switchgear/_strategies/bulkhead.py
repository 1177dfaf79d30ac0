"""So many calls at once, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import anyio

from switchgear._call import Call
from switchgear._clock import Clock, monotonic
from switchgear._errors import ConfigurationError
from switchgear._pipeline import Bound, Next, Strategy
from switchgear._scope import Scope, scope
from switchgear._strategies._line import Line, Waiter


@dataclass(eq=False)
class Bulkhead(Strategy):
    """At most `limit` calls are under way at once; up to `queue` more wait for a place, each at most `max_wait` seconds
    and never past its deadline. Any other call is refused with LimitExceeded.

    Who waits is served by criticality, and in order within it. In a full queue the last of the least important gives
    way to a call that matters more. A place is held until the call is over, however it ends; or, of a call that keeps
    it, until that gives it back. While there are places a call costs two additions. A bulkhead belongs to one event
    loop.
    """

    name: ClassVar[str] = "bulkhead"

    limit: int = 25  # as resilience4j's
    queue: int = 0
    max_wait: float = inf
    in_flight: int = field(default=0, init=False)
    _line: Line = field(default_factory=Line, init=False, repr=False)
    _refused: int = field(default=0, init=False, repr=False)
    _clock: Clock = field(default=monotonic, init=False, repr=False)  # of who waits

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigurationError(f"A bulkhead of {self.limit} calls lets none through. Give at least 1.", "limit")
        if self.queue < 0:
            raise ConfigurationError(f"A queue cannot have {self.queue} places. Give 0 or more.", "queue")
        if not self.max_wait > 0:
            raise ConfigurationError(
                f"{self.max_wait} s is no time to wait. Give more than 0, or no queue.", "max_wait"
            )

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        async def bulkhead(call: Call) -> Any:
            if self.in_flight < self.limit:  # then nobody waits
                self.in_flight += 1
            else:
                await self._wait(call)
            try:
                result = await next(call)
            except BaseException:
                self._leave()
                raise
            if call.kept is None:
                self._leave()
            else:
                call.kept.append(self._leave)
            return result

        return bulkhead

    def _leave(self) -> None:
        self.in_flight -= 1
        if self._line.length:
            self._fill()

    def resize(self, limit: int) -> None:
        """Go by another limit. Calls under way stay; waiting ones have the places that are new."""
        self.limit = limit
        if self._line.length:
            self._fill()

    @property
    def waiting(self) -> int:
        return self._line.length

    def _fill(self) -> None:
        """Give free places to who waits for them, here and now: no call that comes in between can take them."""
        now = self._clock()
        while self.in_flight < self.limit and (waiter := self._line.first(now)) is not None:
            self._line.leave(waiter)
            self.in_flight += 1
            waiter.served = True
            waiter.wake()

    async def _wait(self, call: Call) -> None:
        line, criticality = self._line, (scope.get() or Scope()).criticality
        if line.length >= self.queue:
            loser = line.giving_way(criticality) if line.length else None
            if loser is None:
                raise self._refusal(call)
            line.leave(loser)
            loser.wake()
        self._clock = clock = call.pipeline.clock
        event = anyio.Event()
        waiter = Waiter(criticality, min(clock() + self.max_wait, call.until), event.set)
        line.join(waiter)
        try:
            if self.max_wait < inf:
                with anyio.move_on_after(self.max_wait):
                    await event.wait()
            else:  # a scope costs more than all the rest
                await event.wait()
        except BaseException:
            if waiter.served:  # and cancelled before it noticed
                self.in_flight -= 1
                self._fill()
            raise
        finally:
            line.leave(waiter)
        if not waiter.served:
            raise self._refusal(call)

    def _refusal(self, call: Call) -> Exception:
        self._refused += 1
        waiting = f", and so are all {self.queue} to wait in" if self.queue else ""
        return call.refusal(self.name, f"all {self.limit} places are taken{waiting}")

    def bound(self, inner: Bound, /) -> Bound:
        return Bound(inner.seconds + (self.max_wait if self.queue else 0.0), inner.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        waiting = f", {self.queue} may wait" if self.queue else ""
        limit = f" for {self.max_wait:g} s" if self.queue and self.max_wait < inf else ""
        return f"{self.limit} at once{waiting}{limit}"

    def saturation(self) -> float:
        return self.in_flight / self.limit

    def counts(self) -> dict[str, float]:
        counts = {"in_flight": self.in_flight, "waiting": self._line.length, "limit": self.limit}
        return {**counts, "refused": self._refused}
