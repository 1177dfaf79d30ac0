"""The limit of all attempts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

from switchgear._call import Call
from switchgear._errors import ConfigurationError
from switchgear._pipeline import Bound, Next, Strategy, SyncNext
from switchgear._strategies._by_class import Seconds, by_class, written
from switchgear._strategies._expiry import Expiry


@dataclass(eq=False)
class Deadline(Strategy):
    """Ends a call after `seconds`, however many attempts it has made, and raises CallTimedOut, which is a TimeoutError.
    A number holds for all classes of operations but "blocking", which waits by design; a mapping is by class.

    Everything further in knows of it, pipelines inside this one included: nothing waits for longer, and of two
    deadlines the nearer holds. To a breaker the end is the caller's own hurry and says nothing about the backend.
    A plain function cannot be interrupted; there the deadline only keeps it from being tried again too late.
    """

    name: ClassVar[str] = "deadline"

    seconds: Seconds
    _limits: Mapping[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._limits = by_class(self.seconds, "seconds")
        self.limited = self._limits.keys()

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        expiry = Expiry(whole=True)

        async def deadline(call: Call) -> Any:
            seconds = self._opened(call)
            if seconds is None:
                return await next(call)
            outer, call.until = call.until, call.pipeline.clock() + seconds
            try:
                return await expiry.run(next, call, seconds)
            finally:
                call.until = outer  # what comes now, such as a fallback, has the time that there was before

        return deadline

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        def deadline(call: Call) -> Any:
            seconds = self._opened(call)
            if seconds is None:
                return next(call)
            outer, call.until = call.until, call.pipeline.clock() + seconds
            try:
                return next(call)
            finally:
                call.until = outer

        return deadline

    def _opened(self, call: Call) -> float | None:
        """The seconds that it gives this call; None where it is not limited, or sooner by a call further out, which
        whoever set that will end.
        """
        seconds = self._limits.get(call.operation.klass)
        return seconds if seconds is not None and seconds < call.remaining() else None

    def bound(self, inner: Bound, /) -> Bound:
        seconds = max(self._limits.values())
        if seconds < inner.attempt_seconds < inf:
            raise ConfigurationError(
                f"A deadline of {seconds:g} s is over before one attempt, which may take {inner.attempt_seconds:g} s. "
                "Give the whole more time, or the attempt less.", "seconds"
            )  # fmt: skip
        return Bound(min(inner.seconds, seconds), inner.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        return f"{written(self.seconds)} in all"
