"""CLOSED: which rule opens, at which call, and what passes without a lock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    Reason,
    State,
    TimeWindow,
    Verdict,
    _circuit,
)
from switchgear.testing import VirtualClock
from tests.support import Ear, Held, Said, TransitionEar, breaker_of, decided, fail, gate, hold, path, state, succeed

HEALTHY_WINDOW = CountWindow(100)


def said(breaker: Any) -> tuple[str, str]:
    """State and reason, in words."""
    snapshot = breaker.snapshot()
    assert snapshot.last is not None
    return str(snapshot.last.reason), snapshot.last.detail


@pytest.mark.parametrize(("good", "bad"), [(2, 2), (3, 3), (0, 4)])
def test_the_failure_rate_opens_at_its_threshold(good: int, bad: int) -> None:
    """Half of at least four calls: the call that reaches it opens, equality is enough."""
    breaker = breaker_of()
    succeed(breaker, good)
    fail(breaker, bad - 1)
    assert decided(breaker) is State.CLOSED
    fail(breaker)
    assert decided(breaker) is State.OPEN
    calls = good + bad
    assert said(breaker) == ("failure_rate", f"failure rate {bad / calls:.2f} of {calls} calls (limit 0.5)")


def test_below_the_failure_rate_it_stays_closed() -> None:
    """49 of 100 do not open at half."""
    breaker = breaker_of(window=HEALTHY_WINDOW)
    for _ in range(49):
        succeed(breaker, 1)
        fail(breaker, 1)
        succeed(breaker, 1)
    assert state(breaker) is State.CLOSED


def test_nothing_opens_by_rate_before_the_minimum() -> None:
    """Three failures of three are too few to tell; the fourth call tells."""
    breaker = breaker_of(slow_call_duration_threshold=1.0)
    fail(breaker, 3)
    assert decided(breaker) is State.CLOSED
    assert breaker.snapshot().failure_rate == 1.0


def test_the_success_that_completes_the_minimum_may_open() -> None:
    """The rules are checked after every result: three of four failed, and the fourth result is a success."""
    breaker = breaker_of()
    fail(breaker, 3)
    succeed(breaker)
    assert said(breaker) == ("failure_rate", "failure rate 0.75 of 4 calls (limit 0.5)")


def test_the_failure_rate_can_be_switched_off() -> None:
    """None: no number of failures opens."""
    breaker = breaker_of(failure_rate_threshold=None)
    fail(breaker, 50)
    assert state(breaker) is State.CLOSED


def test_slow_calls_open_at_their_threshold() -> None:
    """A call of exactly the threshold is slow, and half of four calls are enough, though all of them served."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)
    succeed(breaker, 2)
    for _ in range(2):
        assert decided(breaker) is State.CLOSED
        with breaker.permit():
            clock.advance(1.0)
    assert said(breaker) == ("slow_call_rate", "slow-call rate 0.50 of 4 calls (limit 0.5)")


def test_quicker_than_the_threshold_is_not_slow() -> None:
    """A hair below it does not count."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)
    for _ in range(20):
        with breaker.permit():
            clock.advance(0.999)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.slow_call_rate) == (State.CLOSED, 0.0)


def test_slow_and_failed_are_counted_apart() -> None:
    """A quarter slow and a quarter failed open neither rule of half."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)
    succeed(breaker, 2)
    with breaker.permit():
        clock.advance(2.0)
    fail(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.failure_rate, snapshot.slow_call_rate) == (State.CLOSED, 0.25, 0.25)


def test_the_slow_rate_can_be_switched_off() -> None:
    """None: no call is slow."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, slow_call_rate_threshold=None)
    for _ in range(20):
        with breaker.permit():
            clock.advance(100.0)
    assert state(breaker) is State.CLOSED


def test_what_is_slow_depends_on_the_operation_class() -> None:
    """A class without a threshold is never slow; blocking reads wait by design."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold={"read": 1.0, "write": 4.0})
    for operation_class, seconds in (("blocking", 100.0), ("write", 3.9), ("read", 0.9)) * 4:
        with breaker.permit(operation_class=operation_class):
            clock.advance(seconds)
    assert breaker.snapshot().slow_call_rate == 0.0
    for _ in range(12):
        if decided(breaker) is State.CLOSED:
            with breaker.permit(operation_class="write"):
                clock.advance(4.0)
    assert state(breaker) is State.OPEN


