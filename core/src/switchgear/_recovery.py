"""The order in which services come back after an outage: what is needed before what needs it, and not all at once.

    a service that refuses, and requires one that refuses     its probes wait, five of its own intervals at most
    several that refuse at once                               each waits a moment of its own, drawn once an outage
    one alone                                                 waits for nothing but its breaker

Children that probe while their parent is down fail, and back off further than they need; and a herd of services that
all return in the same second may fell what they share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from switchgear._cascade import awaited_parent, release_delays
from switchgear._graph import Graph

#: Seconds between the services of one rank and those of the next, and within which those of a rank are spread.
_SPACING = 1.0


class Refusing(NamedTuple):
    """A service whose breaker refuses."""

    due: float  #: when its breaker would let probes in
    interval: float  #: seconds that it waits between two rounds of probes by now


class Hold(NamedTuple):
    """The probes of a service are to wait."""

    seconds: float  #: from now on
    why: str


class RecoveryOrder:
    """Who has to wait. Times in seconds, never going back; `roll` gives numbers from 0 up to but not including 1."""

    def __init__(self, roll: Callable[[], float]) -> None:
        self._roll = roll
        self._delays: dict[str, float] = {}  # of this outage

    def holds(self, graph: Graph, refusing: Mapping[str, Refusing], now: float, patience: float) -> dict[str, Hold]:
        """The services whose probes have to wait, of all that refuse. To be asked again within `patience` seconds:
        nobody is held for longer by one answer.
        """
        self._delays = {name: delay for name, delay in self._delays.items() if name in refusing}
        if len(refusing) > 1 and (new := [name for name in refusing if name not in self._delays]):
            drawn = release_delays(graph, refusing, _SPACING, self._roll)
            self._delays |= {name: drawn[name] for name in new}
        holds: dict[str, Hold] = {}
        for name, (due, interval) in refusing.items():
            release = due + self._delays.get(name, 0.0)
            parent = awaited_parent(graph, name, refusing, max(0.0, now - due), interval)
            if parent is not None:
                holds[name] = Hold(patience, f"it waits for {parent}, which it requires")
            elif now < release:
                holds[name] = Hold(min(release - now, patience), "several services come back, and it awaits its turn")
        return holds
