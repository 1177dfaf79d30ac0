"""Families as prometheus_client writes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily, Metric

from switchgear._histogram import Histogram
from switchgear._metrics import exported_name
from switchgear.observers._family import Distributions, Labels, Numbers


def exposed(family: Numbers | Distributions) -> Metric:
    """One family, with all its series."""
    metric, name = family.metric, exported_name(family.metric)
    if isinstance(family, Distributions):
        histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels, unit=metric.unit)
        for labels, values in family.series.items():
            histogram.add_metric(labels, list(_buckets(family, labels)), values.sum)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    numbers = kind(name, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, value in family.series.items():
        numbers.add_metric(labels, value)
    return numbers


def upper_bounds(values: Histogram) -> list[str]:
    """Of its buckets, as the label `le` has them."""
    return [*map(str, values.bounds), "+Inf"]


def _buckets(family: Distributions, labels: Labels) -> Iterator[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Upper bound, how many up to there, and where one is known, an example."""
    values = family.series[labels]
    for index, (bound, count) in enumerate(zip(upper_bounds(values), accumulate(values.counts), strict=True)):
        known = family.exemplars.get((labels, index))
        if known is None:
            yield bound, count
        else:
            trace = {"trace_id": known.trace_id, "span_id": known.span_id}
            yield bound, count, Exemplar(trace, known.seconds)