def test_failures_in_a_row_open_whatever_the_rates_say() -> None:
    """The third in a row opens, below any minimum of calls and any rate."""
    breaker = breaker_of(consecutive_failures=3, failure_rate_threshold=None)
    fail(breaker, 2)
    assert decided(breaker) is State.CLOSED
    fail(breaker)
    assert said(breaker) == ("consecutive_failures", "3 failures in a row (limit 3)")


@pytest.mark.parametrize("between", [Verdict.SUCCESS, Verdict.THROTTLED])
def test_a_row_is_ended_by_any_other_result(between: Verdict) -> None:
    """The backend has served, or at least answered."""
    breaker = breaker_of(consecutive_failures=2, failure_rate_threshold=None)
    for _ in range(5):
        fail(breaker)
        fail(breaker, verdict=between)
    assert state(breaker) is State.CLOSED


def test_a_row_is_not_ended_by_what_says_nothing() -> None:
    """A cancelled call between two failures leaves them in a row."""
    breaker = breaker_of(consecutive_failures=2)
    fail(breaker)
    fail(breaker, verdict=Verdict.IGNORED)
    fail(breaker)
    assert state(breaker) is State.OPEN


def test_a_row_is_ended_by_a_success_that_took_no_lock() -> None:
    """Successes that pass by the open door count in their turn."""
    breaker = breaker_of(consecutive_failures=2, window=HEALTHY_WINDOW)
    succeed(breaker, 20)
    for _ in range(10):
        fail(breaker)
        succeed(breaker)
    assert state(breaker) is State.CLOSED


def test_throttled_without_a_wait_counts_half() -> None:
    """Alive, asking for less: all of them throttled are half failed."""
    breaker = breaker_of(failure_rate_threshold=0.75)
    fail(breaker, 8, Verdict.THROTTLED)
    assert breaker.snapshot().failure_rate == 0.5
    fail(breaker, 4)
    assert said(breaker) == ("failure_rate", "failure rate 0.75 of 8 calls (limit 0.75)")


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_throttled_without_a_moment_does_not_open(seconds: float | None) -> None:
    """No wait, or one of nothing, is half a failure."""
    breaker = breaker_of()
    fail(breaker, 1, Verdict.THROTTLED.after(seconds))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate) == (State.CLOSED, 1, 0.5)


def test_throttled_with_a_wait_opens_for_that_long() -> None:
    """One answer is enough: the backend itself said when."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    fail(breaker, 1, Verdict.THROTTLED.after(2.5))
    assert said(breaker) == ("throttled", "the backend asked to wait for 2.5 s")
    assert breaker.snapshot().retry_after == 2.5
    clock.advance(2.5)
    assert state(breaker) is State.HALF_OPEN


def test_exhausted_opens_until_an_operator() -> None:
    """Without a moment there is nothing to wait for, not even for years."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    fail(breaker, 1, Verdict.EXHAUSTED)
    assert said(breaker) == ("exhausted", "exhausted until an operator resets it")
    clock.advance(1e9)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.retry_after) == (State.OPEN, None)
    breaker.reset()
    assert decided(breaker) is State.CLOSED


