"""As many calls at once as the backend takes, found out while it serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from switchgear._call import Call
from switchgear._errors import ConfigurationError
from switchgear._pipeline import Next
from switchgear._strategies._gradient import Gradient
from switchgear._strategies.bulkhead import Bulkhead


@dataclass(eq=False)
class Adaptive(Bulkhead):
    """A bulkhead that sets its own limit, between `minimum` and `maximum`, beginning at `limit`.

    The limit grows while calls take no longer than they used to, and shrinks when they queue at the backend; how is in
    `_gradient.py`. A call that timed out is a drop, by its error or for having failed after more than twice the usual
    time, and so is one that was THROTTLED. Quick failures, refusals and cancelled calls tell nothing of the load.
    """

    name: ClassVar[str] = "adaptive"

    limit: int = 20  # these three as failsafe-go's
    minimum: int = 1
    maximum: int = 200
    _gradient: Gradient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.minimum <= self.limit <= self.maximum:
            raise ConfigurationError(f"A limit of {self.limit} is not between {self.minimum} and {self.maximum}, "
                                     "and at least 1 call has to pass.", "limit")  # fmt: skip
        self._gradient = Gradient(self.limit, self.minimum, self.maximum)

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        async def adaptive(call: Call) -> Any:
            in_flight, clock = self.in_flight, call.pipeline.clock
            started = clock()
            try:
                result = await next(call)
            except Exception as exc:
                self._failed(call, exc, in_flight, started)
                raise
            classify_result = call.pipeline.classify_result
            throttled = classify_result is not None and classify_result(result).name == "THROTTLED"
            now = clock()
            self._settle(None if throttled else now - started, in_flight, now)
            return result

        return super().__call__(adaptive)  # inside the bulkhead: the wait for a place is not the backend's

    def _failed(self, call: Call, exc: Exception, in_flight: int, started: float) -> None:
        now = call.pipeline.clock()
        latency = now - started
        match call.judge(exc).name:
            case "SUCCESS":
                self._settle(latency, in_flight, now)
            case "THROTTLED":
                self._settle(None, in_flight, now)
            case "FAILURE" if isinstance(exc, TimeoutError) or latency > 2 * self._gradient.baseline > 0:
                self._settle(None, in_flight, now)
            case _:
                pass

    def _settle(self, latency: float | None, in_flight: int, now: float) -> None:
        if self._gradient.settle(latency, in_flight, now):
            self.resize(int(self._gradient.limit))

    def describe(self) -> str:
        return f"{super().describe()}, between {self.minimum} and {self.maximum}"

    def counts(self) -> dict[str, float]:
        return {**super().counts(), "baseline_seconds": self._gradient.baseline}
