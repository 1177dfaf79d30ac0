"""Series are bounded: what calls bring may be made up by strangers."""

from __future__ import annotations

from switchgear._histogram import Histogram
from switchgear._spec import Metric
from switchgear.observers._family import MOST_SERIES, OVERFLOW, Distributions, Numbers

COUNTER = Metric(name="calls", kind="counter", help="Calls.", labels=("service", "domain", "verdict"))
WAIT = Metric(name="wait", kind="histogram", help="Waits.", labels=("service", "domain"), buckets=(1.0,))


def full() -> Numbers:
    family = Numbers(COUNTER)
    for number in range(MOST_SERIES):
        family.add(("s", f"d{number}", "success"), 1)
    return family


def test_two_hundred_series_have_their_own() -> None:
    """None is merged with another."""
    family = full()
    assert set(family.series.values()) == {1}
    assert (len(family.series), family.take_overflowed()) == (200, 0)


def test_what_comes_later_shares_a_series() -> None:
    """The labels that calls bring are lost; service and verdict are not, so sums by these stay true."""
    family = full()
    for domain in ("x", "y", "x"):
        family.add(("s", domain, "failure"), 2)
    family.add(("t", "x", "success"), 5)
    assert family.series["s", OVERFLOW, "failure"] == 6
    assert family.series["t", OVERFLOW, "success"] == 5
    assert len(family.series) == 202


def test_what_shared_a_series_is_counted() -> None:
    """Each time, and told once; known series are no overflow."""
    family = full()
    family.add(("s", "x", "success"), 1)
    family.add(("s", "x", "success"), 1)
    family.add(("s", "d0", "success"), 1)
    assert [family.take_overflowed(), family.take_overflowed()] == [2, 0]


def test_gauges_are_merged_as_their_metric_says() -> None:
    """Summed up, or the least of them."""
    for merged, value in (("sum", 5), ("min", 2)):
        family = Numbers(Metric(name="g", kind="gauge", help="G.", merged=merged))  # type: ignore[arg-type]
        family.add((), 2)
        family.add((), 3)
        assert family.series == {(): value}


def test_histograms_are_bounded_alike() -> None:
    """Their buckets are added up."""
    family = Distributions(WAIT)
    values = Histogram(WAIT.buckets)
    values.observe(0.5)
    values.observe(2.0)
    for number in range(MOST_SERIES + 3):
        family.add(("s", f"d{number}"), values)
    shared = family.series["s", OVERFLOW]
    assert (shared.counts, shared.sum) == ([3, 3], 7.5)
    assert family.take_overflowed() == 3


def test_a_copy_is_left_alone() -> None:
    """What is counted after it is not in it."""
    family = Distributions(WAIT)
    family.at(("s", "d")).observe(0.5)
    copied = family.copy()
    family.at(("s", "d")).observe(0.5)
    family.at(("s", "e")).observe(0.5)
    assert {labels: values.counts for labels, values in copied.series.items()} == {("s", "d"): [1, 0]}