def test_exhausted_with_a_moment_opens_until_then() -> None:
    """A spent quota comes back at a known time."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    fail(breaker, 1, Verdict.EXHAUSTED.after(3600.0))
    assert said(breaker) == ("exhausted", "exhausted until 3600 s are over")
    clock.advance(3599.0)
    assert state(breaker) is State.OPEN
    clock.advance(1.0)
    assert state(breaker) is State.HALF_OPEN


def test_ignored_results_are_counted_and_change_nothing() -> None:
    """They are neither calls of the window nor failures."""
    breaker = breaker_of(consecutive_failures=1)
    fail(breaker, 50, Verdict.IGNORED)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.in_flight) == (State.CLOSED, 0, 0)
    assert snapshot.verdicts["IGNORED"] == 50


def test_the_count_window_forgets_by_calls() -> None:
    """Failures that are eight calls old are out of a window of eight."""
    breaker = breaker_of()
    succeed(breaker, 4)
    fail(breaker, 3)
    succeed(breaker, 8)
    fail(breaker, 3)
    assert breaker.snapshot().failure_rate == 3 / 8


def test_the_time_window_forgets_by_time() -> None:
    """Failures that are older than the window do not count, also when nothing happened since."""
    clock = VirtualClock(1000.0)
    breaker = breaker_of(clock, window=TimeWindow(10.0, 10), minimum_number_of_calls=10)
    fail(breaker, 9)
    clock.advance(9.0)
    assert breaker.snapshot().calls == 9
    clock.advance(1.0)
    assert breaker.snapshot().calls == 0
    fail(breaker, 9)
    assert state(breaker) is State.CLOSED


def test_time_alone_does_not_open_by_the_failure_rate() -> None:
    """When good calls leave the window first, the rate rises above the limit; the next result opens, not the clock."""
    clock = VirtualClock(1000.0)
    breaker = breaker_of(clock, window=TimeWindow(10.0, 10))
    succeed(breaker, 10)
    clock.advance(5.0)
    fail(breaker, 6)
    clock.advance(5.0)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.failure_rate) == (State.CLOSED, 1.0)
    succeed(breaker)
    assert decided(breaker) is State.OPEN


# -- calls that hang ---------------------------------------------------------------------------------------------------


def test_calls_that_hang_open_before_they_return() -> None:
    """Four calls hang and nothing has ever returned: after the threshold, and a quarter of it, the next event opens."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=8.0)
    held = [hold(breaker) for _ in range(4)]
    clock.advance(7.99)
    assert breaker.snapshot().overdue == 0
    clock.advance(2.01)
    assert state(breaker) is State.OPEN
    assert said(breaker) == ("slow_call_rate", "slow-call rate 1.00 of 4 calls, 4 of them in flight (limit 0.5)")
    for call in held:
        call.returns()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late) == (State.OPEN, 4)


@pytest.mark.parametrize("operation_class", ["", "other"])
def test_calls_that_pass_without_the_lock_notice_what_hangs(operation_class: str) -> None:
    """Nothing fails and nobody looks; good calls of any class pass. Not before T, and by 1.25 T, one of them opens."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold={"": 8.0, "other": 1000.0})
    for _ in range(4):
        with breaker.permit(operation_class="other"):
            pass
    held = [hold(breaker) for _ in range(8)]
    began = clock()
    while decided(breaker) is State.CLOSED and clock() < began + 20.0:
        clock.advance(0.25)
        with contextlib.suppress(CallNotPermitted), breaker.permit(operation_class=operation_class):
            pass
    assert began + 8.0 <= clock() <= began + 10.0
    assert said(breaker)[0] == "slow_call_rate"
    for call in held:
        call.closed()


def test_a_call_that_returns_in_time_is_never_overdue() -> None:
    """However many there are, and however often it is looked."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    for _ in range(100):
        call = hold(breaker)
        clock.advance(0.9)
        assert breaker.snapshot().overdue == 0
        call.returns()
    assert breaker.snapshot().slow_call_rate == 0.0


