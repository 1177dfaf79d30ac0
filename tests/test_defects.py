"""What was found wrong in the breakers of other languages, and where they disagree: each is a test of ours.

Ten defects, numbered as they were found; then each question on which the engines differ, and what is decided here.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress

import pytest
from anyio import create_task_group

from switchgear import (
    Backoff,
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    ConfigurationError,
    CountWindow,
    Ramp,
    Reason,
    State,
    TimeWindow,
    Transition,
    Verdict,
)
from switchgear.lowlevel import BreakerMachine
from switchgear.testing import VirtualClock
from tests.support import (
    SMALL,
    Ear,
    Said,
    breaker_of,
    fail,
    half_open,
    hold,
    opened,
    path,
    refused,
    succeed,
)
from tests.tasks import DEADLINE, begin, cancel, in_threads, under_way

pytestmark = pytest.mark.anyio


# -- 1: resilience4j, a trip without a wait: the state reads CLOSED and refuses for ever -----------------------------


@pytest.mark.parametrize("how", ["exhausted", "trip", "force_open"])
def test_defect_01_a_trip_without_a_moment_is_shown_as_what_it_is(how: str) -> None:
    """Whatever opens it without saying until when: state, refusal and explanation agree, and a reset lets calls in."""
    breaker = breaker_of()
    match how:
        case "exhausted":
            fail(breaker, 1, Verdict.EXHAUSTED)
        case "trip":
            breaker.trip(Reason.SERVICE_WIDE, "test", wait=math.inf)
        case _:
            breaker.force_open("test")
    refusal = refused(breaker)
    assert breaker.state is breaker.machine_state is refusal.state is breaker.explain().state
    assert breaker.state in {State.OPEN, State.FORCED_OPEN}
    assert refusal.retry_after is None
    breaker.reset()
    succeed(breaker)
    assert breaker.snapshot().state is State.CLOSED


def test_defect_01_a_trip_that_fails_half_way_leaves_it_closed_and_admitting() -> None:
    """The wait cannot be computed (here: no random number is to be had). The state has not moved, nor have the doors;
    once there is a number again, the next failure opens.
    """
    broken = True

    def roll() -> float:
        if broken:
            raise OSError("no entropy")
        return 0.0

    machine = BreakerMachine("b", SMALL, 0.0, roll)
    lane = machine.lane("")

    def failure() -> None:
        ticket = machine.admit(lane, 0.0)
        assert ticket is not None
        machine.settle(ticket, lane, Verdict.FAILURE, 0.0, 0.0)

    for _ in range(3):
        failure()
    for _ in range(5):
        with pytest.raises(OSError, match="no entropy"):
            failure()
        assert machine.state is State.CLOSED
    broken = False
    failure()
    assert machine.snapshot(0.0).state is State.OPEN
    assert machine.admit(lane, 0.0) is None


# -- 2, 6: resilience4j, a time window on the system's clock; failsafe-go, windows that idle breakers do not expire --


def test_defect_02_the_time_window_goes_by_the_clock_it_was_given() -> None:
    """An hour of the given clock, in no time at all, empties it; no real time does."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10), minimum_number_of_calls=100)
    fail(breaker, 50)
    assert breaker.snapshot().calls == 50
    clock.advance(3600)
    assert breaker.snapshot().calls == 0


def test_defect_06_an_idle_breaker_shows_no_stale_rates() -> None:
    """Nobody calls for a minute: what was seen before is gone from the numbers, without a call to make it so."""
    clock = VirtualClock()
    breaker = breaker_of(
        clock, window=TimeWindow(60, buckets=10), minimum_number_of_calls=100, slow_call_duration_threshold=1.0
    )
    for _ in range(10):
        with suppress(Said), breaker.permit():
            clock.advance(1.0)
            raise Said(Verdict.FAILURE)
    before = breaker.snapshot()
    assert (before.calls, before.failure_rate, before.slow_call_rate) == (10, 1.0, 1.0)
    clock.advance(60)
    after = breaker.snapshot()
    assert (after.calls, after.failure_rate, after.slow_call_rate) == (0, 0.0, 0.0)


