"""The door that calls pass, and the ledger of those in flight.

Nearly every call of a healthy service is admitted by a CLOSED breaker and succeeds in time. Such a call takes no lock.
It compares its start with `slot.until` (the door), ticks `slot.started`, and at its end compares once more and ticks
`slot.ok`; both ticks are `next()` on an `itertools.count`, which is atomic. Everything else (another state, a young
window, a failure, a slow call, the turn of a slot) finds the door shut, `until` in the past, and takes the locked way
through the machine. So one comparison stands for "closed, no ramp, enough calls, same era, nobody watching". Where
calls are timed, `quick` is below every duration, and the breaker does the same for them, judges results and tells of
each.

A slot covers a slice of time. Calls that started in a slot which ended longer ago than `slow` seconds, and have not
left, are overdue: that is how calls that hang count before they return, for one tick a call. Slots that all calls have
left are dropped.
"""

from __future__ import annotations

from itertools import count
from math import inf

#: A slice is at most this share of the slow-call threshold, so a hanging call is seen at most two slices late.
_SLICES = 8
#: ... and no slice is longer than this, in seconds, so that a busy breaker looks at the clock and its window at times.
_LONGEST = 10.0

SHUT = -inf

#: Apdex: up to T users are satisfied, up to 4 T they tolerate it, beyond that they are frustrated.
FRUSTRATED = 4.0


class Slot:
    """One slice of time of a lane: the door, the calls that started in it, and how they left."""

    __slots__ = (
        "_ok_reads",
        "_started_reads",
        "generation",
        "ok",
        "opened",
        "settled",
        "started",
        "succeeded",
        "turn",
        "until",
    )

    def __init__(self, generation: int, opened: float, turn: float) -> None:
        self.generation = generation
        self.opened = opened
        self.turn = turn  #: when the next slot takes over
        self.until = SHUT  #: until when calls may pass without the lock; the machine opens it
        self.started = count()
        self.ok = count()
        self.settled = 0  #: calls that left by the locked way
        self.succeeded = 0  #: plain successes that the tally has been told of
        # Reading a count ticks it too; these are the ticks that were reads.
        self._started_reads = 0
        self._ok_reads = 0

    def new_successes(self) -> int:
        """Plain successes since this was last asked."""
        total = next(self.ok) - self._ok_reads
        self._ok_reads += 1
        new = total - self.succeeded
        self.succeeded = total
        return new

    def in_flight(self) -> int:
        """Calls that started here and have not left, as of the last `new_successes()`."""
        total = next(self.started) - self._started_reads
        self._started_reads += 1
        return total - self.succeeded - self.settled

    def in_flight_now(self) -> int:
        """Calls that started here and have not left, at this moment: read again if one left between the two counts."""
        while True:
            left, started, left_since = next(self.ok), next(self.started), next(self.ok)
            self._ok_reads += 2
            self._started_reads += 1
            if left_since == left + 1:
                return (started + 1 - self._started_reads) - (left + 2 - self._ok_reads) - self.settled


#: Stands in a lane until its first call, so that a breaker that is never used stays small.
NO_SLOT = Slot(-1, 0.0, SHUT)


class Lane:
    """The slots of the calls of one operation class through one breaker."""

    __slots__ = ("operation_class", "past", "quick", "slot", "slow", "tolerated")

    def __init__(self, operation_class: str, slow: float, tolerated: float = inf) -> None:
        self.operation_class = operation_class
        self.tolerated = tolerated  #: seconds up to which users are satisfied, for health
        self.quick = 0.0
        self.slow_from(slow)
        self.slot = NO_SLOT
        self.past: list[Slot] | None = None

    def slow_from(self, seconds: float) -> None:
        """From how long on a call is slow. `quick`: below it a success has nothing to tell, and passes the door."""
        self.slow = seconds
        self.time(self.timed)

    @property
    def timed(self) -> bool:
        """Whether every call is looked at, since results are judged or somebody wants to hear of each."""
        return self.quick < 0

    def time(self, timed: bool) -> None:
        """Let calls be looked at, or let them pass again."""
        self.quick = SHUT if timed else min(self.slow, self.tolerated)

    def turn(self, generation: int, now: float, horizon: float) -> None:
        """Begin a new slot that ends at the horizon of the window, or earlier where slow calls are watched."""
        if self.slot.generation == generation:
            self.slot.turn = min(self.slot.turn, now)
            self.past = [*(self.past or ()), self.slot]
        else:
            self.past = None
        self.slot.until = SHUT
        self.slot = Slot(generation, now, min(horizon, now + min(self.slow / _SLICES, _LONGEST)))

    def slots(self) -> list[Slot]:
        """The slots of this era, oldest first. Read `new_successes()` of all before counting who is in flight."""
        return [*(self.past or ()), self.slot]

    def overdue(self, now: float) -> int:
        """Calls in flight for at least `slow` seconds. Drops the past slots that all calls have left."""
        if not self.past:
            return 0
        overdue = 0
        kept: list[Slot] = []
        for slot in self.past:
            if calls := slot.in_flight():
                kept.append(slot)
                if now - slot.turn >= self.slow:
                    overdue += calls
        self.past = kept or None
        return overdue