def test_a_hanging_call_that_is_given_back_is_overdue_no_more() -> None:
    """Cancelled, it says nothing about the backend, and leaves the ledger."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    succeed(breaker, 10)
    call = hold(breaker)
    clock.advance(2.0)
    snapshot = breaker.snapshot()
    assert (snapshot.overdue, snapshot.in_flight, snapshot.slow_call_rate) == (1, 1, 1 / 11)
    call.raises(asyncio.CancelledError())
    snapshot = breaker.snapshot()
    assert (snapshot.overdue, snapshot.in_flight, snapshot.slow_call_rate) == (0, 0, 0.0)


def test_a_hanging_call_counts_once_also_when_it_returns() -> None:
    """While it hangs it is overdue; when it has returned it is a slow call of the window, not both."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    succeed(breaker, 9)
    call = hold(breaker)
    clock.advance(2.0)
    assert breaker.snapshot().slow_call_rate == 1 / 10
    call.returns()
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.overdue, snapshot.slow_call_rate) == (10, 0, 1 / 10)


def test_a_stream_with_its_head_is_not_overdue() -> None:
    """Its length is its consumer's affair, while it lasts and when it ends."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, minimum_number_of_calls=1)
    permit = breaker.permit()
    clock.advance(0.5)
    permit.first_chunk()
    clock.advance(100.0)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.overdue, snapshot.in_flight) == (State.CLOSED, 0, 0)
    permit.succeed()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.slow_call_rate) == (State.CLOSED, 1, 0.0)


def test_a_stream_whose_head_was_slow_is_a_slow_call() -> None:
    """Its latency is the time to its head."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    permit = breaker.permit()
    clock.advance(1.0)
    permit.first_chunk()
    permit.first_chunk()  # only the first one counts
    permit.succeed()
    assert breaker.snapshot().slow_call_rate == 1.0