# -- 3: resilience4j, failsafe, failsafe-go: permits of another half-open period are taken back ----------------------


async def test_defect_03_permits_of_a_former_round_are_not_given_back_to_this_one() -> None:
    """Probes of the last round end in this one, in every way: its places stay as many as they were."""
    clock = VirtualClock()
    breaker = half_open(clock, probe_timeout=1e9, max_wait_in_half_open=20.0)
    async with create_task_group() as group:
        former = [await begin(group, breaker) for _ in range(4)]
        clock.advance(20.0)
        assert breaker.state is State.OPEN
        clock.advance(8.0)
        present = [await begin(group, breaker) for _ in range(4)]
        await former[0].cancel()
        await former[1].end()
        await former[2].end(Said(Verdict.FAILURE))
        await former[3].end(Said(Verdict.IGNORED))
        with pytest.raises(CallNotPermitted):
            await begin(group, breaker)
        assert breaker.snapshot().probes == (0, 4)
        for call in present:
            await call.cancel()


# -- 4: Polly: a cancelled only probe closes; an operator's order runs the wait generator; it runs under the lock ----


async def test_defect_04_a_cancelled_only_probe_does_not_close() -> None:
    """It has proven nothing: still half-open, and the next one decides."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    await cancel(breaker)
    assert breaker.state is State.HALF_OPEN
    fail(breaker)
    assert breaker.snapshot().state is State.OPEN


def test_defect_04_an_operators_order_needs_no_wait_and_asks_for_none() -> None:
    """force_open rolls no dice and makes no later wait longer."""

    def roll() -> float:
        raise AssertionError("nobody asked for a wait")

    machine = BreakerMachine("b", SMALL, 0.0, roll)
    machine.operate("force_open", "test", 0.0)
    machine.operate("force_open", "test", 0.0, seconds=5.0)
    assert machine.state is State.FORCED_OPEN
    clock = VirtualClock()
    breaker = breaker_of(clock, wait_duration_in_open=Backoff(initial=5.0, multiplier=2.0, jitter=0.0))
    for _ in range(3):
        breaker.force_open("test", for_=1.0)
        clock.advance(1.0)
    fail(breaker, 2)
    assert refused(breaker).retry_after == 5.0


def test_defect_04_the_wait_is_data_and_no_foreign_code() -> None:
    """There is nothing of a user's to run while it decides how long to stay open: a function is refused."""
    with pytest.raises((ConfigurationError, TypeError)):
        BreakerConfig(wait_duration_in_open=lambda attempt: 5.0)  # type: ignore[arg-type]


# -- 5: gobreaker: the state is read before the lock is taken; the lock is held while the request runs ---------------


def test_defect_05_no_update_is_lost_and_no_call_waits_for_another() -> None:
    """Eight threads are in their calls at the same time, and then all fail at once: every failure is counted."""
    breaker = breaker_of(window=CountWindow(1000), minimum_number_of_calls=1000)
    inside = threading.Barrier(8)

    @breaker
    def meets_and_fails() -> None:
        inside.wait(DEADLINE)
        raise Said(Verdict.FAILURE)

    def work(_number: int) -> None:
        for _ in range(25):
            with pytest.raises(Said):
                meets_and_fails()

    in_threads(work)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.calls, snapshot.in_flight) == (200, 200, 0)


# -- 7: opossum: a stale success closes; a local refusal opens; a hung probe wedges ----------------------------------


