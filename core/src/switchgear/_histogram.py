"""Values counted by size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """How many values fell into each bucket, and their sum. Not thread-safe.

    `bounds` are the upper bounds of the buckets, inclusive and ascending; what exceeds the last has a bucket of its own.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> int:
        """Count a value; the result is the number of its bucket."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        return bucket

    def add(self, other: Histogram) -> None:
        """Count all that another one with the same bounds has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def copy(self) -> Histogram:
        """What is counted by now; it does not change any more."""
        copied = Histogram(self.bounds)
        copied.add(self)
        return copied
