"""A bucket that units flow into at an even rate, and calls take theirs from.

All it keeps is one moment, when it will be full again (the generic cell rate algorithm of ATM networks): what is
missing is what flows in until then. Pure: time comes in.
"""

from __future__ import annotations

from math import inf

#: Seconds within which the next moment is now, for sums of floats are not exact.
_NOW = 1e-9
#: Who else takes from the server's count is not known, so what it has left is made to last: so many seconds, as answers
#: may be as old as that, but no more than a quarter of all that it may ever have left.
_LASTS, _SHARE = 10.0, 0.25


class Bucket:
    """`rate` units a second, at most `burst` of them. A call that wants more than a full bucket holds is let in when it
    is full, and those after it pay: the bucket may be in debt.
    """

    __slots__ = ("_burst", "_flow", "_full_at", "_held_until", "_rate", "_slow_until")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._flow = rate  # what flows in now
        self._slow_until = -inf
        self._full_at = -inf
        self._held_until = -inf

    def wait(self, units: float, now: float, ahead: float = 0.0) -> float:
        """Seconds until so many units can be taken, after `ahead` others; 0: now."""
        if self._flow < self._rate and now >= self._slow_until:  # nothing was heard for long
            self._change(self._rate, now)
        room = (self._burst - min(units, self._burst)) / self._flow
        full_at = self._full_at if ahead == 0 else max(self._full_at, now) + ahead / self._flow
        seconds = max(full_at - room, self._held_until) - now
        return seconds if seconds > _NOW else 0.0

    def take_now(self, units: float, now: float) -> bool:
        """Take so many units, if they are there."""
        if self._full_at > now or self._held_until > now or self._flow < self._rate:
            if self.wait(units, now):
                return False
            self.take(units, now)
        else:  # it is full
            self._full_at = now + units / self._rate
        return True

    def take(self, units: float, now: float) -> None:
        """Whether or not there are so many. A negative number gives back."""
        self._full_at = max(self._full_at, now) + units / self._flow

    def left(self, now: float) -> float:
        """Units in it; less than 0 when it is in debt."""
        return self._burst - max(0.0, self._full_at - now) * self._flow

    def heard(self, remaining: float, limit: float | None, now: float) -> None:
        """The server says that of at most `limit` units so many are left, for all who take from there. When these are
        few, each takes them slower; so they share what there is, and it does not run out.
        """
        lasts = _LASTS if limit is None else min(_LASTS, _SHARE * limit / self._rate)
        self._change(min(self._rate, max(remaining, 1.0) / lasts) if lasts > 0 else self._rate, now)
        self._slow_until = now + 2 * lasts

    def _change(self, flow: float, now: float) -> None:
        missing = max(0.0, self._full_at - now) * self._flow
        self._flow = flow
        self._full_at = now + missing / flow

    def hold(self, until: float) -> None:
        """Let nobody take before a moment."""
        self._held_until = max(self._held_until, until)

    def idle(self, now: float) -> bool:
        """It is no different from a new one."""
        slow = self._flow < self._rate and now < self._slow_until
        return not slow and now >= self._full_at and now >= self._held_until
