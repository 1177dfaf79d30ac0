"""A line of waiting calls: the most important is served first, and among those that matter alike, who came first.

Pure: it knows no clock and no event loop. Time comes in, and a call is told by its own callback.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from switchgear._criticality import Criticality

#: Lists by rank, and not dicts by criticality: the hash of an Enum's member is a call.
_RANKS = tuple(Criticality)


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
    #: Its place by criticality, once it has joined.
    rank: int = -1


class Line:
    """Who waits. Nothing takes longer the longer it is; who is cancelled leaves from anywhere."""

    __slots__ = ("_ranks", "_units", "length")

    def __init__(self) -> None:
        self._ranks: list[OrderedDict[Waiter, None]] = [OrderedDict() for _ in _RANKS]
        self._units = [0.0] * len(_RANKS)
        self.length = 0

    def join(self, waiter: Waiter) -> None:
        rank = waiter.rank = _RANKS.index(waiter.criticality)
        self._ranks[rank][waiter] = None
        self._units[rank] += waiter.units
        self.length += 1

    def leave(self, waiter: Waiter) -> None:
        """Doing it twice does nothing."""
        rank = self._ranks[waiter.rank]
        if waiter in rank:
            del rank[waiter]
            # From zero again, lest the errors of many sums add up.
            self._units[waiter.rank] = self._units[waiter.rank] - waiter.units if rank else 0.0
            self.length -= 1

    def first(self, now: float = -inf) -> Waiter | None:
        """Whose turn it is. Those whose deadline has come are out of the line."""
        for rank in self._ranks:
            while rank:
                waiter = next(iter(rank))
                if now < waiter.deadline:
                    return waiter
                self.leave(waiter)
        return None

    def giving_way(self, newcomer: Criticality) -> Waiter | None:
        """Who has to leave a full line for a newcomer: the last of the least important, if less so than that is."""
        for rank in reversed(self._ranks[_RANKS.index(newcomer) + 1 :]):
            if rank:
                return next(reversed(rank))
        return None

    def ahead(self, newcomer: Criticality) -> float:
        """How much is waited for by those who are served before a newcomer."""
        return sum(self._units[: _RANKS.index(newcomer) + 1])
