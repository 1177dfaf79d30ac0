"""The limit that is found from latency, before modelled backends; the defects of others by their issue."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear._strategies._gradient import Gradient
from tests.strategies.queueing import Backend, takes

#: Twenty workers and work of 50 ms on the average: 400 calls a second.
WORKERS, WORK, CAPACITY = 20, takes(0.045), 390.0

seeds = pytest.mark.parametrize("seed", range(3))


@seeds
@pytest.mark.parametrize("offered", [420, 800, 1600])
def test_overload(seed: int, offered: float) -> None:
    """However much is offered, nearly all of the capacity is used, hardly anybody queues, and nothing drifts: it is
    so after five minutes as after one (Netflix/concurrency-limits#134: the limit creeps up under mild overload).
    """
    backend = Backend(lambda _now: offered, lambda _now: WORKERS, WORK, seed=seed)
    backend.until(30)
    for minute in (1, 5):
        backend.until(60 * minute)
        span = backend.until(60 * minute + 30)
        assert span.served > 0.9 * CAPACITY
        assert span.limits[1] < 2.5 * WORKERS
        assert span.median < 2 * 0.045
        assert span.timed_out == 0


@seeds
def test_nothing_is_refused_while_there_is_room(seed: int) -> None:
    """At half load no call is shed, ever: nothing is pinned low to be measured (Envoy#18152, #38338)."""
    backend = Backend(lambda _now: CAPACITY / 4, lambda _now: WORKERS, WORK, seed=seed)
    backend.until(10)
    span = backend.until(600)
    assert span.refused == 0
    assert span.limits == (backend.gradient.limit, backend.gradient.limit)


@seeds
def test_a_quarter_of_the_capacity_for_a_minute(seed: int) -> None:
    """The limit follows the capacity down within ten seconds, and back up within half a minute of its return."""
    backend = Backend(lambda _now: 350, lambda now: 5 if 60 <= now < 120 else WORKERS, WORK, seed=seed)
    backend.until(70)
    less = backend.until(120)
    assert less.served > 0.9 * CAPACITY / 4
    assert less.median < 3 * 0.045
    assert less.limits[1] < 20
    backend.until(150)
    assert backend.until(180).served > 0.95 * 350


@seeds
def test_slower_for_reasons_of_its_own(seed: int) -> None:
    """When the backend takes three times as long and nobody queues, fewer calls would help nobody: within a minute the
    limit is where all are served.
    """
    backend = Backend(
        lambda _now: 200, lambda _now: 1000, lambda rng, now: WORK(rng, now) * (1 if now < 60 else 3), seed=seed
    )
    backend.until(120)
    assert backend.until(150).served > 0.95 * 200


@seeds
def test_a_backend_that_hangs_is_let_go_of_and_found_again(seed: int) -> None:
    """Within ten seconds it gets a handful of calls, and within half a minute of its return all of them again."""
    backend = Backend(lambda _now: 200, lambda now: 0 if 30 <= now < 60 else WORKERS, WORK, timeout=1.0, seed=seed)
    backend.until(40)
    assert backend.until(59).timed_out < 10
    backend.until(90)
    assert backend.until(120).served > 0.95 * 200


@seeds
@pytest.mark.parametrize(("dropped", "limits"), [(0.3, (1, 3)), (0.001, (12, 100))])
def test_steady_timeouts(seed: int, dropped: float, limits: tuple[float, float]) -> None:
    """They are no samples, to let the limit grow (Netflix/concurrency-limits#137); a stray one is no overload."""
    hang_or_work = lambda rng, now: 100.0 if rng.random() < dropped else WORK(rng, now)  # noqa: E731
    backend = Backend(lambda _now: 200, lambda _now: 10_000, hang_or_work, timeout=1.0, seed=seed)
    backend.until(120)
    span = backend.until(300)
    assert limits[0] <= span.limits[0]
    assert span.limits[1] <= limits[1]


@seeds
def test_bursts_that_reach_it_do_not_hold_it_down(seed: int) -> None:
    """Callers who ask for six things at once, three times a second, of a backend that is idle in between: what six at
    once take longer than one is no queue. After a spell of throttling the limit lets them ask so again.
    """
    rng = random.Random(seed)
    gradient, now = Gradient(12, 1, 200), 0.0
    while now < 75:
        left, moment = 6, now
        while left > 0:
            together = min(left, int(gradient.limit))
            for place in range(1, together + 1):
                throttled = 15 <= now < 30 and place > 1
                latency = None if throttled else 0.003 * (1 + 0.35 * (together - 1)) * rng.lognormvariate(0, 0.3)
                gradient.settle(latency, place, moment)
            left, moment = left - together, moment + 0.005
        now += rng.expovariate(3)
        assert gradient.limit < 6 or not 25 <= now < 30
    assert gradient.limit >= 6


@given(
    outcomes=st.lists(
        st.tuples(st.none() | st.floats(0, 10), st.integers(1, 500), st.floats(0, 1)), min_size=50, max_size=400
    ),
    minimum=st.integers(1, 20),
)
def test_it_stays_between_its_bounds(outcomes: list[tuple[float | None, int, float]], minimum: int) -> None:
    """Whatever it is told: the limit between the bounds, the baseline a time that was measured or between such."""
    gradient, now = Gradient(20, minimum, 40), 0.0
    for latency, in_flight, pause in outcomes:
        now += pause
        gradient.settle(latency, in_flight, now)
        assert minimum <= gradient.limit <= 40
        assert 0 <= gradient.baseline <= max((seen for seen, _, _ in outcomes if seen is not None), default=0.0)


def test_what_it_keeps_does_not_grow_with_the_calls() -> None:
    """A hundred thousand calls in a second are remembered by a few hundred latencies, from all over the second."""
    gradient, rng = Gradient(20, 1, 200), random.Random(0)
    for number in range(100_000):
        latency = 0.01 if number < 50_000 else 0.03
        gradient.settle(latency + 0.001 * rng.random(), 20, number * 0.99e-5)
    kept = gradient._latencies
    assert 200 < len(kept) <= 513
    assert 0.4 < sum(latency > 0.02 for latency in kept) / len(kept) < 0.6
