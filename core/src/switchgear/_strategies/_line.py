"""A line of waiting calls: the most important is served first, and among those that matter alike, who came first.

Pure: it knows no clock and no event loop. Time comes in, and a call is told by its own callback.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from switchgear._criticality import Criticality

_BY_IMPORTANCE = tuple(Criticality)


@dataclass(slots=True, eq=False)
class Waiter:
    """One waiting call. `deadline` is the moment from which it no longer waits, whether or not it has noticed."""

    criticality: Criticality
    deadline: float
    wake: Callable[[], object] = lambda: None
    #: How much it waits for.
    units: float = 1.0
    #: It was given what it waited for.
    served: bool = False


class Line:
    """Who waits. Nothing takes longer the longer it is; who is cancelled leaves from anywhere."""

    __slots__ = ("_ranks", "_units", "length")

    def __init__(self) -> None:
        self._ranks: dict[Criticality, OrderedDict[Waiter, None]] = {rank: OrderedDict() for rank in Criticality}
        self._units = dict.fromkeys(Criticality, 0.0)
        self.length = 0

    def join(self, waiter: Waiter) -> None:
        self._ranks[waiter.criticality][waiter] = None
        self._units[waiter.criticality] += waiter.units
        self.length += 1

    def leave(self, waiter: Waiter) -> None:
        """Doing it twice does nothing."""
        rank = self._ranks[waiter.criticality]
        if waiter in rank:
            del rank[waiter]
            # From zero again, lest the errors of many sums add up.
            self._units[waiter.criticality] = self._units[waiter.criticality] - waiter.units if rank else 0.0
            self.length -= 1

    def first(self, now: float = -inf) -> Waiter | None:
        """Whose turn it is. Those whose deadline has come are out of the line."""
        for rank in self._ranks.values():
            while rank:
                waiter = next(iter(rank))
                if now < waiter.deadline:
                    return waiter
                self.leave(waiter)
        return None

    def giving_way(self, newcomer: Criticality) -> Waiter | None:
        """Who has to leave a full line for a newcomer: the last of the least important, if less so than that is."""
        for criticality in reversed(_BY_IMPORTANCE):
            if criticality is newcomer:
                break
            if self._ranks[criticality]:
                return next(reversed(self._ranks[criticality]))
        return None

    def ahead(self, newcomer: Criticality) -> float:
        """How much is waited for by those who are served before a newcomer."""
        upto = _BY_IMPORTANCE.index(newcomer) + 1
        return sum(self._units[criticality] for criticality in _BY_IMPORTANCE[:upto])
