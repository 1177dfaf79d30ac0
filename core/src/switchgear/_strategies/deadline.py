"""The limit of all attempts together."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, ClassVar

import anyio

from switchgear._call import Call
from switchgear._errors import CallTimedOut, ConfigurationError
from switchgear._pipeline import Bound, Next, Strategy, SyncNext


@dataclass(eq=False)
class Deadline(Strategy):
    """Ends a call after `seconds`, however many attempts it has made, and raises CallTimedOut, which is a TimeoutError.

    Everything further in knows of it, pipelines inside this one included: nothing waits for longer, and of two
    deadlines the nearer holds. To a breaker the end is the caller's own hurry and says nothing about the backend.
    A plain function cannot be interrupted; there the deadline only keeps it from being tried again too late.
    """

    name: ClassVar[str] = "deadline"

    seconds: float

    def __post_init__(self) -> None:
        if not (isfinite(self.seconds) and self.seconds > 0):
            raise ConfigurationError(f"A deadline of {self.seconds} s cannot be met. Give a number above 0.", "seconds")

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        seconds = self.seconds

        async def deadline(call: Call) -> Any:
            outer = call.until
            if outer < inf and outer <= call.pipeline.clock() + seconds:
                self._in_time(call)
                return await next(call)  # whoever set it ends this call too
            call.until = call.pipeline.clock() + seconds
            try:
                with anyio.CancelScope(deadline=anyio.current_time() + seconds):
                    return await next(call)
            finally:
                call.until = outer  # what comes now, such as a fallback, has the time that there was before
            raise CallTimedOut(call.pipeline.name, call.operation.name, seconds, whole=True)

        return deadline

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        def deadline(call: Call) -> Any:
            outer = call.until
            call.until = min(outer, call.pipeline.clock() + self.seconds)
            try:
                self._in_time(call)
                return next(call)
            finally:
                call.until = outer

        return deadline

    def _in_time(self, call: Call) -> None:
        if call.remaining() <= 0:
            raise CallTimedOut(call.pipeline.name, call.operation.name, self.seconds, whole=True)

    def bound(self, inner: Bound, /) -> Bound:
        if self.seconds < inner.attempt_seconds < inf:
            raise ConfigurationError(
                f"A deadline of {self.seconds:g} s is over before one attempt is, which may take "
                f"{inner.attempt_seconds:g} s. Give the whole more time, or the attempt less.", "seconds"
            )  # fmt: skip
        return Bound(min(inner.seconds, self.seconds), inner.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        return f"{self.seconds:g} s in all"
