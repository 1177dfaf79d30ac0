"""HALF_OPEN: a bounded round of probes decides, as early as it can, and nothing wedges it."""

from __future__ import annotations

import asyncio

import pytest

from switchgear import CallNotPermitted, CircuitBreaker, Reason, State, Verdict
from switchgear.testing import VirtualClock
from tests.support import Ear, Said, breaker_of, decided, fail, half_open, hold, path, refused, state, succeed


def said(breaker: CircuitBreaker) -> tuple[str, str]:
    last = breaker.snapshot().last
    assert last is not None
    return str(last.reason), last.detail


def test_at_most_so_many_probes_at_once() -> None:
    """Four are admitted, a thousand others are refused and not kept waiting."""
    breaker = half_open(VirtualClock())
    assert said(breaker) == ("wait_elapsed", "the wait is over")
    held = [hold(breaker) for _ in range(4)]
    for _ in range(1000):
        refused(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.in_flight, snapshot.probes) == (4, (0, 4))
    assert snapshot.refused == {State.HALF_OPEN: 1000}
    for call in held:
        call.closed()


def test_at_most_so_many_probes_in_a_round() -> None:
    """A decided probe's place is not given to another: one success, one failure, and two more places."""
    breaker = half_open(VirtualClock())
    succeed(breaker)
    fail(breaker)
    held = [hold(breaker), hold(breaker)]
    assert breaker.snapshot().probes == (2, 2)
    refusal = refused(breaker)
    assert (refusal.state, refusal.retry_after) == (State.HALF_OPEN, None)
    assert refusal.reason == "all 4 probes of this round are taken"
    for call in held:
        call.closed()


def test_it_closes_as_soon_as_the_rest_cannot_fail_it() -> None:
    """Three of four served: were the fourth to fail, that is a quarter, below half."""
    breaker = half_open(VirtualClock())
    last = hold(breaker)
    succeed(breaker, 2)
    assert decided(breaker) is State.HALF_OPEN
    succeed(breaker, 1)
    assert decided(breaker) is State.CLOSED
    assert said(breaker) == ("probes_passed", "3 of 4 probes decided")
    last.raises(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late, snapshot.calls) == (State.CLOSED, 1, 0)


def test_it_opens_as_soon_as_the_rest_cannot_save_it() -> None:
    """Two of four failed: half, whatever the others do."""
    breaker = half_open(VirtualClock())
    last = hold(breaker)
    fail(breaker, 1)
    assert decided(breaker) is State.HALF_OPEN
    fail(breaker, 1)
    assert decided(breaker) is State.OPEN
    assert said(breaker) == ("probes_failed", "2 of 2 probes failed (limit 0.5 of 4)")
    last.returns()
    assert breaker.snapshot().late == 1


def test_one_unlucky_probe_decides_nothing() -> None:
    """One failure among four closes all the same."""
    breaker = half_open(VirtualClock())
    fail(breaker)
    succeed(breaker, 3)
    assert decided(breaker) is State.CLOSED


def test_a_throttled_probe_counts_half() -> None:
    """Four throttled probes are two failures of four."""
    breaker = half_open(VirtualClock())
    fail(breaker, 3, Verdict.THROTTLED)
    assert decided(breaker) is State.HALF_OPEN
    fail(breaker, 1, Verdict.THROTTLED)
    assert said(breaker) == ("probes_failed", "2 of 4 probes failed (limit 0.5 of 4)")


def test_without_a_failure_rate_half_of_the_probes_is_the_measure() -> None:
    """The rule on rates may be off; probes need a measure all the same."""
    breaker = half_open(VirtualClock(), failure_rate_threshold=None, consecutive_failures=4)
    fail(breaker, 1)
    assert decided(breaker) is State.HALF_OPEN
    fail(breaker, 1)
    assert said(breaker) == ("probes_failed", "2 of 2 probes failed (limit 0.5 of 4)")


@pytest.mark.parametrize(
    ("verdict", "reason", "retry_after"),
    [
        (Verdict.THROTTLED.after(3.0), "throttled", 3.0),
        (Verdict.EXHAUSTED.after(30.0), "exhausted", 30.0),
        (Verdict.EXHAUSTED, "exhausted", None),
    ],
)
def test_a_probe_that_is_told_to_wait_opens_at_once(verdict: Verdict, reason: str, retry_after: float | None) -> None:
    """For as long as the backend said."""
    breaker = half_open(VirtualClock())
    fail(breaker, 1, verdict)
    snapshot = breaker.snapshot()
    assert (snapshot.state, said(breaker)[0], snapshot.retry_after) == (State.OPEN, reason, retry_after)


