"""The latencies of the last calls, to see which of them are long."""

from __future__ import annotations

#: So many calls are looked back at, and so many are enough to begin with.
KEPT, ENOUGH = 128, 20
# Sorting costs as much as some twenty calls, so it is done for every sixteenth.
_EVERY = 16


class Latencies:
    """A ring of latencies and one quantile of them, O(1) a call but for a sort now and then."""

    __slots__ = ("_added", "_ring", "long", "quantile")

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile
        self._ring: list[float] = []
        self._added = 0
        #: What that share of the calls took at most, in seconds; None while too few are known.
        self.long: float | None = None

    def add(self, seconds: float) -> None:
        if len(self._ring) < KEPT:
            self._ring.append(seconds)
        else:
            self._ring[self._added % KEPT] = seconds
        self._added += 1
        if self._added >= ENOUGH and (self._added % _EVERY == 0 or self.long is None):
            ranked = sorted(self._ring)
            self.long = ranked[min(len(ranked) - 1, int(self.quantile * len(ranked)))]
