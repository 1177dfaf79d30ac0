"""Values counted by size; exact, from any thread and from finalizers."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

from switchgear._lock import fork_safe

# Reentrant, since a finalizer may count in the middle of counting.
_lock = fork_safe(threading.RLock())


class Histogram:
    """How many values fell into each bucket, and their sum.

    `bounds` are the upper bounds of the buckets, inclusive and ascending; what exceeds the last has one of its own.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> int:
        """Count a value; the result is the number of its bucket."""
        bucket = bisect_left(self.bounds, value)
        with _lock:
            self.counts[bucket] += 1
            self.sum += value
        return bucket

    def add(self, other: Histogram) -> None:
        """Count all that another one with the same bounds has counted."""
        with _lock:
            self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
            self.sum += other.sum

    def since(self, earlier: Histogram) -> Histogram:
        """What it has counted since an earlier copy of it."""
        news = Histogram(self.bounds)
        with _lock:
            news.counts = [mine - its for mine, its in zip(self.counts, earlier.counts, strict=True)]
            news.sum = self.sum - earlier.sum
        return news

    def copy(self) -> Histogram:
        """What is counted by now."""
        copied = Histogram(self.bounds)
        copied.add(self)
        return copied