def test_slow_probes_fail_the_round_though_they_served() -> None:
    """Two of four slow are half."""
    clock = VirtualClock()
    breaker = half_open(clock, slow_call_duration_threshold=1.0)
    for _ in range(2):
        assert decided(breaker) is State.HALF_OPEN
        with breaker.permit():
            clock.advance(1.0)
    assert said(breaker) == ("probes_failed", "2 probes were slow (limit 0.5 of 4)")


def test_a_quick_probe_does_not_make_a_slow_one_undone() -> None:
    """Slow, quick, slow: two of four."""
    clock = VirtualClock()
    breaker = half_open(clock, slow_call_duration_threshold=1.0)
    for seconds in (1.0, 0.0, 1.0):
        assert decided(breaker) is State.HALF_OPEN
        with breaker.permit():
            clock.advance(seconds)
    assert decided(breaker) is State.OPEN


def test_probes_that_hang_fail_the_round_before_they_return() -> None:
    """Those in flight for longer than the threshold are slow already."""
    clock = VirtualClock()
    breaker = half_open(clock, slow_call_duration_threshold=1.0)
    held = [hold(breaker), hold(breaker)]
    clock.advance(0.99)
    assert state(breaker) is State.HALF_OPEN
    clock.advance(0.01)
    assert state(breaker) is State.OPEN
    for call in held:
        call.closed()


def test_where_probes_may_be_slow_good_ones_do_not_decide_too_early() -> None:
    """With a slow limit of a quarter one slow probe of four fails the round: three quick ones cannot close it yet."""
    clock = VirtualClock()
    breaker = half_open(clock, slow_call_duration_threshold=1.0, slow_call_rate_threshold=0.25)
    succeed(breaker, 3)
    assert decided(breaker) is State.HALF_OPEN
    with breaker.permit():
        clock.advance(1.0)
    assert decided(breaker) is State.OPEN


def test_where_no_probe_can_be_slow_the_slow_limit_delays_nothing() -> None:
    """Nothing says what slow is: three of four that served close, whatever the fourth takes."""
    breaker = half_open(VirtualClock(), slow_call_rate_threshold=0.25)
    succeed(breaker, 3)
    assert decided(breaker) is State.CLOSED


def test_a_probe_whose_stream_is_long_is_not_slow() -> None:
    """Its head was quick; after that it is its consumer's affair."""
    clock = VirtualClock()
    breaker = half_open(clock, slow_call_duration_threshold=1.0, permitted_calls_in_half_open=1)
    permit = breaker.permit()
    permit.first_chunk()
    clock.advance(20.0)
    assert state(breaker) is State.HALF_OPEN
    permit.succeed()
    assert decided(breaker) is State.CLOSED


def test_a_head_prolongs_a_probes_lease_once() -> None:
    """From its head on a stream has another probe_timeout, and then its permit is another's."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=1, probe_timeout=10.0)
    permit = breaker.permit()
    clock.advance(9.0)
    permit.first_chunk()
    clock.advance(9.0)
    assert breaker.snapshot().probes == (0, 1)
    permit.first_chunk()
    clock.advance(1.0)
    assert breaker.snapshot().probes == (0, 0)


def test_a_head_does_not_bring_a_lost_probe_back() -> None:
    """Its permit may be another's by now."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=1, probe_timeout=10.0)
    permit = breaker.permit()
    clock.advance(10.0)
    permit.first_chunk()
    assert breaker.snapshot().probes == (0, 0)
    permit.succeed()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late) == (State.HALF_OPEN, 1)


def test_a_failed_attempt_settles_a_probe() -> None:
    """Evidence at once: a client that retries inside does not hold a probe for its retries' sake."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    permit = breaker.permit()
    permit.attempt_failed(Said(Verdict.FAILURE))
    assert decided(breaker) is State.OPEN
    permit.succeed()
    assert breaker.snapshot().late == 0  # it was settled: there is nothing to be late


# -- what cannot wedge it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancelled", "closed", "interrupted"])
def test_a_probe_that_says_nothing_gives_its_permit_back(how: str) -> None:
    """Cancellation, GeneratorExit and KeyboardInterrupt are neither success nor failure; the round goes on."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    for _ in range(10):
        call = hold(breaker)
        if how == "cancelled":
            call.raises(asyncio.CancelledError())
        elif how == "closed":
            call.closed()
        else:
            call.raises(KeyboardInterrupt())
        assert breaker.snapshot().probes == (0, 0)
    succeed(breaker)
    assert decided(breaker) is State.CLOSED


