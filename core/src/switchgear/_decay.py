"""Sums that forget: what happened weighs half as much with every half-life that passes.

    n(t) = sum of 2**(-(t - ti)/h)    over the calls i that ended at ti: how many calls' worth of evidence there is
    B(t) = sum of bi * 2**(-(t - ti)/h)    how bad they were together, each bi in 0..1
    L(t)    the part of B(t) that calls have which were served, only later than users are satisfied with

Three numbers a domain, whatever the traffic (as in Finagle's failure accrual). The sums of two nodes add up to those of
both. There is no edge that old calls fall over, so a score made of them is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2, inf

from switchgear._errors import ConfigurationError

#: Seconds after which a call counts half. The one time constant of health: 10 s shows an outage within two seconds
#: where there is traffic, and has forgotten it within a minute.
HALF_LIFE = 10.0


def left(seconds: float, half_life: float) -> float:
    """The share of a value that is left after so many seconds (0 or more): 2**(-seconds/half_life)."""
    return exp2(-seconds / half_life)  # runs out to 0 for long times, without an error


@dataclass(frozen=True, slots=True)
class Evidence:
    """What calls add up to, as of one moment."""

    calls: float = 0.0  #: how many calls' worth
    badness: float = 0.0  #: how bad they were together: 0..calls
    lateness: float = 0.0  #: the part of the badness that comes from calls served late, but not too late: 0..badness

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.calls + other.calls, self.badness + other.badness, self.lateness + other.lateness)

    def __sub__(self, earlier: Evidence) -> Evidence:
        return self + earlier * -1.0

    def __mul__(self, share: float) -> Evidence:
        return Evidence(self.calls * share, self.badness * share, self.lateness * share)


class DecayedSums:
    """The evidence of one stream of calls. Times in seconds, of one clock; they need not come in order.

    When a breaker closes by a ramp, begin with new sums: recovery is then judged by the ramp's own calls, and an outage
    that the breaker has already answered for is not paid twice. Raises ConfigurationError for a half-life of no length.
    """

    __slots__ = ("_at", "_sums", "half_life")

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        if not 0 < half_life < inf:
            raise ConfigurationError(f"{half_life!r} is no length of time. Give seconds, above 0.", key="half_life")
        self.half_life = half_life
        self._at = -inf  # as of when the sums are
        self._sums = Evidence()

    def add(self, calls: Evidence, at: float) -> None:
        """Count calls that ended at `at`. O(1).

        For calls that ended over a span and are counted in bulk, give the middle of the span: for a span of one
        half-life the sum is then right to 2 %. Its beginning would make them too light by a third.
        """
        if at < self._at:
            self._sums += calls * left(self._at - at, self.half_life)
        else:
            self._sums = self._sums * left(at - self._at, self.half_life) + calls
            self._at = at

    def evidence(self, now: float) -> Evidence:
        """The sums as of now; for a moment before the last call, as of that."""
        return self._sums * left(max(0.0, now - self._at), self.half_life)

    def merge(self, other: DecayedSums) -> DecayedSums:
        """The sums of both streams, as new sums; in whichever order, the same.

        Raises ValueError where the two forget at different rates.
        """
        if other.half_life != self.half_life:
            problem = f"Sums with half-lives of {self.half_life:g} s and {other.half_life:g} s do not add up."
            raise ValueError(problem)
        merged = DecayedSums(self.half_life)
        for sums in (self, other):
            if sums._at > -inf:  # noqa: SLF001 - its own class
                merged.add(sums._sums, sums._at)  # noqa: SLF001
        return merged
