"""The limit of one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from switchgear._call import Call
from switchgear._pipeline import Bound, Next, Strategy
from switchgear._strategies._by_class import Seconds, by_class, written
from switchgear._strategies._expiry import Expiry


@dataclass(eq=False)
class Timeout(Strategy):
    """Ends an attempt after `seconds`, and raises CallTimedOut, which is a TimeoutError. A number holds for all classes
    of operations but "blocking", which waits by design; a mapping is by class.

    It stands inside the breaker, to which a timeout is a failure. A cancellation from further out passes through as
    what it is.
    """

    name: ClassVar[str] = "timeout"

    seconds: Seconds
    _limits: Mapping[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._limits = by_class(self.seconds, "seconds")
        self.limited = self._limits.keys()

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        limits, expiry = self._limits, Expiry(whole=False)

        async def timeout(call: Call) -> Any:
            limit = limits.get(call.operation.klass)
            if limit is None:
                return await next(call)
            return await expiry.run(next, call, limit * call.pipeline.patience)

        return timeout

    def bound(self, inner: Bound, /) -> Bound:
        seconds = min(inner.seconds, max(self._limits.values()))
        return Bound(seconds, inner.attempts, seconds)

    def describe(self) -> str:
        return f"{written(self.seconds)} an attempt"
