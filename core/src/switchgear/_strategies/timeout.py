"""The limit of one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import anyio

from switchgear._call import Call
from switchgear._errors import CallTimedOut, ConfigurationError
from switchgear._pipeline import Bound, Next, Strategy


@dataclass(eq=False)
class Timeout(Strategy):
    """Ends an attempt after `seconds`, and raises CallTimedOut, which is a TimeoutError.

    It stands inside the breaker, to which a timeout is a failure. A cancellation from further out passes through as
    what it is.
    """

    name: ClassVar[str] = "timeout"

    seconds: float

    def __post_init__(self) -> None:
        if not (isfinite(self.seconds) and self.seconds > 0):
            raise ConfigurationError(f"A timeout of {self.seconds} s cannot be kept. Give a number above 0.", "seconds")

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        seconds = self.seconds

        async def timeout(call: Call) -> Any:
            with anyio.CancelScope(deadline=anyio.current_time() + seconds) as call.timer:
                return await next(call)
            # A scope swallows nothing but its own cancellation, so whoever comes here ran out of time.
            raise CallTimedOut(call.pipeline.name, call.operation.name, seconds)

        return timeout

    def bound(self, inner: Bound, /) -> Bound:
        seconds = min(inner.seconds, self.seconds)
        return Bound(seconds, inner.attempts, seconds)

    def describe(self) -> str:
        return f"{self.seconds:g} s an attempt"