async def test_defect_07_a_stale_success_does_not_close() -> None:
    """Neither OPEN nor HALF_OPEN."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    async with under_way(breaker) as first, under_way(breaker) as second:
        fail(breaker, 4)
        await first.end()
        assert breaker.state is State.OPEN
        clock.advance(8.0)
        await second.end()
        assert breaker.snapshot().state is State.HALF_OPEN


async def test_defect_07_a_local_refusal_does_not_open() -> None:
    """A pool or semaphore of one's own that is full says nothing of the backend: IGNORED, a hundred times."""
    breaker = breaker_of(consecutive_failures=1)
    fail(breaker, 100, Verdict.IGNORED)
    assert (breaker.state, breaker.snapshot().calls) == (State.CLOSED, 0)


async def test_defect_07_a_hung_probe_does_not_wedge() -> None:
    """Though nobody set a timeout for the call: the probe's lease runs out by default."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker):
        refused(breaker)
        clock.advance(BreakerConfig().probe_timeout)
        succeed(breaker)
        assert breaker.state is State.CLOSED


# -- 8: cockatiel: a stale failure reopens beside a running probe, whose success then no longer closes ---------------


async def test_defect_08_a_stale_failure_does_not_reopen_and_the_probe_decides() -> None:
    """The one after the other: stale failure, then the probe's success closes."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker) as stale:
        fail(breaker, 4)
        clock.advance(8.0)
        async with under_way(breaker) as probe:
            await stale.end(Said(Verdict.FAILURE))
            assert breaker.state is State.HALF_OPEN
            await probe.end()
    assert breaker.snapshot().state is State.CLOSED


async def test_defect_08_a_probe_whose_error_says_nothing_does_not_close() -> None:
    """An error that is no evidence returns the place, and that is all."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    fail(breaker, 10, Verdict.IGNORED)
    assert (breaker.state, breaker.snapshot().probes) == (State.HALF_OPEN, (0, 0))


# -- 9: Sentinel: a burst across the boundary of its one bucket is split; any call decides half-open -----------------


@pytest.mark.parametrize("offset", [0.0, 3.0, 57.0, 59.9])
def test_defect_09_a_burst_across_a_boundary_is_one(offset: float) -> None:
    """Ten failures within four seconds open it, wherever the window's parts begin and end."""
    clock = VirtualClock(6000.0 + offset)
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10), minimum_number_of_calls=10)
    for _ in range(10):
        assert breaker.machine_state is State.CLOSED
        fail(breaker)
        clock.advance(0.4)
    assert breaker.state is State.OPEN


async def test_defect_09_only_probes_decide_half_open() -> None:
    """Twenty calls of the era before finish first, well and badly: it waits for its probes."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    before = [hold(breaker) for _ in range(20)]
    fail(breaker, 4)
    clock.advance(8.0)
    for number, call in enumerate(before):
        if number % 2:
            call.returns()
        else:
            call.raises(Said(Verdict.FAILURE))
    assert (breaker.state, breaker.snapshot().probes, breaker.snapshot().late) == (State.HALF_OPEN, (0, 0), 20)
    succeed(breaker, 3)
    assert breaker.snapshot().state is State.CLOSED


# -- 10: Envoy: measuring the minimum latency sheds healthy traffic --------------------------------------------------


def test_defect_10_nothing_is_measured_at_the_cost_of_healthy_calls() -> None:
    """A day of calls, quick and not so quick, one and fifty at a time: not one is refused."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=2.0)
    for hour in range(24):
        calls = [hold(breaker) for _ in range(50 if hour % 2 else 1)]
        clock.advance(0.01 + 0.08 * hour)
        for call in calls:
            call.returns()
        clock.advance(3600.0)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.refused, snapshot.verdicts["SUCCESS"]) == (State.CLOSED, {}, 12 * 50 + 12)


# -- where the engines disagree --------------------------------------------------------------------------------------


