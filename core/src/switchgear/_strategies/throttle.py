"""As many calls as the backend accepts, and some more to see whether it accepts more."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar, Literal

from switchgear._call import Call
from switchgear._errors import ConfigurationError
from switchgear._pipeline import CODE, Next, Strategy, SyncNext
from switchgear._verdict import Verdict


class Acceptance:
    """How many calls were made of late, and how many of them were accepted. Both are halved after each half-life, so
    that what was long ago weighs little. Time comes in.
    """

    __slots__ = ("_half_life", "_halve_at", "accepts", "requests")

    def __init__(self, half_life: float) -> None:
        self.requests = 0.0
        self.accepts = 0.0
        self._half_life = half_life
        self._halve_at = 0.0

    def add(self, accepted: float, now: float) -> None:
        if now >= self._halve_at:
            self.age(now)
        self.requests += 1.0
        self.accepts += accepted

    def age(self, now: float) -> None:
        if now < self._halve_at:
            return
        halvings = (now - self._halve_at) // self._half_life + 1
        self._halve_at += halvings * self._half_life
        left = 0.5 ** min(halvings, 100.0)
        self.requests *= left
        self.accepts *= left


@dataclass(eq=False)
class Throttle(Strategy):
    """Refuses calls with the probability max(0, (requests - multiple * accepts) / (requests + 1)), as in "Handling
    overload" of Google's SRE book: the graded alternative to a breaker that opens. While more than 1 in `multiple` is
    accepted it refuses none; when fewer are, it sends about `multiple` times what is accepted, and so finds out when
    that becomes more. At most the share `most` is refused, and nothing before `minimum_number_of_calls` of late. Calls
    weigh half as much after `half_life` seconds. What the book has not: so many accepted calls in a row halve the
    chance of a refusal, for they prove more than what was refused here and is still remembered.

    Accepted is what ends in SUCCESS; FAILURE, EXHAUSTED, THROTTLED and what was refused here are not, and IGNORED does
    not count. With `scope = "retries"` first attempts always pass, and only further ones and hedges may be refused.
    """

    name: ClassVar[str] = "throttle"

    multiple: float = 2.0  # as in the book: what is sent in vain keeps the knowledge fresh
    scope: Literal["all", "retries"] = "all"
    most: float = 0.9  # as failsafe-go's
    half_life: float = 5.0  # the book looks back two minutes: it takes one to notice an outage, and several to recover
    minimum_number_of_calls: int = 20
    roll: Callable[[], float] = field(default=random.random, metadata=CODE, repr=False)
    _refused: int = field(default=0, init=False, repr=False)
    _in_a_row: int = field(default=0, init=False, repr=False)
    _acceptance: Acceptance = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not (isfinite(self.multiple) and self.multiple >= 1):
            raise ConfigurationError(f"With a multiple of {self.multiple} it would refuse what is accepted. Give 1 or "
                                     "more.", "multiple")  # fmt: skip
        if not 0 < self.most < 1:
            raise ConfigurationError(f"A share of {self.most} cannot be: above 0, and below 1, for what is never tried "
                                     "is never found to be well again.", "most")  # fmt: skip
        if not (isfinite(self.half_life) and self.half_life > 0):
            raise ConfigurationError(f"{self.half_life} s is no length of time. Give seconds, above 0.", "half_life")
        if self.minimum_number_of_calls < 1:
            raise ConfigurationError(f"{self.minimum_number_of_calls} calls prove nothing. Give 1 or more.",
                                     "minimum_number_of_calls")  # fmt: skip
        self._acceptance = Acceptance(self.half_life)

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        seen, multiple = self._acceptance, self.multiple

        async def throttle(call: Call) -> Any:
            if seen.requests > multiple * seen.accepts:  # which age does not change
                self._consider(call)
            try:
                result = await next(call)
            except Exception as exc:
                self._settle(call, call.judge(exc))
                raise
            self._served(call, result)
            return result

        return throttle

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        seen, multiple = self._acceptance, self.multiple

        def throttle(call: Call) -> Any:
            if seen.requests > multiple * seen.accepts:
                self._consider(call)
            try:
                result = next(call)
            except Exception as exc:
                self._settle(call, call.judge(exc))
                raise
            self._served(call, result)
            return result

        return throttle

    def _consider(self, call: Call) -> None:
        """Refuse the call, perhaps."""
        if self.scope == "retries" and call.attempt == 1:
            return
        now = call.pipeline.clock()
        if self.roll() < self.chance(now):
            self._refused += 1
            seen = self._acceptance
            reason = f"of {seen.requests:.0f} calls of late the backend accepted {seen.accepts:.0f}"
            seen.add(0.0, now)
            raise call.refusal(self.name, reason)

    def _served(self, call: Call, result: object) -> None:
        judge = call.pipeline.classify_result
        self._settle(call, Verdict.SUCCESS if judge is None else judge(result))

    def _settle(self, call: Call, verdict: Verdict) -> None:
        if verdict.name == "IGNORED":
            return
        seen, accepted = self._acceptance, verdict.name == "SUCCESS"
        seen.add(accepted, call.pipeline.clock())
        too_many = seen.requests - self.multiple * seen.accepts
        if too_many > 0:
            self._in_a_row = self._in_a_row + 1 if accepted else 0
            if self._in_a_row >= self.minimum_number_of_calls:
                self._in_a_row = 0
                seen.requests -= too_many / 2

    def chance(self, now: float) -> float:
        """The probability with which a call is refused at a moment."""
        seen = self._acceptance
        seen.age(now)
        if seen.requests < self.minimum_number_of_calls:
            return 0.0
        return min(self.most, max(0.0, (seen.requests - self.multiple * seen.accepts) / (seen.requests + 1)))

    def describe(self) -> str:
        what = "retries and hedges" if self.scope == "retries" else "calls"
        return f"refuses {what} when fewer than 1 in {self.multiple:g} is accepted, at most {self.most:.0%}"

    def counts(self) -> Mapping[str, float]:
        return {"refused": self._refused, "requests": self._acceptance.requests, "accepts": self._acceptance.accepts}
