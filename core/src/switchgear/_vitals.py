"""The evidence of one service, taken from its breakers' counters between one look and the next.

The call path knows nothing of health: breakers count, and whoever looks about once a second takes the differences. They
are booked in the middle of the time between the looks, which for one second of a half-life of ten is exact to 0.1 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from switchgear._decay import DecayedSums, Evidence
from switchgear._events import Reason
from switchgear._health import Domain, service_health
from switchgear._report import Report
from switchgear._score import reached
from switchgear._snapshot import Snapshot

#: Seconds that a pool has to be full to count as full: three looks, where one takes place each second. In a burst it is
#: for a moment, as it may be; a look at just that moment, and some are taken at bad moments, would make a fall of it.
_LASTING = 2.5


class Vitals:
    """What is known of one service; `r50` is the ratio of bad calls at which it is half healthy. Not thread-safe."""

    def __init__(self, name: str, r50: float) -> None:
        self.name = name
        self.r50 = r50
        self._domains: dict[str, _Seen] = {}
        self._saturations: list[tuple[float, Mapping[str, float]]] = []  # at the last looks

    def look(self, snapshots: Sequence[Snapshot], saturations: Mapping[str, float]) -> Report:
        """The service's health as of its breakers' snapshots, the main's first, and of its saturations, each 0..1."""
        main, *branches = snapshots
        # A domain that has lost its branch to a busier one is forgotten with it.
        self._domains = {one.domain: self._domains.get(one.domain) or _Seen() for one in branches}
        domains = [self._domains[one.domain].look(one) for one in branches]
        lasting = self._lasting(saturations, main.at)
        return service_health(self.name, domains, r50=self.r50, main=main, saturations=lasting)

    def _lasting(self, saturations: Mapping[str, float], now: float) -> Mapping[str, float]:
        """What they have been at the least of late."""
        recent = [(at, then) for at, then in self._saturations if now - at <= _LASTING]
        self._saturations = [*recent, (now, saturations)]
        return {what: min(then.get(what, 0.0) for _, then in self._saturations) for what in saturations}


class _Seen:
    """One domain, as of the last look."""

    __slots__ = ("_at", "_began", "_reached", "_refused", "evidence", "refused")

    def __init__(self) -> None:
        self.evidence, self.refused = DecayedSums(), DecayedSums()
        self._at: float | None = None
        self._reached = Evidence()
        self._refused = 0
        self._began = 0  # the generation that the last change of state began

    def look(self, now: Snapshot) -> Domain:
        """What is known of it as of this snapshot, which is the latest."""
        total, refused = reached(now), sum(now.refused.values())
        if total.calls < self._reached.calls or refused < self._refused:
            self._reached, self._refused = Evidence(), 0  # a branch of that name was dropped and made anew
        if now.last and now.last.generation != self._began:
            self._began = now.last.generation
            if now.last.reason is Reason.PROBES_PASSED and now.share < 1:
                self.evidence = DecayedSums()  # recovery is judged by the ramp's own calls
        middle = now.at if self._at is None else (self._at + now.at) / 2
        self.evidence.add(total - self._reached, middle)
        self.refused.add(Evidence(refused - self._refused), middle)
        self._at, self._reached, self._refused = now.at, total, refused
        # Calls that hang are bad calls already, though nobody has heard of their end.
        evidence = self.evidence.evidence(now.at) + Evidence(now.overdue, now.overdue)
        return Domain(snapshot=now, evidence=evidence, refused=self.refused.evidence(now.at).calls)