def test_decided_a_rate_equal_to_its_threshold_opens() -> None:
    """>=, for failures and for slow calls."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    succeed(breaker, 2)
    fail(breaker, 2)
    assert breaker.state is State.OPEN
    slow = breaker_of(clock, slow_call_duration_threshold=1.0)
    succeed(slow, 2)
    for _ in range(2):
        with slow.permit():
            clock.advance(1.0)
    assert slow.state is State.OPEN


def test_decided_a_success_may_trip_by_a_rate_and_never_by_a_row() -> None:
    """The success that completes the minimum opens by the rate; a success ends a row, it never completes one."""
    breaker = breaker_of()
    fail(breaker, 3)
    assert breaker.state is State.CLOSED
    succeed(breaker)
    assert breaker.snapshot().state is State.OPEN
    row = breaker_of(failure_rate_threshold=None, consecutive_failures=3)
    for _ in range(10):
        fail(row, 2)
        succeed(row)
    assert row.state is State.CLOSED


def test_decided_a_probe_is_admitted_exactly_at_the_end_of_the_wait() -> None:
    """The end is inclusive: not the last instant before it, but it."""
    clock = VirtualClock(1000.0)
    breaker = opened(clock)
    clock.advance(math.nextafter(1008.0, 0.0) - 1000.0)
    refused(breaker)
    clock.advance(1008.0 - clock())
    with breaker.permit():
        assert breaker.snapshot().probes == (0, 1)


def test_decided_an_exception_that_nobody_listed_is_a_failure_and_a_plugin_may_say_neither() -> None:
    """By default every Exception counts; `classify` has a third word beside success and failure."""
    plain = CircuitBreaker("b", SMALL, clock=VirtualClock())
    for error in (OSError(), ValueError(), RuntimeError(), ZeroDivisionError()):
        with pytest.raises(type(error)), plain.permit():
            raise error
    assert plain.state is State.OPEN
    neither = breaker_of()
    fail(neither, 10, Verdict.IGNORED)
    assert (neither.state, neither.snapshot().calls) == (State.CLOSED, 0)


def test_decided_an_ignored_probe_gives_its_permit_back_within_bounds() -> None:
    """Permit back, however often; and where a real probe was also begun, `max_wait_in_half_open` ends the round."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=2, max_wait_in_half_open=10.0)
    hanging = hold(breaker)
    for _ in range(9):
        fail(breaker, 3, Verdict.IGNORED)
        assert breaker.machine_state is State.HALF_OPEN
        clock.advance(1.0)
    clock.advance(1.0)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.last and snapshot.last.reason) == (State.OPEN, Reason.PROBES_OVERDUE)
    hanging.closed()


async def test_decided_a_cancelled_probe_is_neutral() -> None:
    """Neither reopens (Hystrix) nor closes (Polly): its permit is back and the round goes on as if it had not been."""
    breaker = half_open(VirtualClock())
    ear = Ear()
    breaker.subscribe(ear)
    before = breaker.snapshot()
    await cancel(breaker)
    after = breaker.snapshot()
    assert (after.state, after.generation, after.probes) == (before.state, before.generation, (0, 0))
    assert ear.of(Transition) == []


def test_decided_late_results_decide_nothing_and_are_kept_in_the_statistics() -> None:
    """Counted as `late`, and told to observers as such; not among the verdicts, not in a window."""
    breaker = breaker_of()
    ear = Ear()
    held = [hold(breaker) for _ in range(3)]
    fail(breaker, 4)
    breaker.subscribe(ear)
    before = breaker.snapshot()
    held[0].returns()
    held[1].raises(Said(Verdict.FAILURE))
    held[2].raises(Said(Verdict.EXHAUSTED))
    after = breaker.snapshot()
    assert (before.late, after.late) == (0, 3)
    assert (after.verdicts, after.retry_after, after.causes) == (before.verdicts, before.retry_after, before.causes)
    assert [getattr(event, "late", None) for event in ear.heard] == [True, True, True]


