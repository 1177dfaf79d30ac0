"""The series of one metric, and the bound on how many there may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from switchgear._histogram import Histogram
from switchgear._spec import Metric

#: Series of one family. Labels come from calls, so a stranger may make them up.
MOST_SERIES = 200
#: The value of the labels of what found no place.
OVERFLOW = "__overflow__"

Labels = tuple[str, ...]
ValueT = TypeVar("ValueT")


class Family(Generic[ValueT]):
    """Values by the values of the metric's labels, in its order. Not thread-safe.

    Beyond 200 series the rest share one, whose labels are `__overflow__`; but for the first label, the service or the
    capability, of which there are as many as are configured. So what is summed up by service stays true.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.series: dict[Labels, ValueT] = {}
        #: How often something found no place.
        self.overflowed = 0

    def place(self, labels: Labels) -> Labels:
        """The labels of the series that these are counted in."""
        if labels in self.series or len(self.series) < MOST_SERIES:
            return labels
        self.overflowed += 1
        return (*labels[:1], *(OVERFLOW for _ in labels[1:]))


class Numbers(Family[float]):
    """Of counters and gauges."""

    def add(self, labels: Labels, value: float) -> None:
        """Add to a series; gauges that are merged otherwise, are so here, too."""
        place = self.place(labels)
        known = self.series.get(place)
        if known is None:
            self.series[place] = value
        else:
            self.series[place] = min(known, value) if self.metric.merged == "min" else known + value


class Distributions(Family[Histogram]):
    """Of histograms."""

    def at(self, labels: Labels) -> Histogram:
        """The histogram of a series, made on first use."""
        place = self.place(labels)
        known = self.series.get(place)
        if known is None:
            known = self.series[place] = Histogram(self.metric.buckets)
        return known

    def copy(self) -> Distributions:
        """What is counted by now; it does not change any more."""
        copied = Distributions(self.metric)
        copied.series = {labels: histogram.copy() for labels, histogram in self.series.items()}
        return copied


def overflows(families: Iterable[Family[float] | Family[Histogram]]) -> dict[str, int]:
    """Those in which something found no place: how often, by the metric's name."""
    return {family.metric.name: family.overflowed for family in families if family.overflowed}
