"""So many calls a second, or tokens, or dollars, and no more: paced, before the backend has to say no."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, ClassVar, Literal

from switchgear._call import Call
from switchgear._criticality import Criticality
from switchgear._errors import CallNotPermitted, ConfigurationError
from switchgear._pipeline import CODE, Bound, Next, Strategy
from switchgear._scope import Scope, scope
from switchgear._strategies._bucket import Bucket
from switchgear._strategies._hints import NOTHING, SILENT, Hint, hint_of
from switchgear._strategies._line import Waiter
from switchgear._strategies._meter import Meter

_KEYS: dict[str, Callable[[Call], Hashable]] = {
    "domain": lambda call: call.domain,
    "operation": lambda call: call.operation.name,
}


@dataclass(eq=False)
class RateLimit(Strategy):
    """Lets calls through at `rate` units in `per` seconds, at most `burst` of them at once (None: one second's worth,
    for providers count by the second what they allow by the minute; 1 paces them evenly). A call waits for its turn as
    long as `max_wait` seconds and its deadline allow, the more important ones first. One whose turn would come too late
    is refused at once with LimitExceeded, whose `retry_after` says when it would be.

    A call costs one unit, or what `cost` says; `used` says from its result what it really cost (None: as `cost` said),
    and the difference is made up for by those after it. `by` limits each domain or each operation by itself, `key` what
    it says. What was taken for a call that is refused further in is given back.

    What a server says goes first: after Retry-After, or a THROTTLED outcome with a time, all calls wait for that long;
    and when few of the `unit` are left by its count, as x-ratelimit-* headers tell, calls are slowed down before it has
    to say no, also where other processes take from the same count.
    """

    name: ClassVar[str] = "ratelimit"

    rate: float
    per: float = 1.0
    burst: float | None = None
    max_wait: float = 5.0  # as resilience4j's
    unit: str = "requests"
    by: Literal["service", "domain", "operation"] = "service"
    cost: Callable[[Call], float] | None = field(default=None, metadata=CODE, repr=False)
    used: Callable[[Any], float | None] | None = field(default=None, metadata=CODE, repr=False)
    key: Callable[[Call], Hashable] | None = field(default=None, metadata=CODE, repr=False)
    _meters: OrderedDict[Hashable, Meter] = field(default_factory=OrderedDict[Hashable, Meter], init=False, repr=False)
    _refused: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("rate", self.rate), ("per", self.per), ("burst", self.burst)):
            if value is not None and not (isfinite(value) and value > 0):
                raise ConfigurationError(f"{name} = {value} lets nothing through. Give a number above 0.", name)
        if not self.max_wait >= 0:
            raise ConfigurationError(f"Nobody can wait for {self.max_wait} s. Give 0 or more.", "max_wait")

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        unit, cost, used, key = self.unit, self.cost, self.used, self.key or _KEYS.get(self.by)
        only = self.meter(-inf) if key is None else None

        async def ratelimit(call: Call) -> Any:
            clock = call.pipeline.clock
            now = clock()
            units = 1.0 if cost is None else cost(call)
            meter = only or self.meter(now, key(call))  # type: ignore[misc] # there is the one or the other
            if meter.line.length or not meter.bucket.take_now(units, now):
                await self._wait(call, meter, units, now)
            try:
                result = await next(call)
            except CallNotPermitted:
                self.charge(meter, -units, clock())
                raise
            except Exception as exc:
                hint = hint_of(exc, unit)
                wait = call.judge(exc).retry_after
                self._obey(meter, hint if wait is None else hint._replace(wait=wait), clock())
                raise
            if type(result) not in SILENT and (hint := hint_of(result, unit)) is not NOTHING:
                self._obey(meter, hint, clock())
            if used is not None and (came_to := used(result)) is not None:
                self.charge(meter, came_to - units, clock())
            return result

        return ratelimit

    def meter(self, now: float, key: Hashable = None) -> Meter:
        """That of a key. Those that are as good as new go, so there are as many as keys were used within a refill."""
        meter = self._meters.get(key)
        if meter is None:
            while self._meters:
                oldest, known = next(iter(self._meters.items()))
                if known.line.length or not known.bucket.idle(now):
                    break
                del self._meters[oldest]
            rate = self.rate / self.per
            burst = max(1.0, rate) if self.burst is None else self.burst
            meter = self._meters[key] = Meter(Bucket(rate, burst))
        elif key is not None:
            self._meters.move_to_end(key)
        return meter

    def charge(self, meter: Meter, units: float, now: float) -> None:
        """Take units, less than 0 to give back, for a call that was let through."""
        if units:
            meter.bucket.take(units, now)
            meter.changed()

    async def _wait(self, call: Call, meter: Meter, units: float, now: float) -> None:
        criticality = (scope.get() or Scope()).criticality
        wait = meter.bucket.wait(units, now, meter.line.ahead(criticality))
        patience = min(self.max_wait, call.remaining())
        if wait <= patience:
            if await meter.wait(Waiter(criticality, now + patience, units=units), call.pipeline.clock):
                return
            wait = meter.bucket.wait(units, call.pipeline.clock(), meter.line.ahead(criticality))
        self._refused += 1
        raise call.refusal(self.name, f"more than {self.rate:g} {self.unit} in {self.per:g} s are wanted", wait)

    def heard(self, domain: str, answer: object, now: float, /) -> None:
        if self.key is None and self.by != "operation":
            self._obey(self.meter(now, domain if self.by == "domain" else None), hint_of(answer, self.unit), now)

    def _obey(self, meter: Meter, hint: Hint, now: float) -> None:
        if hint.remaining is not None:
            meter.bucket.heard(hint.remaining, hint.limit, now)
            meter.changed()
        if hint.wait:
            meter.bucket.hold(now + hint.wait)

    def bound(self, inner: Bound, /) -> Bound:
        return Bound(inner.seconds + self.max_wait, inner.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        each = "" if self.by == "service" else f" for each {self.by}"
        return f"{self.rate:g} {self.unit} in {self.per:g} s{each}"

    def saturation(self) -> float | None:
        """What is waited for, of what can be had in the longest wait: from 1 on, calls are refused."""
        if not self.max_wait:
            return None
        waited_for = max((meter.line.ahead(Criticality.BULK) for meter in self._meters.values()), default=0.0)
        return min(1.0, waited_for * self.per / self.rate / self.max_wait)

    def counts(self) -> Mapping[str, float]:
        waiting = sum(meter.line.length for meter in self._meters.values())
        return {"waiting": waiting, "refused": self._refused, "keys": len(self._meters)}
