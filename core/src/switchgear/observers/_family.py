"""The series of one metric, and the bound on how many there may be."""

from __future__ import annotations

from copy import copy
from typing import Generic, NamedTuple, Self, TypeVar

from switchgear._histogram import Histogram
from switchgear._spec import CLOSED_LABELS, Metric

#: Series of one family. Labels come from calls, so a stranger may make them up.
MOST_SERIES = 200
#: The value of the labels of what found no place.
OVERFLOW = "__overflow__"

#: The values of a metric's labels, in its order.
Labels = tuple[str, ...]
ValueT = TypeVar("ValueT")


class Family(Generic[ValueT]):
    """The values of one metric, by labels. Not thread-safe.

    Beyond 200 series those that come anew share one, in which the labels that come from calls are `__overflow__`. So
    what is summed up by service, verdict or state stays true.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.series: dict[Labels, ValueT] = {}
        self._overflowed = 0

    def place(self, labels: Labels) -> Labels:
        """The labels of the series that these are counted in."""
        if labels in self.series or len(self.series) < MOST_SERIES:
            return labels
        self._overflowed += 1
        return tuple(
            value if label in CLOSED_LABELS else OVERFLOW
            for label, value in zip(self.metric.labels, labels, strict=True)
        )

    def take_overflowed(self) -> int:
        """How often something found no place, since this was last asked."""
        times, self._overflowed = self._overflowed, 0
        return times

    def copy(self) -> Self:
        """What is known by now; it does not change any more."""
        copied = copy(self)
        copied.series = self.series.copy()
        return copied


class Numbers(Family[float]):
    """Of a counter or a gauge."""

    def add(self, labels: Labels, value: float) -> None:
        """Add to a series, or merge with it as the metric says."""
        place = self.place(labels)
        known = self.series.get(place)
        if known is None:
            self.series[place] = value
        else:
            self.series[place] = min(known, value) if self.metric.merged == "min" else known + value


class Exemplar(NamedTuple):
    """One of the calls that a bucket counts, and the trace that shows it."""

    trace_id: str
    span_id: str
    seconds: float
    at: int  #: nanoseconds since the epoch


class Distributions(Family[Histogram]):
    """Of a histogram."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        #: By labels and number of the bucket.
        self.exemplars: dict[tuple[Labels, int], Exemplar] = {}

    def add(self, labels: Labels, values: Histogram) -> None:
        """Count all that the histogram has counted."""
        self.at(self.place(labels)).add(values)

    def at(self, place: Labels) -> Histogram:
        """The histogram of a series."""
        return self.series.get(place) or self.series.setdefault(place, Histogram(self.metric.buckets))

    def copy(self) -> Self:
        """As of a family; the histograms are copies, too."""
        copied = super().copy()
        copied.series = {labels: histogram.copy() for labels, histogram in self.series.items()}
        copied.exemplars = self.exemplars.copy()
        return copied


def family_of(metric: Metric) -> Numbers | Distributions:
    """A family without series."""
    return Distributions(metric) if metric.kind == "histogram" else Numbers(metric)