def test_a_lost_probes_permit_is_reclaimed() -> None:
    """At its deadline, not before; what it brings later is late and decides nothing."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=1, probe_timeout=10.0)
    lost = hold(breaker)
    clock.advance(9.99)
    refused(breaker)
    clock.advance(0.01)
    second = hold(breaker)
    lost.returns()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late, snapshot.probes) == (State.HALF_OPEN, 1, (0, 1))
    second.returns()
    assert decided(breaker) is State.CLOSED


def test_every_lost_probe_is_counted_as_late() -> None:
    """One by one."""
    clock = VirtualClock()
    breaker = half_open(clock, probe_timeout=10.0)
    lost = [hold(breaker) for _ in range(3)]
    clock.advance(10.0)
    for call in lost:
        call.returns()
    assert breaker.snapshot().late == 3


def test_a_round_without_decision_is_over_after_its_maximum() -> None:
    """Counted from the first probe; then it is open, for the next, longer wait."""
    clock = VirtualClock()
    breaker = half_open(clock, probe_timeout=100.0, max_wait_in_half_open=20.0)
    clock.advance(5.0)
    held = [hold(breaker) for _ in range(4)]
    clock.advance(19.99)
    assert state(breaker) is State.HALF_OPEN
    clock.advance(0.01)
    assert state(breaker) is State.OPEN
    assert said(breaker) == ("probes_overdue", "probes under way, and nothing heard of them for 20 s")
    for call in held:
        call.closed()


def test_the_first_probe_starts_the_clock_and_further_ones_do_not_restart_it() -> None:
    """Probes that are admitted and not heard of do not put the decision off; a result does."""
    clock = VirtualClock()
    breaker = half_open(clock, max_wait_in_half_open=20.0)
    calls = [hold(breaker)]
    clock.advance(15.0)
    calls.append(hold(breaker))
    clock.advance(5.0)
    assert state(breaker) is State.OPEN
    for call in calls:
        call.closed()


def test_rare_calls_that_succeed_close_it() -> None:
    """However long the pauses between the probes are: only silence while some are under way ends a round."""
    clock = VirtualClock()
    breaker = half_open(clock, max_wait_in_half_open=20.0)
    for _ in range(3):
        succeed(breaker)
        clock.advance(3600.0)
    assert state(breaker) is State.CLOSED


def test_a_round_that_nobody_probes_lasts() -> None:
    """Without a call there is nothing to decide, and nothing overdue."""
    clock = VirtualClock()
    breaker = half_open(clock)
    clock.advance(1e6)
    assert state(breaker) is State.HALF_OPEN


def test_a_round_in_which_all_probes_were_cancelled_lasts() -> None:
    """Nothing is under way, whatever was decided before; with a probe that is, the round can become overdue."""
    clock = VirtualClock()
    breaker = half_open(clock, max_wait_in_half_open=20.0)
    hold(breaker).closed()
    clock.advance(1e6)
    assert state(breaker) is State.HALF_OPEN
    succeed(breaker)
    hold(breaker).closed()
    clock.advance(1e6)
    assert state(breaker) is State.HALF_OPEN
    call = hold(breaker)
    clock.advance(20.0)
    assert state(breaker) is State.OPEN
    call.closed()


def test_a_cancelled_probe_does_not_stop_the_clock_for_the_others() -> None:
    """While another probe is under way the round can still become overdue."""
    clock = VirtualClock()
    breaker = half_open(clock, max_wait_in_half_open=20.0, probe_timeout=100.0)
    other = hold(breaker)
    hold(breaker).closed()
    clock.advance(20.0)
    assert state(breaker) is State.OPEN
    other.closed()


def test_results_from_before_decide_nothing() -> None:
    """Neither success nor failure of a call that was admitted while CLOSED."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    good, bad, cancelled = hold(breaker), hold(breaker), hold(breaker)
    fail(breaker, 4)
    clock.advance(8.0)
    probe = hold(breaker)
    good.returns()
    bad.raises(Said(Verdict.FAILURE))
    cancelled.closed()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.probes, snapshot.late) == (State.HALF_OPEN, (0, 1), 3)
    refused(breaker)
    probe.returns()
    assert decided(breaker) is State.CLOSED


