"""Invariants 9 and 10: no jump shortens an open interval, which is bounded and grows."""

from __future__ import annotations

import random

import pytest

from switchgear import (
    Backoff,
    CircuitBreaker,
    State,
)
from switchgear._clock import monotonic
from switchgear.testing import VirtualClock
from tests.support import (
    SMALL,
    Ear,
    as_said,
    fail,
    opened,
    path,
    refused,
    succeed,
)

pytestmark = pytest.mark.anyio


class Jumping:
    """A clock that stands where it is put, before or after."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_invariant_09_jumps_never_shorten_open() -> None:
    """Readings that go back, stand still and leap, at random: refused whenever the clock reads less than the end of
    the wait; a leap over any number of waits leads to probes, never straight to CLOSED.
    """
    assert CircuitBreaker("b").clock is monotonic  # which no date setting moves
    for seed in range(50):
        rng = random.Random(seed)
        clock = Jumping()
        breaker = CircuitBreaker("b", SMALL, classify=as_said, clock=clock)
        ear = Ear()
        breaker.subscribe(ear)
        fail(breaker, 4)
        end = clock.now + 8.0
        for _ in range(20):
            clock.now = rng.choice([end - 8.0, end - 1e-9, end - 7200.0, rng.uniform(-1e9, end - 1e-6), 0.0])
            assert refused(breaker).state is State.OPEN
            assert breaker.machine_state is State.OPEN
        clock.now = end + rng.choice([0.0, 1e-9, 7200.0, 1e15])
        assert breaker.state is State.HALF_OPEN
        assert path(ear)[1:] == [("OPEN", "HALF_OPEN", "wait_elapsed")]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_invariant_10_the_open_interval_is_bounded_and_grows(jitter: float) -> None:
    """In [base, base * (1 + jitter)] with a base that doubles per failed round up to `max`; an operator's reset makes
    it small again, a close does not: time spent closed does, step by step.
    """
    clock = VirtualClock()
    backoff = Backoff(initial=5.0, multiplier=2.0, max=40.0, jitter=jitter, forget=60.0)
    breaker = opened(clock, wait_duration_in_open=backoff, permitted_calls_in_half_open=1)

    def interval() -> float:
        retry_after = breaker.snapshot().retry_after
        assert retry_after is not None
        return retry_after

    def reopens() -> None:
        clock.advance(interval())
        fail(breaker)

    def recovers(seconds: float) -> None:
        clock.advance(interval())
        succeed(breaker)
        assert breaker.state is State.CLOSED
        clock.advance(seconds)
        fail(breaker, 4)

    for base in (5.0, 10.0, 20.0, 40.0, 40.0, 40.0):
        assert base <= interval() <= base * (1 + jitter)
        reopens()
    breaker.reset()
    fail(breaker, 4)
    for base, step in ((5.0, reopens), (10.0, reopens), (20.0, lambda: recovers(0.0))):
        assert base <= interval() <= base * (1 + jitter)
        step()
    assert 40.0 <= interval() <= 40.0 * (1 + jitter)  # flapping: the close did not make it forget
    recovers(3 * 60.0)
    assert 10.0 <= interval() <= 10.0 * (1 + jitter)  # the fifth, less three forgotten in three minutes: the second
    recovers(3600.0)
    assert 5.0 <= interval() <= 5.0 * (1 + jitter)
