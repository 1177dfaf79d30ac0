"""OPEN: refuses until its moment, to the point, and for as long as it should be."""

from __future__ import annotations

import random

import pytest

from switchgear import Backoff, CallNotPermitted, Cause, CircuitBreaker, Reason, Refused, State, Verdict, _circuit
from switchgear.testing import VirtualClock
from tests.support import Ear, Said, breaker_of, decided, fail, hold, opened, refused, state, succeed


def test_it_refuses_until_the_end_of_its_wait_and_not_beyond() -> None:
    """A hair before the end it refuses; exactly at the end it probes."""
    clock = VirtualClock()
    breaker = opened(clock)
    clock.advance(8.0 - 1e-9)
    refused(breaker)
    clock.advance(8.0 + 1000.0 - clock())
    assert state(breaker) is State.HALF_OPEN


def test_no_call_reaches_the_backend() -> None:
    """The function is not called."""
    breaker = opened(VirtualClock())
    calls = 0

    @breaker
    def backend() -> None:
        nonlocal calls
        calls += 1

    for _ in range(10):
        with pytest.raises(CallNotPermitted):
            backend()
    assert calls == 0


def test_a_refusal_says_everything() -> None:
    """Who, in which state, for how long, by which rule with which numbers, and after which causes."""
    clock = VirtualClock()
    breaker = opened(clock)
    clock.advance(3.0)
    refusal = refused(breaker)
    assert refusal.breaker == "b"
    assert refusal.domain == ""
    assert refusal.state is State.OPEN
    assert refusal.retry_after == 5.0
    assert refusal.reason == "failure rate 1.00 of 4 calls (limit 0.5)"
    assert refusal.causes == (Cause("Said", "no", 4),)
    assert str(refusal) == (
        "Call not permitted: b is OPEN: failure rate 1.00 of 4 calls (limit 0.5). "
        "Last causes: 4 x Said: no. Try again in 5.0 s."
    )


def test_a_refusal_without_a_moment_names_none() -> None:
    """Exhausted until an operator: there is no time to wait for."""
    breaker = breaker_of()
    fail(breaker, 1, Verdict.EXHAUSTED)
    refusal = refused(breaker)
    assert refusal.retry_after is None
    assert "Try again" not in str(refusal)


def test_a_refusal_takes_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens to refusals: nothing can change before the moment."""
    breaker = opened(VirtualClock())
    monkeypatch.setattr(_circuit, "_lock", None)
    assert refused(breaker).state is State.OPEN


def test_refusals_are_counted_and_heard() -> None:
    """By the state they met, with and without a listener, over the end of the era too."""
    clock = VirtualClock()
    breaker = opened(clock)
    for _ in range(3):
        refused(breaker)
        assert breaker.snapshot().refused[State.OPEN] == breaker.snapshot().refused[State.OPEN]
    ear = Ear()
    breaker.subscribe(ear)
    refused(breaker)
    [event] = ear.of(Refused)
    assert (event.breaker, event.state, event.retry_after, event.at) == ("b", State.OPEN, 8.0, clock())
    assert breaker.snapshot().refused == {State.OPEN: 4}
    clock.advance(8.0)
    assert state(breaker) is State.HALF_OPEN
    assert breaker.snapshot().refused == {State.OPEN: 4}


@pytest.mark.parametrize("seconds", [0.0, 0.125, 7.875])
def test_late_results_neither_close_nor_prolong(seconds: float) -> None:
    """A success and a failure from before change neither state nor moment; they are counted apart."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    good, bad = hold(breaker), hold(breaker)
    fail(breaker, 4)
    before = breaker.snapshot()
    clock.advance(seconds)
    good.returns()
    bad.raises(Said(Verdict.EXHAUSTED))
    after = breaker.snapshot()
    assert (after.state, after.since, after.verdicts) == (before.state, before.since, before.verdicts)
    assert after.retry_after == 8.0 - seconds
    assert after.late == 2


def test_news_from_outside_does_not_prolong() -> None:
    """It is open already."""
    clock = VirtualClock()
    breaker = opened(clock)
    clock.advance(4.0)
    breaker.trip(Reason.MAJORITY, "others")
    assert breaker.snapshot().retry_after == 4.0


def test_huge_steps_end_the_wait_once() -> None:
    """A clock that jumps by years finds it half-open, no more."""
    clock = VirtualClock()
    breaker = opened(clock)
    clock.advance(1e9)
    assert state(breaker) is State.HALF_OPEN
    assert breaker.snapshot().since == clock()