# -- who probes --------------------------------------------------------------------------------------------------------


def test_where_only_the_active_check_probes_users_are_refused() -> None:
    """And told so; the check is admitted, and its results decide."""
    breaker = half_open(VirtualClock(), probe_with="health", permitted_calls_in_half_open=1)
    assert refused(breaker).reason == "only the active check may probe"
    breaker.acquire_probe("b.probe").succeed()
    assert decided(breaker) is State.CLOSED


@pytest.mark.parametrize("probe_with", ["traffic", "both"])
def test_otherwise_users_probe(probe_with: str) -> None:
    """And the check may, within the same round."""
    breaker = half_open(VirtualClock(), probe_with=probe_with, permitted_calls_in_half_open=2)  # type: ignore[arg-type]
    user = hold(breaker)
    check = breaker.acquire_probe("b.probe")
    with pytest.raises(CallNotPermitted):
        breaker.acquire_probe("b.probe")
    check.succeed()
    user.returns()
    assert decided(breaker) is State.CLOSED


# -- news, and rules anew ----------------------------------------------------------------------------------------------


def test_news_from_outside_opens_it() -> None:
    """Most of the service is down."""
    breaker = half_open(VirtualClock())
    breaker.trip(Reason.MAJORITY, "3 of 4")
    assert said(breaker) == ("majority", "3 of 4")


def test_fewer_probes_by_new_rules_may_decide_at_once() -> None:
    """Of the two that were wanted two have served: it does not wait for a call to notice."""
    breaker = half_open(VirtualClock())
    succeed(breaker, 2)
    assert decided(breaker) is State.HALF_OPEN
    breaker.reconfigure(breaker_of(permitted_calls_in_half_open=2).config)
    assert decided(breaker) is State.CLOSED


def test_fewer_probes_than_were_decided_judge_by_those() -> None:
    """One failure of three is not half, though only one probe is wanted now."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=8)
    fail(breaker, 1)
    succeed(breaker, 2)
    breaker.reconfigure(breaker_of(permitted_calls_in_half_open=1).config)
    assert decided(breaker) is State.CLOSED
    assert said(breaker) == ("probes_passed", "3 of 3 probes decided")


def test_closing_begins_with_an_empty_window() -> None:
    """The failures that opened it, and their causes, are forgotten; the attempts are not."""
    clock = VirtualClock()
    breaker = half_open(clock)
    ear = Ear()
    breaker.subscribe(ear)
    succeed(breaker, 3)
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.failure_rate, snapshot.causes, snapshot.share) == (0, 0.0, (), 1.0)
    assert path(ear) == [("HALF_OPEN", "CLOSED", "probes_passed")]
    assert (snapshot.since, snapshot.generation) == (clock(), 3)
    assert snapshot.retry_after is None


def test_a_check_that_nobody_runs_does_not_keep_users_out_for_ever() -> None:
    """Where probing is left to the active check, users' calls probe after all once it has had the time of a round."""
    clock = VirtualClock()
    breaker = breaker_of(clock, probe_with="health", max_wait_in_half_open=32.0)
    breaker.force_open("away", for_=1.0)
    clock.advance(1.0)
    assert str(breaker.state) == "HALF_OPEN"
    clock.advance(31.75)
    with pytest.raises(CallNotPermitted, match="only the active check may probe"):
        breaker.permit()
    clock.advance(0.25)
    for _ in range(3):
        breaker.permit().succeed()
    assert str(breaker.state) == "CLOSED"


def test_probes_can_be_held_back() -> None:
    """While something else has to come first, neither users nor the active check probe, and they are told why."""
    clock = VirtualClock()
    breaker = half_open(clock)
    breaker.hold_probes(2.0, "it waits for db")
    with pytest.raises(CallNotPermitted, match="it waits for db"):
        breaker.permit()
    with pytest.raises(CallNotPermitted, match="it waits for db"):
        breaker.acquire_probe("probe")
    clock.advance(2.0)
    succeed(breaker, 4)
    assert breaker.state is State.CLOSED
