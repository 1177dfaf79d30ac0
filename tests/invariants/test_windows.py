"""Invariants 7 and 8: it trips exactly when the predicate holds, on counts that are those of a naive list."""

from __future__ import annotations

from contextlib import suppress
from math import floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchgear import (
    BreakerConfig,
    CircuitBreaker,
    CountWindow,
    State,
    TimeWindow,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Said,
    TransitionEar,
    breaker_of,
)

pytestmark = pytest.mark.anyio


class NaiveWindow:
    """All calls ever, and a look at those that the window covers. Times in seconds from the clock's own zero."""

    def __init__(self, config: BreakerConfig) -> None:
        self.config = config
        self.all: list[tuple[float, int, bool]] = []  # ended at, halves, slow
        self.row = 0

    def add(self, at: float, halves: int, slow: bool) -> None:
        self.all.append((at, halves, slow))
        self.row = self.row + 1 if halves == 2 else 0

    def covered(self, now: float) -> list[tuple[float, int, bool]]:
        window = self.config.window
        if isinstance(window, CountWindow):
            return self.all[-window.size :]
        width = window.seconds / window.buckets
        return [call for call in self.all if floor(call[0] / width) > floor(now / width) - window.buckets]

    def rates(self, now: float) -> tuple[int, float, float]:
        covered = self.covered(now)
        calls = len(covered)
        if not calls:
            return 0, 0.0, 0.0
        return calls, sum(call[1] for call in covered) / 2 / calls, sum(call[2] for call in covered) / calls

    def trips(self, now: float) -> bool:
        calls, failure_rate, slow_rate = self.rates(now)
        config = self.config
        if config.consecutive_failures is not None and self.row >= config.consecutive_failures:
            return True
        if calls < config.minimum_number_of_calls:
            return False
        too_many = config.failure_rate_threshold is not None and failure_rate >= config.failure_rate_threshold
        return too_many or (
            config.slow_call_rate_threshold is not None and slow_rate >= config.slow_call_rate_threshold
        )


HALVES = {"SUCCESS": 0, "THROTTLED": 1, "FAILURE": 2}
PAUSES = [0.0, 0.0, 0.0, 0.5, 1.0, 7.0, 60.0, 61.0, 1e9]

lives = st.lists(
    st.tuples(
        st.sampled_from(PAUSES),
        st.sampled_from([Verdict.SUCCESS, Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
windows = st.one_of(
    st.integers(1, 12).map(CountWindow), st.sampled_from([TimeWindow(60, 10), TimeWindow(8, 1), TimeWindow(3, 6)])
)


def one_call(breaker: CircuitBreaker, clock: VirtualClock, verdict: Verdict, seconds: float) -> None:
    with suppress(Said), breaker.permit():
        clock.advance(seconds)
        if verdict.name != "SUCCESS":
            raise Said(verdict)


@given(
    life=lives,
    window=windows,
    minimum=st.integers(1, 12),
    failure=st.sampled_from([None, 0.25, 0.5, 1.0]),
    slow_rate=st.sampled_from([None, 0.5, 1.0]),
    row=st.sampled_from([None, 2, 5]),
)
@example([(0.0, Verdict.FAILURE, False)] * 4, CountWindow(4), 4, 1.0, None, None)
def test_invariant_07_it_trips_exactly_when_the_predicate_holds(
    life: list[tuple[float, Verdict, bool]],
    window: CountWindow | TimeWindow,
    minimum: int,
    failure: float | None,
    slow_rate: float | None,
    row: int | None,
) -> None:
    """After each call the breaker is open if, and only if, a naive look at the list of calls says so; never by a rate
    of fewer calls than the minimum.
    """
    if isinstance(window, CountWindow):
        minimum = min(minimum, window.size)
    clock = VirtualClock(0.0)
    breaker = breaker_of(
        clock,
        window=window,
        minimum_number_of_calls=minimum,
        failure_rate_threshold=failure,
        slow_call_rate_threshold=slow_rate,
        slow_call_duration_threshold=2.0,
        consecutive_failures=row,
    )
    naive = NaiveWindow(breaker.config)
    for pause, verdict, slow in life:
        clock.advance(pause)
        one_call(breaker, clock, verdict, 2.0 if slow else 0.0)
        if verdict.name == "IGNORED":
            assert breaker.machine_state is State.CLOSED
            continue
        naive.add(clock(), HALVES[verdict.name], slow and slow_rate is not None)
        trips = naive.trips(clock())
        assert (breaker.machine_state is State.OPEN) == trips
        if trips:
            return


@given(life=lives, window=windows)
def test_invariant_08_window_counts_equal_a_naive_list_for_any_steps_of_the_clock(
    life: list[tuple[float, Verdict, bool]], window: CountWindow | TimeWindow
) -> None:
    """Calls, failure rate and slow-call rate of the snapshot, after each call and after each pause."""
    clock = VirtualClock(0.0)
    breaker = breaker_of(
        clock,
        window=window,
        minimum_number_of_calls=1,
        failure_rate_threshold=None,
        slow_call_rate_threshold=1.0,
        slow_call_duration_threshold=2.0,
    )
    breaker.metrics_only("so that nothing opens")
    naive = NaiveWindow(breaker.config)
    ear = TransitionEar()
    breaker.subscribe(ear)
    for pause, verdict, slow in life:
        clock.advance(pause)
        snapshot = breaker.snapshot()
        assert (snapshot.calls, snapshot.failure_rate, snapshot.slow_call_rate) == naive.rates(clock())
        one_call(breaker, clock, verdict, 2.0 if slow else 0.0)
        if verdict.name != "IGNORED":
            naive.add(clock(), HALVES[verdict.name], slow)
        if ear.heard:  # it would have opened, and begins afresh as if it had
            ear.heard.clear()
            naive.all.clear()
        snapshot = breaker.snapshot()
        assert (snapshot.calls, snapshot.failure_rate, snapshot.slow_call_rate) == naive.rates(clock())
