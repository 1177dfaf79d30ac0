"""For authors of frameworks: the sans-I/O parts, to drive from other clocks, locks and loops."""

from __future__ import annotations

from switchgear._breaker import OPERATIONS, TRANSITIONS, BreakerMachine
from switchgear._bus import Bus
from switchgear._events import Event
from switchgear._verdict import judge
from switchgear._window import Entry, Tally, Window

__all__ = ["OPERATIONS", "TRANSITIONS", "BreakerMachine", "Bus", "Entry", "Event", "Tally", "Window", "judge"]
