"""What was refused under pressure, by how much it mattered."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from switchgear._counter import Counter
from switchgear._criticality import Criticality


class Shed:
    """Counts calls, or requests."""

    def __init__(self) -> None:
        self._counters: dict[Criticality, Counter] = {}

    def tick(self, criticality: Criticality) -> None:
        """One more of these."""
        # setdefault: two threads that get here at once must go on with the same counter.
        self._counters.setdefault(criticality, Counter()).tick()

    def counts(self) -> Mapping[Criticality, float]:
        """Of each class that may be shed, how many were."""
        made = self._counters.copy()
        return {each: made[each].value if each in made else 0 for each in Criticality if each.shed_at < inf}
