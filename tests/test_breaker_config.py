"""Rules that cannot be meant are refused where they are written, with the key."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import pytest

from switchgear import Backoff, BreakerConfig, ConfigurationError, CountWindow, Ramp


@pytest.mark.parametrize(
    ("made", "key", "said"),
    [
        (lambda: BreakerConfig(failure_rate_threshold=0.0), "failure_rate_threshold", "0.0 is no ratio"),
        (lambda: BreakerConfig(failure_rate_threshold=50), "failure_rate_threshold", "50 is no ratio"),
        (lambda: BreakerConfig(slow_call_rate_threshold=nan), "slow_call_rate_threshold", "nan is no ratio"),
        (lambda: BreakerConfig(minimum_number_of_calls=0), "minimum_number_of_calls", "0 calls are too few"),
        (lambda: BreakerConfig(consecutive_failures=0), "consecutive_failures", "0 calls are too few"),
        (
            lambda: BreakerConfig(permitted_calls_in_half_open=-1),
            "permitted_calls_in_half_open",
            "-1 calls are too few",
        ),
        (lambda: BreakerConfig(probe_timeout=0.0), "probe_timeout", "0.0 is no length of time"),
        (lambda: BreakerConfig(max_wait_in_half_open=inf), "max_wait_in_half_open", "inf is no length of time"),
        (lambda: BreakerConfig(window=CountWindow(10)), "minimum_number_of_calls", "is above the size"),
        (lambda: Backoff(initial=-1.0), "wait_duration_in_open.initial", "-1.0 is no length of time"),
        (lambda: Backoff(forget=0.0), "wait_duration_in_open.forget", "0.0 is no length of time"),
        (lambda: Backoff(multiplier=0.5), "wait_duration_in_open.multiplier", "Give 1 or more"),
        (lambda: Backoff(jitter=1.5), "wait_duration_in_open.jitter", "1.5 is no share of the wait"),
        (lambda: Backoff(initial=30.0), "wait_duration_in_open.max", "max (20 s) is below initial (30 s)"),
        (lambda: Ramp(initial=0.0), "ramp.initial", "0.0 is no ratio"),
        (lambda: Ramp(duration=0.0), "ramp.duration", "0.0 is no length of time"),
    ],
)
def test_what_cannot_be_meant(made: Callable[[], object], key: str, said: str) -> None:
    """With the key, the value, and what to give instead."""
    with pytest.raises(ConfigurationError) as refusal:
        made()
    assert refusal.value.key == key
    assert said in str(refusal.value)


def test_waits_without_end_are_as_long_as_the_longest() -> None:
    """A wait that grows beyond all numbers is `max`."""
    assert Backoff(multiplier=1e300, max=60.0).wait(1000, 0.0) == 60.0
    assert Backoff(multiplier=1.0).attempts == 1