def test_streams_of_one_moment_are_counted_one_by_one() -> None:
    """Three have their heads, one waits for it, and each that ends leaves once."""
    breaker = breaker_of(VirtualClock(), slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    permits = [breaker.permit() for _ in range(4)]
    flying = []
    for permit in permits[:3]:
        permit.first_chunk()
        flying.append(breaker.snapshot().in_flight)
    for permit in permits:
        permit.succeed()
        flying.append(breaker.snapshot().in_flight)
    assert flying == [3, 2, 1, 1, 1, 1, 0]


def test_as_many_overdue_as_decided_are_half() -> None:
    """Both count once."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    succeed(breaker)
    held = hold(breaker)
    clock.advance(2.0)
    assert breaker.snapshot().slow_call_rate == 0.5
    held.closed()


def test_evidence_of_an_attempt_counts_while_the_call_goes_on() -> None:
    """Four failed attempts inside one call open, though no call has ended."""
    breaker = breaker_of()
    permit = breaker.permit()
    for _ in range(4):
        permit.attempt_failed(Said(Verdict.FAILURE, "attempt"))
    assert decided(breaker) is State.OPEN
    permit.attempt_failed(Said(Verdict.FAILURE))
    permit.succeed()
    assert breaker.snapshot().late == 2


# -- without the lock --------------------------------------------------------------------------------------------------


class CountingLock:
    """The lock of all breakers, counting how often it is taken."""

    def __init__(self) -> None:
        self._lock = _circuit._lock
        self.taken = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.taken += 1
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> CountingLock:
    counting = CountingLock()
    monkeypatch.setattr(_circuit, "_lock", counting)
    return counting


def test_successes_of_a_healthy_breaker_take_no_lock(lock: CountingLock) -> None:
    """By any way in; and all of them are counted."""
    breaker = breaker_of(window=HEALTHY_WINDOW, slow_call_duration_threshold=1.0)

    @breaker
    def plain() -> None: ...

    decorated = breaker(gate)
    succeed(breaker, 4)
    before = lock.taken
    for _ in range(10):
        plain()
        Held(decorated()).returns()
        Held(breaker.call(gate)).returns()
        succeed(breaker)
    assert lock.taken == before
    assert breaker.snapshot().calls == breaker.snapshot().verdicts["SUCCESS"] == 44


def test_a_young_breaker_looks_at_every_call(lock: CountingLock) -> None:
    """Below the minimum any success may complete it, and open."""
    breaker = breaker_of(minimum_number_of_calls=8)
    succeed(breaker, 7)
    assert lock.taken >= 7


def test_a_watched_breaker_lets_no_call_pass_unseen(lock: CountingLock) -> None:
    """While somebody listens to every call each takes the locked way, and no longer."""
    breaker = breaker_of(window=HEALTHY_WINDOW)
    succeed(breaker, 20)

    class Watcher:
        seen = 0

        def on_settled(self, _event: object) -> None:
            self.seen += 1

    watcher = Watcher()
    leave = breaker.subscribe(watcher)
    succeed(breaker, 10)
    assert watcher.seen == 10
    leave()
    succeed(breaker, 1)
    before = lock.taken
    succeed(breaker, 10)
    assert lock.taken == before
    assert watcher.seen == 10


def test_judging_results_takes_no_lock_where_they_are_good(lock: CountingLock) -> None:
    """Each is judged, by every way that has one. So a plugin whose results may be bad costs its good ones little."""
    judged: list[str] = []

    def judge(result: str) -> Verdict:
        judged.append(result)
        return Verdict.FAILURE if result == "bad" else Verdict.SUCCESS

    config = BreakerConfig(window=HEALTHY_WINDOW, minimum_number_of_calls=4)
    breaker = CircuitBreaker("b", config, classify_result=judge, clock=VirtualClock())
    decorated = breaker(str)
    for _ in range(4):
        breaker.permit().succeed("good")
    before = lock.taken
    for _ in range(5):
        breaker.permit().succeed("good")
        assert decorated("good") == "good"
    assert lock.taken == before
    breaker.permit().succeed("bad")
    assert decorated("bad") == "bad"
    assert judged == ["good"] * 14 + ["bad"] * 2
    assert breaker.snapshot().verdicts == {"SUCCESS": 14, "FAILURE": 2, "THROTTLED": 0, "EXHAUSTED": 0, "IGNORED": 0}


def test_what_began_unseen_ends_seen_when_somebody_begins_to_listen() -> None:
    """The doors shut behind calls under way, too."""
    breaker = breaker_of(window=HEALTHY_WINDOW)
    succeed(breaker, 20)
    call = hold(breaker)
    heard: list[object] = []

    class Watcher:
        def on_settled(self, event: object) -> None:
            heard.append(event)

    breaker.subscribe(Watcher())
    call.returns()
    assert len(heard) == 1


def test_a_disabled_breaker_lets_calls_pass_without_the_lock(lock: CountingLock) -> None:
    """Also after minutes."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.disable("test")
    clock.advance(600.0)
    succeed(breaker, 1)
    before = lock.taken
    succeed(breaker, 100)
    assert lock.taken == before


def test_the_clock_of_a_busy_breaker_turns_slots_and_not_every_call(lock: CountingLock) -> None:
    """A thousand calls a second take the lock about once in an eighth of the slow-call threshold."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    succeed(breaker, 4)
    before = lock.taken
    for _ in range(4096):
        clock.advance(1 / 1024)
        succeed(breaker, 1)
    assert 32 <= lock.taken - before <= 66  # 4 s, an eighth each; the call that comes too late for the door ends so too
    assert breaker.snapshot().verdicts["SUCCESS"] == 4100


# -- news from outside, and rules anew ---------------------------------------------------------------------------------


def test_it_opens_for_reasons_beside_its_own_evidence() -> None:
    """Its group may open it, for the configured wait or for a given one."""
    for wait, expected in ((None, 8.0), (3.0, 3.0)):
        breaker = breaker_of()
        breaker.trip(Reason.SERVICE_WIDE, "the account is closed", wait=wait)
        assert said(breaker) == ("service_wide", "the account is closed")
        assert breaker.snapshot().retry_after == expected


def test_reconfiguring_keeps_the_window() -> None:
    """What was counted counts on, under the new rules, from the next result."""
    breaker = breaker_of(window=CountWindow(16), minimum_number_of_calls=16)
    fail(breaker, 6)
    breaker.reconfigure(breaker_of(window=CountWindow(8), minimum_number_of_calls=7).config)
    assert breaker.snapshot().calls == 6
    assert decided(breaker) is State.CLOSED
    fail(breaker)
    assert said(breaker)[1] == "failure rate 1.00 of 7 calls (limit 0.5)"


def test_reconfiguring_keeps_calls_in_flight() -> None:
    """They go by the new threshold and are not late."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=100.0)
    call = hold(breaker)
    clock.advance(2.0)
    breaker.reconfigure(breaker_of(slow_call_duration_threshold=1.0).config)
    clock.advance(1.0)
    assert breaker.snapshot().overdue == 1
    call.returns()
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.slow_call_rate, snapshot.late) == (1, 1.0, 0)