def test_decided_a_minimum_above_the_window_is_refused_naming_both() -> None:
    """Not clamped in silence. A time window has no such bound."""
    with pytest.raises(ConfigurationError, match="minimum_number_of_calls") as error:
        BreakerConfig(window=CountWindow(10), minimum_number_of_calls=11)
    assert "11" in str(error.value)
    assert "10" in str(error.value)
    assert error.value.key == "minimum_number_of_calls"
    BreakerConfig(window=CountWindow(11), minimum_number_of_calls=11)
    BreakerConfig(window=TimeWindow(1), minimum_number_of_calls=1_000_000)


def test_decided_surplus_callers_in_half_open_are_refused_at_once() -> None:
    """They are told why; none of them waits for the verdict."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=2)
    held = [hold(breaker), hold(breaker)]
    refusal = refused(breaker)
    assert (refusal.state, refusal.reason) == (State.HALF_OPEN, "all 2 probes of this round are taken")
    for call in held:
        call.returns()
    assert breaker.state is State.CLOSED


def test_decided_the_attempt_counter_decays_while_healthy() -> None:
    """A close does not make the next wait short; a minute of health takes one step back, an hour all of them."""
    clock = VirtualClock()
    backoff = Backoff(initial=5.0, multiplier=2.0, max=60.0, jitter=0.0, forget=60.0)
    breaker = opened(clock, wait_duration_in_open=backoff)
    waits: list[float | None] = []
    for healthy in (0.0, 0.0, 60.0, 60.0, 3600.0):
        waits.append(breaker.snapshot().retry_after)
        clock.advance(waits[-1] or 0.0)
        succeed(breaker, 3)
        clock.advance(healthy)
        fail(breaker, 4)
    waits.append(breaker.snapshot().retry_after)
    assert waits == [5.0, 10.0, 20.0, 20.0, 20.0, 5.0]


def test_decided_while_open_the_cause_stays_readable_and_counters_live() -> None:
    """The rule with its numbers and the causes are those it opened by, until it closes; late results and refusals
    count on.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock)
    late = hold(breaker)
    fail(breaker, 4)
    why = breaker.explain()
    assert why.reason == "failure rate 1.00 of 4 calls (limit 0.5)"
    assert [(cause.type, cause.times) for cause in why.causes] == [("Said", 4)]
    late.raises(Said(Verdict.FAILURE, "something else"))
    clock.advance(4.0)
    assert refused(breaker).causes == why.causes
    after = breaker.explain()
    assert (after.reason, after.causes) == (why.reason, why.causes)
    snapshot = breaker.snapshot()
    assert (snapshot.late, snapshot.refused, snapshot.verdicts["FAILURE"]) == (1, {State.OPEN: 1}, 4)


# -- what no studied engine has together -----------------------------------------------------------------------------


def test_ramp_in_flight_detection_bounded_probes_response_driven_open_and_a_third_outcome_in_one() -> None:
    """One breaker, one story: calls that hang open it; probes are bounded; it closes by a ramp; the backend's own
    "wait" opens it for that long; and what says nothing changes nothing.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=2.0, ramp=Ramp(initial=0.5, duration=10.0))
    ear = Ear()
    breaker.subscribe(ear)
    hanging = [hold(breaker) for _ in range(4)]
    clock.advance(2.5)
    refused(breaker)
    clock.advance(8.0)
    probes = [hold(breaker) for _ in range(4)]
    refused(breaker)
    for call in probes:
        call.returns()
    assert breaker.snapshot().share == 0.5
    succeed(breaker)
    for call in hanging:
        call.closed()
    clock.advance(10.0)
    fail(breaker, 10, Verdict.IGNORED)
    fail(breaker, 1, Verdict.THROTTLED.after(30.0))
    assert refused(breaker).retry_after == 30.0
    assert path(ear) == [
        ("CLOSED", "OPEN", "slow_call_rate"),
        ("OPEN", "HALF_OPEN", "wait_elapsed"),
        ("HALF_OPEN", "CLOSED", "probes_passed"),
        ("CLOSED", "OPEN", "throttled"),
    ]
