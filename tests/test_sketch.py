"""Quantiles from a histogram of log-spaced buckets."""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear._sketch import bucket, quantile

latencies = st.lists(st.floats(1e-6, 1200), min_size=1, max_size=200)


@given(latencies, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_off_by_five_percent_at_most(seconds: list[float], share: float) -> None:
    """However the latencies are distributed, measured by the nearest rank."""
    exact = sorted(seconds)[max(1, ceil(share * len(seconds))) - 1]
    told = quantile(Counter(map(bucket, seconds)), share)
    assert told == pytest.approx(exact, rel=0.05 + 1e-9)


@given(st.floats(0, 1e9))
def test_any_latency_has_a_bucket_and_there_are_few(seconds: float) -> None:
    """Also none at all, and one that no caller waits for."""
    assert bucket(0) <= bucket(seconds) <= bucket(1e9)
    assert bucket(1e9) - bucket(0) < 210


def test_without_calls_there_is_no_quantile() -> None:
    """None is not zero seconds."""
    assert quantile({}, 0.5) is None