def test_reconfiguring_reaches_every_class_of_operations() -> None:
    """Each goes by its own new threshold, those that are in use already too."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=HEALTHY_WINDOW)
    for operation_class in ("read", "write"):
        breaker.permit(operation_class=operation_class).succeed()
    slow = {"read": 1.0, "write": 4.0}
    breaker.reconfigure(breaker_of(slow_call_duration_threshold=slow, window=HEALTHY_WINDOW).config)
    for operation_class in ("read", "write"):
        with breaker.permit(operation_class=operation_class):
            clock.advance(2.0)
    assert breaker.snapshot().slow_call_rate == 0.25


def test_reconfiguring_before_the_first_call_is_as_making_it_so() -> None:
    """The lanes know the new thresholds."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    breaker.reconfigure(breaker_of(slow_call_duration_threshold=1.0).config)
    with breaker.permit():
        clock.advance(1.0)
    assert breaker.snapshot().slow_call_rate == 1.0


def test_slow_calls_of_before_open_nothing_when_their_rule_is_switched_off() -> None:
    """They stay in the window, and no rule asks for them."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)
    for _ in range(3):
        with breaker.permit():
            clock.advance(1.0)
    breaker.reconfigure(breaker_of(slow_call_duration_threshold=1.0, slow_call_rate_threshold=None).config)
    succeed(breaker, 4)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.slow_call_rate) == (State.CLOSED, 3 / 7)


def test_a_healthy_breaker_with_calls_that_hang_takes_new_rules_and_listeners() -> None:
    """Its doors open and shut with calls in flight in slots of before."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0, window=HEALTHY_WINDOW)
    succeed(breaker, 20)
    held = hold(breaker)
    clock.advance(0.5)
    breaker.reconfigure(breaker_of(slow_call_duration_threshold=2.0, window=HEALTHY_WINDOW).config)
    leave = breaker.subscribe(Ear())
    leave()
    clock.advance(2.0)
    assert breaker.snapshot().overdue == 1
    held.returns()


def test_causes_are_kept_as_text_and_grouped() -> None:
    """The last five kinds, the latest last, each with its number; of successes and cancelled calls there are none."""
    breaker = breaker_of(window=HEALTHY_WINDOW, minimum_number_of_calls=50)
    for text in ("a", "b", "a", "c", "d", "e", "f", "e"):
        with pytest.raises(Said), breaker.permit():
            raise Said(Verdict.FAILURE, text)
    with pytest.raises(Said), breaker.permit():
        raise Said(Verdict.SUCCESS, "a miss")
    with pytest.raises(Said), breaker.permit():
        raise Said(Verdict.IGNORED, "cancelled")
    causes = breaker.snapshot().causes
    assert [(cause.type, cause.text, cause.times) for cause in causes] == [
        ("Said", "a", 2),
        ("Said", "c", 1),
        ("Said", "d", 1),
        ("Said", "f", 1),
        ("Said", "e", 2),
    ]


def test_a_transition_says_everything() -> None:
    """From, to, why, the numbers, when, and the number of the era it begins."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    ear = TransitionEar()
    breaker.subscribe(ear)
    clock.advance(5.0)
    fail(breaker, 4)
    [event] = ear.heard
    assert event == breaker.snapshot().last
    assert (event.breaker, event.domain, event.at) == ("b", "", clock())
    assert path(ear) == [("CLOSED", "OPEN", "failure_rate")]
    assert breaker.snapshot().generation == 1
