"""A line of waiting calls: the most important is served first, and among those that matter alike, who came first.

Pure: it knows no clock and no event loop. Time comes in, and a call is told by its own callback.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from switchgear._criticality import Criticality

_BY_IMPORTANCE = tuple(Criticality)


@dataclass(slots=True, eq=False)
class Waiter:
    """One waiting call. `deadline` is the moment from which it no longer waits, whether or not it has noticed."""

    criticality: Criticality
    deadline: float
    wake: Callable[[], object]
    #: It was given what it waited for.
    served: bool = False


class Line:
    """Who waits. Nothing but `before` takes longer the longer it is; who is cancelled leaves from anywhere."""

    __slots__ = ("_ranks", "length")

    def __init__(self) -> None:
        self._ranks: dict[Criticality, OrderedDict[Waiter, None]] = {rank: OrderedDict() for rank in Criticality}
        self.length = 0

    def join(self, waiter: Waiter) -> None:
        self._ranks[waiter.criticality][waiter] = None
        self.length += 1

    def leave(self, waiter: Waiter) -> None:
        """Doing it twice does nothing."""
        rank = self._ranks[waiter.criticality]
        if waiter in rank:
            del rank[waiter]
            self.length -= 1

    def first(self, now: float) -> Waiter | None:
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

    def before(self, newcomer: Criticality) -> list[Waiter]:
        """Who is served before a newcomer."""
        upto = _BY_IMPORTANCE.index(newcomer) + 1
        return [waiter for criticality in _BY_IMPORTANCE[:upto] for waiter in self._ranks[criticality]]
