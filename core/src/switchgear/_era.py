"""What a breaker remembers during its stay in one state: one class for each kind of stay, which dies with it.

They hold and count; which one follows which, and when, is `_breaker.py`'s alone.
"""

from __future__ import annotations

from itertools import count
from math import inf

from switchgear._breaker_config import Ramp
from switchgear._errors import Cause
from switchgear._lane import SHUT, Lane, Slot
from switchgear._state import State
from switchgear._window import Tally


class Lease:
    """The permit of one probe: good until `deadline`, and only in its own round."""

    __slots__ = ("deadline", "generation", "lane", "started")

    until = SHUT  # a probe is always settled by the locked way

    def __init__(self, generation: int, lane: Lane, started: float, deadline: float) -> None:
        self.generation = generation
        self.lane = lane
        self.started = started
        self.deadline = deadline


Ticket = Slot | Lease


class Closed:
    """CLOSED and METRICS_ONLY: the window; and while ramping up, the share of calls to admit."""

    __slots__ = ("_credit", "_first_share", "_since", "consecutive", "ramp", "tally")

    def __init__(self, tally: Tally, now: float, ramp: Ramp | None = None, share: float | None = None) -> None:
        self.tally = tally
        self.consecutive = 0
        self.ramp = ramp
        self._since = now
        self._first_share = ramp.initial if ramp and share is None else share or 1.0
        self._credit = 1.0  # the first call is let through: somebody has to find out

    def share(self, now: float) -> float:
        """The share of calls that is admitted now, 0..1."""
        if self.ramp is None:
            return 1.0
        growth = (1 - self.ramp.initial) * (now - self._since) / self.ramp.duration
        return min(self._first_share + growth, 1.0)

    def admits(self, now: float) -> bool:
        """Whether the next call is among the admitted share: dealt out evenly, not by chance."""
        if self.ramp is not None:
            self._credit += self.share(now)
            if self._credit < 1.0:
                return False
            self._credit -= 1.0
        return True

    def horizon(self, now: float) -> float:
        return self.tally.horizon(now)


#: Until when no probe is admitted, and what is waited for.
Held = tuple[float, str]
NOT_HELD: Held = (-inf, "")


class Bolt:
    """OPEN and FORCED_OPEN: until when (infinity: until an operator), and why.

    Before that moment no call can change anything here, so a call may be refused by reading this object alone, without
    the lock; it ticks `refused`.
    """

    __slots__ = ("_reads", "causes", "detail", "held", "refused", "state", "until")

    def __init__(self, state: State, until: float, detail: str, causes: tuple[Cause, ...]) -> None:
        self.state = state
        self.until = until
        self.detail = detail
        self.causes = causes
        self.held = NOT_HELD  #: for the probes to come
        self.refused = count()
        self._reads = 0

    def calls(self) -> int:
        """How many were refused so. Reading the count ticks it too."""
        total = next(self.refused) - self._reads
        self._reads += 1
        return total

    def retry_after(self, now: float) -> float | None:
        """Seconds that it still holds; None when that is not known."""
        return max(0.0, self.until - now) if self.until < inf else None


class HalfOpen:
    """One round of probes."""

    __slots__ = ("decide_by", "done", "halves", "held", "leases", "slow")

    def __init__(self, held: Held) -> None:
        self.held = held
        self.leases: list[Lease] = []
        self.done = 0
        self.halves = 0
        self.slow = 0
        self.decide_by = inf  # set while probes are under way: a round that nobody probes may last


class Disabled:
    """DISABLED remembers nothing but until when."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until

    def horizon(self, now: float) -> float:
        return self.until

    def retry_after(self, now: float) -> float | None:
        """Seconds that it still is off; None when that is not known."""
        return max(0.0, self.until - now) if self.until < inf else None


class Unused:
    """CLOSED before the first call: one for all, so that a breaker which is never used stays small."""

    __slots__ = ()


UNUSED = Unused()

Era = Unused | Closed | Bolt | HalfOpen | Disabled