def test_clocks_that_are_read_out_of_order_do_not_turn_time_back() -> None:
    """Of two threads the one that read earlier may come later: the wait is not over twice, nor longer."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    machine = breaker._machine
    lane = breaker.default_lane
    tickets = [machine.admit(lane, 1010.0) for _ in range(4)]
    for ticket in tickets:
        assert ticket is not None
        machine.settle(ticket, lane, Verdict.FAILURE, 0.0, 1010.0)
    assert machine.state is State.OPEN
    assert machine.admit(lane, 1005.0) is None
    assert machine.snapshot(1005.0).retry_after == 8.0
    assert machine.snapshot(1017.9).state is State.OPEN
    assert machine.snapshot(1018.0).state is State.HALF_OPEN


# -- how long ----------------------------------------------------------------------------------------------------------


def waits(clock: VirtualClock, breaker: CircuitBreaker, rounds: int) -> list[float]:
    """The wait of each of several openings in a row, each probed and failed."""
    found = []
    for _ in range(rounds):
        retry_after = breaker.snapshot().retry_after
        assert retry_after is not None
        found.append(retry_after)
        clock.advance(retry_after)
        fail(breaker, 1)
    return found


def test_a_fixed_wait_is_fixed() -> None:
    """A plain number is that number each time, without jitter."""
    clock = VirtualClock()
    breaker = opened(clock, permitted_calls_in_half_open=1)
    assert waits(clock, breaker, 4) == [8.0, 8.0, 8.0, 8.0]


def test_the_wait_grows_with_each_failed_round() -> None:
    """By the multiplier, up to the maximum."""
    clock = VirtualClock()
    backoff = Backoff(initial=1.0, multiplier=3.0, max=20.0, jitter=0.0)
    breaker = opened(clock, permitted_calls_in_half_open=1, wait_duration_in_open=backoff)
    assert waits(clock, breaker, 5) == [1.0, 3.0, 9.0, 20.0, 20.0]


def test_closing_does_not_make_the_wait_small_again_time_does() -> None:
    """One step is forgotten for each `forget` seconds spent CLOSED: a flapping backend keeps its longer wait."""
    clock = VirtualClock()
    backoff = Backoff(initial=1.0, multiplier=2.0, max=60.0, jitter=0.0, forget=10.0)
    breaker = opened(clock, permitted_calls_in_half_open=1, wait_duration_in_open=backoff)
    assert waits(clock, breaker, 2) == [1.0, 2.0]
    clock.advance(4.0)
    succeed(breaker)
    assert decided(breaker) is State.CLOSED
    clock.advance(5.0)
    fail(breaker, 4)
    assert breaker.snapshot().retry_after == pytest.approx(2.0 ** (3.5 - 1))
    clock.advance(100.0)
    succeed(breaker)
    clock.advance(1000.0)
    fail(breaker, 4)
    assert breaker.snapshot().retry_after == 1.0


def test_an_outage_of_hours_is_forgotten_like_one_of_minutes() -> None:
    """Attempts beyond the longest wait are not remembered: they would take as long to be forgotten as they took."""
    clock = VirtualClock()
    backoff = Backoff(initial=1.0, multiplier=2.0, max=8.0, jitter=0.0, forget=10.0)
    breaker = opened(clock, permitted_calls_in_half_open=1, wait_duration_in_open=backoff)
    assert waits(clock, breaker, 100)[-1] == 8.0
    clock.advance(8.0)
    succeed(breaker)
    clock.advance(40.0)
    fail(breaker, 4)
    assert breaker.snapshot().retry_after == 1.0


def test_only_time_spent_closed_is_forgiving() -> None:
    """Open and half-open, however long, are no proof of health."""
    clock = VirtualClock()
    backoff = Backoff(initial=1.0, multiplier=2.0, max=60.0, jitter=0.0, forget=1.0)
    breaker = opened(clock, permitted_calls_in_half_open=1, wait_duration_in_open=backoff)
    clock.advance(1000.0)
    assert state(breaker) is State.HALF_OPEN
    clock.advance(1000.0)
    fail(breaker, 1)
    assert breaker.snapshot().retry_after == 2.0


def test_a_reset_makes_the_wait_small_again() -> None:
    """An operator says that it is well."""
    clock = VirtualClock()
    backoff = Backoff(initial=1.0, multiplier=2.0, max=60.0, jitter=0.0)
    breaker = opened(clock, permitted_calls_in_half_open=1, wait_duration_in_open=backoff)
    waits(clock, breaker, 4)
    breaker.reset()
    fail(breaker, 4)
    assert breaker.snapshot().retry_after == 1.0


@pytest.mark.parametrize(("roll", "expected"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_jitter_only_adds(roll: float, expected: float) -> None:
    """The wait is never shorter than configured, and at most 1 + jitter times it."""
    breaker = breaker_of(wait_duration_in_open=Backoff(initial=4.0, jitter=0.5))
    breaker._machine._roll = lambda: roll
    fail(breaker, 4)
    assert breaker.snapshot().retry_after == expected


def test_by_default_there_is_full_jitter() -> None:
    """Of a hundred breakers no two open for the same time, each between 1 and 2 s."""
    found = set()
    for _ in range(100):
        breaker = breaker_of(wait_duration_in_open=Backoff())
        fail(breaker, 4)
        found.add(breaker.snapshot().retry_after)
    assert len(found) == 100
    assert 1.0 <= min(filter(None, found)) < 1.2
    assert 1.8 < max(filter(None, found)) <= 2.0


def test_by_default_a_wait_is_a_tenth_of_the_outage() -> None:
    """Or so; whatever chance says no more than three tenths of it, beyond the first wait, and never more than forty
    seconds: who is back is found back in proportion.
    """
    for seed in range(100):
        backoff, chance, gone = Backoff(), random.Random(seed), 0.0
        for attempt in range(1, 60):
            wait = backoff.wait(attempt, chance.random())
            assert wait <= min(2.0 + 0.3 * gone, 40.0)
            gone += wait
    longest = Backoff().attempts
    assert Backoff().wait(longest, 0.0) == 20.0 > Backoff().wait(longest - 1, 0.0)


def test_no_number_of_attempts_is_too_many() -> None:
    """After ten thousand failed rounds the wait is the maximum, and nothing overflows."""
    backoff = Backoff(initial=1.0, multiplier=1e6, max=60.0, jitter=0.0)
    assert [backoff.wait(attempt, 0.0) for attempt in (1.0, 2.0, 60.0, 10_000.0)] == [1.0, 60.0, 60.0, 60.0]


def test_reconfiguring_keeps_the_moment() -> None:
    """The wait that was set stands; the next one goes by the new rules."""
    clock = VirtualClock()
    breaker = opened(clock, permitted_calls_in_half_open=1)
    breaker.reconfigure(breaker_of(wait_duration_in_open=2.0, permitted_calls_in_half_open=1).config)
    assert waits(clock, breaker, 2) == [8.0, 2.0]
