"""CircuitBreaker: a machine with a clock, a lock and observers, used from tasks, threads, forks and finalizers."""

from __future__ import annotations

import copy
import gc
import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from switchgear import (
    Backoff,
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    Ramp,
    Reason,
    Refused,
    Settled,
    State,
    TimeWindow,
    Transition,
    Verdict,
    _circuit,
    circuit,
)
from switchgear.testing import VirtualClock
from tests.support import (
    SMALL,
    Ear,
    Held,
    Said,
    TransitionEar,
    as_said,
    breaker_of,
    decided,
    fail,
    gate,
    half_open,
    hold,
    opened,
    path,
    state,
    succeed,
)

#: Enough calls for a test before anything opens.
ROOMY = replace(SMALL, minimum_number_of_calls=8)


# -- a call's outcome is its own ---------------------------------------------------------------------------------------


def test_call_hands_over_arguments_and_result() -> None:
    """Positional and by name; the result is the very object."""
    result = object()

    async def backend(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs, result

    with pytest.raises(StopIteration) as end:
        breaker_of().call(backend, 1, fn=2).send(None)
    args, kwargs, returned = end.value.value
    assert (args, kwargs) == ((1,), {"fn": 2})
    assert returned is result


def test_an_exception_passes_unchanged() -> None:
    """The same object, with its cause and its notes, also from the call that opens the breaker."""
    breaker = breaker_of()
    fail(breaker, 3)
    exc = ValueError("mine")
    exc.__cause__ = OSError("beneath")
    exc.add_note("a note")
    hold(breaker).raises(exc)
    assert state(breaker) is State.OPEN
    assert str(exc.__cause__) == "beneath"
    assert exc.__notes__ == ["a note"]
    assert exc.__context__ is None


def test_by_default_every_exception_is_a_failure_and_every_result_a_success() -> None:
    """Without a plugin nobody knows better."""
    breaker = CircuitBreaker("b", SMALL)
    for exc in (ValueError(), OSError(), TimeoutError(), StopAsyncIteration()):
        with pytest.raises(type(exc)), breaker.permit():
            raise exc
    assert breaker.machine_state is State.OPEN


def test_results_can_be_judged() -> None:
    """`classify_result` sees every result, by every way that has one; a `with` block has none to show."""
    breaker = CircuitBreaker(
        "b", ROOMY, classify_result=lambda result: Verdict.FAILURE if result == "bad" else Verdict.SUCCESS
    )
    assert hold(breaker).returns("bad") == "bad"
    assert breaker(lambda: "bad")() == "bad"
    breaker.permit().succeed("bad")
    breaker.permit().succeed("good")
    succeed(breaker)
    snapshot = breaker.snapshot()
    assert snapshot.verdicts == {"SUCCESS": 2, "FAILURE": 3, "THROTTLED": 0, "EXHAUSTED": 0, "IGNORED": 0}


def broken_classification(_outcome: object) -> Verdict:
    raise LookupError("no such code")


def test_a_classification_that_raises_costs_nobody_anything(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the call's own outcome; the permit is settled: FAILURE for exceptions, SUCCESS for results."""
    breaker = CircuitBreaker("b", ROOMY, classify=broken_classification, classify_result=broken_classification)
    with caplog.at_level(logging.ERROR, "switchgear"):
        hold(breaker).raises(ValueError("mine"))
        assert hold(breaker).returns(7) == 7
        breaker.permit().fail(ValueError())
        permit = breaker.permit()
        permit.attempt_failed(ValueError())
        permit.release()
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (3, 1, 0)
    said = "LookupError: no such code"
    exception = f"<CircuitBreaker b CLOSED>: classify failed, so the exception counts as a failure: {said}"
    result = f"<CircuitBreaker b CLOSED>: classify_result failed, so the result counts as a success: {said}"
    assert caplog.messages == [exception, result, exception, exception]


# -- being made --------------------------------------------------------------------------------------------------------


def test_circuit_makes_a_breaker_from_rules() -> None:
    """Of keywords, of a configuration, or of a configuration with some of it changed."""
    assert circuit("q").config == BreakerConfig()
    assert circuit("q", failure_rate_threshold=0.25).config == BreakerConfig(failure_rate_threshold=0.25)
    changed = circuit("q", SMALL, permitted_calls_in_half_open=1).config
    assert (changed.permitted_calls_in_half_open, changed.window) == (1, SMALL.window)
    assert circuit("q", classify=as_said).classify is as_said


def test_a_rule_that_does_not_exist_is_a_type_error() -> None:
    """And not silently no rule."""
    with pytest.raises(TypeError, match="failure_rate"):
        circuit("q", failure_rate=0.5)  # type: ignore[call-arg]


def test_functions_share_a_breaker_only_if_they_are_decorated_with_the_same_object() -> None:
    """Two of the same name are two."""
    assert circuit("q") is not circuit("q")


def test_repr_names_it() -> None:
    """With its domain and state."""
    assert repr(breaker_of()) == "<CircuitBreaker b CLOSED>"
    assert repr(CircuitBreaker("s", domain="bucket")) == "<CircuitBreaker s[bucket] CLOSED>"


CONFIGS = [
    BreakerConfig(),
    SMALL,
    BreakerConfig(slow_call_duration_threshold={"read": 1.0}, window=TimeWindow(), wait_duration_in_open=Backoff()),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["default", "small", "by class"])
@pytest.mark.parametrize("make", [lambda b: pickle.loads(pickle.dumps(b)), copy.copy, copy.deepcopy])
def test_a_copy_has_the_rules_and_watches_on_its_own(config: BreakerConfig, make: Any) -> None:
    """Pickled, copied or deep-copied: name, domain, rules and classification travel, state and window do not."""
    breaker = CircuitBreaker("s", config, domain="bucket", classify=as_said, classify_result=broken_classification)
    breaker.force_open("test")
    twin = make(breaker)
    assert (twin.name, twin.domain, twin.config) == ("s", "bucket", config)
    assert (twin.classify, twin.classify_result) == (as_said, broken_classification)
    assert twin.machine_state is State.CLOSED
    twin.disable("test")
    assert breaker.machine_state is State.FORCED_OPEN


# -- being seen --------------------------------------------------------------------------------------------------------


def test_a_fresh_breaker_shows_that_nothing_was() -> None:
    """All counters zero."""
    clock = VirtualClock()
    snapshot = CircuitBreaker("s", domain="d", clock=clock).snapshot()
    assert (snapshot.breaker, snapshot.domain, snapshot.state) == ("s", "d", State.CLOSED)
    assert (snapshot.since, snapshot.at, snapshot.generation) == (1000.0, 1000.0, 0)
    assert (snapshot.calls, snapshot.failure_rate, snapshot.slow_call_rate) == (0, 0.0, 0.0)
    assert (snapshot.in_flight, snapshot.overdue, snapshot.share, snapshot.probes) == (0, 0, 1.0, (0, 0))
    assert (snapshot.retry_after, snapshot.late, snapshot.last, snapshot.causes) == (None, 0, None, ())
    assert set(snapshot.verdicts.values()) == {0}
    assert snapshot.refused == {}


def test_state_is_as_of_now() -> None:
    """A wait that is over is over, also when nobody calls; machine_state is what was last decided."""
    clock = VirtualClock()
    breaker = opened(clock)
    clock.advance(8.0)
    assert decided(breaker) is State.OPEN
    assert state(breaker) is State.HALF_OPEN
    assert decided(breaker) is State.HALF_OPEN


def test_used_is_when_a_call_last_asked() -> None:
    """For those who keep only breakers in use."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    clock.advance(5.0)
    succeed(breaker)
    clock.advance(5.0)
    assert breaker.used == 1005.0


def test_a_breaker_that_calls_may_pass_unseen_may_be_in_use() -> None:
    """As long as its door is open; that is ten seconds at most."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    succeed(breaker, 8)
    clock.advance(9.0)
    assert breaker.used == 1009.0
    clock.advance(100.0)
    assert breaker.used == 1010.0
    breaker.force_open("test")
    assert breaker.used == 1000.0


def explained(breaker: CircuitBreaker) -> str:
    return str(breaker.explain())


def test_explain_says_it_in_words() -> None:
    """In every state: which, since when, why, after what, and what comes next."""
    clock = VirtualClock()
    breaker = breaker_of(clock, ramp=Ramp(duration=10.0))
    assert explained(breaker) == (
        "b is CLOSED for 0.0 s: it has never been otherwise. "
        "It admits all calls; in its window: 0.00 failed and 0.00 slow of 0."
    )
    fail(breaker, 4)
    clock.advance(2.0)
    assert explained(breaker) == (
        "b is OPEN for 2.0 s: failure rate 1.00 of 4 calls (limit 0.5). Last causes: 4 x Said: no. "
        "It will admit 4 probes in 6.0 s; if they pass, it closes."
    )
    clock.advance(6.0)
    held = hold(breaker)
    succeed(breaker)
    assert explained(breaker) == (
        "b is HALF_OPEN for 0.0 s: the wait is over. Last causes: 4 x Said: no. "
        "Of 4 probes 1 are decided and 1 under way; if they pass, it closes."
    )
    held.returns()
    succeed(breaker)
    clock.advance(5.0)
    assert explained(breaker) == (
        "b is CLOSED for 5.0 s: 3 of 4 probes decided. It is ramping up and admits 55% of the calls."
    )
    breaker.force_open("maintenance", for_=60.0)
    assert explained(breaker) == (
        "b is FORCED_OPEN for 0.0 s: maintenance. An operator holds it open for another 60.0 s."
    )
    breaker.force_open("maintenance")
    assert explained(breaker).endswith("An operator holds it open until it is reset.")
    breaker.disable("wrong")
    assert explained(breaker).endswith("An operator has switched it off; it admits all calls, unwatched.")
    breaker.metrics_only("trial")
    assert explained(breaker).endswith("It admits all calls and only reports when it would have opened.")
    breaker.reset()
    assert explained(breaker).startswith("b is CLOSED for 0.0 s: reset.")
    fail(breaker, 1, Verdict.EXHAUSTED)
    assert explained(breaker).endswith("It stays so until an operator resets it.")


def test_explain_is_one_object_too() -> None:
    """For programs."""
    clock = VirtualClock()
    breaker = CircuitBreaker("s", SMALL, domain="d", classify=as_said, clock=clock)
    fail(breaker, 4)
    explanation = breaker.explain()
    assert (explanation.breaker, explanation.domain, explanation.state) == ("s", "d", State.OPEN)
    assert (explanation.seconds, explanation.reason) == (0.0, "failure rate 1.00 of 4 calls (limit 0.5)")
    assert str(explanation).startswith("s[d] is OPEN for 0.0 s")


# -- observers ---------------------------------------------------------------------------------------------------------


def test_observers_hear_everything_in_order() -> None:
    """Transitions, refusals and settled calls, with all their facts."""
    clock = VirtualClock()
    breaker = CircuitBreaker("s", SMALL, domain="d", classify=as_said, clock=clock)
    ear = Ear()
    leave = breaker.subscribe(ear)
    with breaker.permit("get"):
        clock.advance(0.5)
    fail(breaker, 3)
    with pytest.raises(CallNotPermitted):
        breaker.permit("set")
    settled = ear.of(Settled)
    assert settled[0] == Settled(
        breaker="s", domain="d", operation="get", verdict=Verdict.SUCCESS, duration=0.5, late=False, at=1000.5
    )
    assert ear.of(Refused) == [
        Refused(breaker="s", domain="d", operation="set", state=State.OPEN, retry_after=8.0, at=1000.5)
    ]
    assert [type(event) for event in ear.heard] == [Settled] * 3 + [Transition, Settled, Refused]
    leave()
    breaker.reset()
    assert len(ear.heard) == 6


def test_a_late_result_is_told_as_late() -> None:
    """With its verdict and its duration."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    ear = Ear()
    breaker.subscribe(ear)
    held = hold(breaker)
    breaker.reset()
    clock.advance(1.0)
    held.returns()
    [event] = ear.of(Settled)
    assert (event.late, event.verdict, event.duration) == (True, Verdict.SUCCESS, 1.0)


def test_a_streams_duration_is_its_latency() -> None:
    """What is told is what was judged."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    ear = Ear()
    breaker.subscribe(ear)
    permit = breaker.permit()
    clock.advance(0.25)
    permit.first_chunk()
    clock.advance(100.0)
    permit.succeed()
    assert [event.duration for event in ear.of(Settled)] == [0.25]


def test_an_observer_may_use_the_breaker() -> None:
    """It reads, it operates, it calls; what that leads to is told after what it is being told."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    order: list[str] = []

    class Meddler:
        def on_transition(self, event: Transition) -> None:
            order.append(f"begin {event.to_state}")
            if event.to_state is State.OPEN:
                assert breaker.snapshot().state is State.OPEN
                breaker.reset("by an observer")
                succeed(breaker)
            order.append(f"end {event.to_state}")

    breaker.subscribe(Meddler())
    fail(breaker, 4)
    assert order == ["begin OPEN", "end OPEN", "begin CLOSED", "end CLOSED"]
    assert breaker.machine_state is State.CLOSED


def test_an_observer_that_raises_changes_neither_call_nor_state(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, the others hear all the same, and after ten errors it is dropped."""
    breaker = breaker_of()

    class Broken:
        def on_settled(self, _event: Settled) -> None:
            raise RuntimeError("observer")

    ear = Ear()
    breaker.subscribe(Broken())
    breaker.subscribe(ear)
    with caplog.at_level(logging.ERROR, "switchgear"):
        succeed(breaker, 20)
    assert len(ear.of(Settled)) == 20
    assert breaker.snapshot().verdicts["SUCCESS"] == 20
    assert sum("failed on Settled" in record.getMessage() for record in caplog.records) == 10


def test_an_interrupted_observer_does_not_silence_the_rest() -> None:
    """KeyboardInterrupt is not swallowed; the next event is delivered again."""
    breaker = breaker_of()

    class Interrupted:
        def on_transition(self, event: Transition) -> None:
            if event.to_state is State.DISABLED:
                raise KeyboardInterrupt

    breaker.subscribe(Interrupted())
    ear = TransitionEar()
    breaker.subscribe(ear)
    with pytest.raises(KeyboardInterrupt):
        breaker.disable("test")
    breaker.reset()
    assert path(ear) == [("DISABLED", "CLOSED", "operator")]


def test_nothing_is_built_for_events_that_nobody_hears() -> None:
    """A refusal costs no event object where only transitions are listened to."""
    breaker = opened(VirtualClock())
    ear = TransitionEar()
    breaker.subscribe(ear)
    with pytest.raises(CallNotPermitted):
        breaker.permit()
    assert breaker._machine.events is None


# -- threads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(number: int, work: Any) -> None:
    """Run work(i) in as many threads at once; an error in one is an error here."""
    barrier = threading.Barrier(number)

    def begin(index: int) -> None:
        barrier.wait(10)
        work(index)

    with ThreadPoolExecutor(number) as pool:
        list(pool.map(begin, range(number)))


@pytest.mark.usefixtures("frequent_switches")
def test_no_call_of_many_threads_is_lost() -> None:
    """Successes without the lock and failures with it: all are counted, in the window and from the beginning."""
    breaker = breaker_of(window=CountWindow(100_000), failure_rate_threshold=1.0, minimum_number_of_calls=1)
    succeed(breaker)

    def work(index: int) -> None:
        for call in range(800):
            if (call + index) % 4 == 0:
                fail(breaker)
            else:
                succeed(breaker)

    in_threads(8, work)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.verdicts["FAILURE"]) == (4801, 1600)
    assert (snapshot.calls, snapshot.failure_rate, snapshot.in_flight) == (6401, 1600 / 6401, 0)


@pytest.mark.usefixtures("frequent_switches")
def test_threads_share_the_probes() -> None:
    """Of 400 callers in 8 threads exactly as many are admitted as the round has probes."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=3)
    admitted: list[Any] = []

    def work(_index: int) -> None:
        for _ in range(50):
            try:
                admitted.append(breaker.permit())
            except CallNotPermitted:
                continue

    in_threads(8, work)
    assert len(admitted) == 3
    assert breaker.snapshot().refused[State.HALF_OPEN] == 397


@pytest.mark.usefixtures("frequent_switches")
def test_no_refusal_of_many_threads_is_lost() -> None:
    """They take no lock, and are counted all the same, while others look."""
    breaker = opened(VirtualClock())

    def work(index: int) -> None:
        for _ in range(500):
            if index:
                with pytest.raises(CallNotPermitted):
                    breaker.permit()
            else:
                breaker.snapshot()

    in_threads(5, work)
    assert breaker.snapshot().refused == {State.OPEN: 2000}


@pytest.mark.usefixtures("frequent_switches")
def test_events_are_totally_ordered_across_threads() -> None:
    """Each transition begins where the one before ended, and generations count up, for every observer alike."""
    breaker = breaker_of(minimum_number_of_calls=1, wait_duration_in_open=1e-9, permitted_calls_in_half_open=1)
    breaker.clock = time.monotonic
    first, second = TransitionEar(), TransitionEar()
    breaker.subscribe(first)
    breaker.subscribe(second)

    def work(index: int) -> None:
        for call in range(200):
            try:
                if (call + index) % 2:
                    fail(breaker)
                else:
                    succeed(breaker)
            except CallNotPermitted:
                continue
            if call % 20 == 0:
                breaker.reset()

    in_threads(6, work)
    assert len(first.heard) > 50
    assert first.heard == second.heard
    moves = [event for event in first.heard if isinstance(event, Transition)]
    assert [move.from_state for move in moves[1:]] == [move.to_state for move in moves[:-1]]
    assert [move.generation for move in moves] == sorted(move.generation for move in moves)


@pytest.mark.usefixtures("frequent_switches")
def test_snapshots_are_never_torn() -> None:
    """Of calls that come in pairs, one good and one bad, a view shows consistent numbers at any time."""
    breaker = breaker_of(window=CountWindow(64), failure_rate_threshold=None)
    stop = threading.Event()

    def work(index: int) -> None:
        if index:
            for _ in range(300):
                succeed(breaker)
                fail(breaker)
            stop.set()
        while not index and not stop.is_set():
            snapshot = breaker.snapshot()
            assert 0 <= snapshot.failure_rate <= 1
            assert snapshot.calls <= 64
            assert snapshot.calls <= snapshot.verdicts["SUCCESS"] + snapshot.verdicts["FAILURE"]
            assert 0 <= snapshot.in_flight <= 3

    in_threads(4, work)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.verdicts["FAILURE"]) == (900, 900)


# -- finalizers and forks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.IGNORED, Verdict.FAILURE, Verdict.SUCCESS])
def test_a_call_settled_in_the_middle_of_a_decision_does_not_wait(verdict: Verdict) -> None:
    """A finalizer may do so, on the very thread that holds the lock: to wait would be for ever. It counts, later."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=2)
    permit = breaker.permit()
    before = breaker.snapshot().verdicts[verdict.name]
    with _circuit._lock:
        permit.settle(verdict, Said(verdict))
        assert breaker._machine.snapshot(breaker.clock()).probes == (0, 1)
    assert breaker.snapshot().probes[1] == 0
    assert breaker.snapshot().verdicts[verdict.name] == before + 1
    assert not _circuit._left


def test_what_a_finalizer_left_is_there_for_the_next_caller() -> None:
    """Admission takes it in, and so does the end of another call, of any breaker; a watcher hears of it."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    ear = Ear()
    breaker.subscribe(ear)
    permit = breaker.permit("get")
    with _circuit._lock:
        permit.release()
    second = breaker.permit("set")
    assert [(event.operation, event.verdict) for event in ear.of(Settled)] == [("get", Verdict.IGNORED)]
    permit = breaker_of().permit()
    with _circuit._lock:
        permit.release()
    second.succeed()
    assert not _circuit._left


def test_another_thread_waits_for_the_lock() -> None:
    """It is taken for a few instructions only, and what is counted when the call is over is counted."""
    breaker = breaker_of()
    permit = breaker.permit()
    done = threading.Event()

    def release() -> None:
        permit.release()
        done.set()

    with _circuit._lock:
        thread = threading.Thread(target=release)
        thread.start()
        assert not done.wait(0.05)
        assert not _circuit._left
    assert done.wait(10)
    thread.join()
    assert breaker.snapshot().verdicts["IGNORED"] == 1


def test_abandoned_streams_in_cycles_do_not_deadlock() -> None:
    """The collector runs while decisions are made, and closes generators whose permits must go back."""
    breaker = breaker_of(window=CountWindow(100), minimum_number_of_calls=100)

    @breaker
    def stream() -> Iterator[int]:
        yield 1

    class Cycle:
        def __init__(self, held: object) -> None:
            self.held = held
            self.me = self

    def work() -> None:
        for _ in range(500):
            held = stream()
            next(held)
            Cycle(held)
            del held
            breaker.snapshot()

    thresholds = gc.get_threshold()
    gc.set_threshold(3, 1, 1)
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["IGNORED"], snapshot.in_flight) == (500, 0)


def in_child(work: Any) -> int:
    """Exit code of a forked child that does the work: 0 if all was well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_threads_call_leaves_a_child_that_can_call() -> None:
    """However busy the breaker is, the child finds it whole, and its lock free."""
    breaker = breaker_of(window=CountWindow(100), failure_rate_threshold=None)
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            succeed(breaker)
            fail(breaker)

    def child() -> None:
        succeed(breaker, 5)
        fail(breaker, 5)
        assert breaker.snapshot().verdicts["FAILURE"] >= 5

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert {in_child(child) for _ in range(20)} == {0}
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_events_are_delivered_leaves_a_child_that_delivers() -> None:
    """The thread that was delivering is not there in the child; events go on there all the same."""
    breaker = breaker_of()
    delivering, stop = threading.Event(), threading.Event()

    class Slow:
        def on_transition(self, _event: Transition) -> None:
            if not stop.is_set():
                delivering.set()
                stop.wait(10)

    breaker.subscribe(Slow())
    thread = threading.Thread(target=breaker.disable, args=("test",))
    thread.start()
    assert delivering.wait(10)

    def child() -> None:
        stop.set()
        ear = TransitionEar()
        breaker.subscribe(ear)
        breaker.reset()
        assert path(ear) == [("DISABLED", "CLOSED", "operator")]

    assert in_child(child) == 0
    stop.set()
    thread.join()


# -- for groups and plugins --------------------------------------------------------------------------------------------


def test_a_refusal_can_be_of_any_class_of_refusals() -> None:
    """A plugin's is also the client's own error."""

    class Unreachable(CallNotPermitted, ConnectionError):
        pass

    clock = VirtualClock()
    breaker = opened(clock)
    with pytest.raises(Unreachable) as refusal:
        breaker.acquire(breaker.default_lane, "get", Unreachable)
    assert refusal.value.retry_after == 8.0
    clock.advance(8.0)
    held = [hold(breaker) for _ in range(4)]
    with pytest.raises(Unreachable):
        breaker.acquire(breaker.default_lane, "get", Unreachable)
    for call in held:
        call.closed()


def test_a_check_asks_as_no_user_does() -> None:
    """It has a lane of its own, and is refused where no probe is due."""
    breaker = opened(VirtualClock())
    with pytest.raises(CallNotPermitted):
        breaker.acquire_probe("b.probe")
    assert [lane.operation_class for lane in breaker._machine.lanes] == ["", "probe"]


class Listening:
    """A group, as a breaker sees it."""

    def __init__(self) -> None:
        self.moves: list[State] = []
        self.said: list[Verdict] = []

    def moved(self, branch: CircuitBreaker) -> None:
        self.moves.append(branch.machine_state)

    def said_of_all(self, branch: CircuitBreaker, verdict: Verdict) -> None:
        self.said.append(verdict)

    def tells_of(self, breaker: CircuitBreaker) -> bool:
        return True

    def tolerated_for(self, operation_class: str) -> float:
        return inf


def test_a_group_hears_of_transitions_and_of_what_speaks_for_all() -> None:
    """Not of calls and refusals; and not of results that came late."""
    group = Listening()
    clock = VirtualClock()
    breaker = CircuitBreaker("s", SMALL, classify=as_said, group=group, clock=clock)
    ear = Ear()
    breaker.subscribe(ear)
    succeed(breaker)
    late = hold(breaker)
    fail(breaker, 3)
    with pytest.raises(CallNotPermitted):
        breaker.permit()
    assert group.moves == [State.OPEN]
    down = Verdict.FAILURE.everywhere()
    late.raises(Said(down))
    assert group.said == []
    clock.advance(8.0)
    fail(breaker, 1, down)
    assert group.said == [down]


def test_an_attempt_may_speak_for_all_too() -> None:
    """A client that retries inside tells at its first attempt."""
    group = Listening()
    breaker = CircuitBreaker("s", SMALL, classify=as_said, group=group, clock=VirtualClock())
    permit = breaker.permit()
    permit.attempt_failed(Said(Verdict.FAILURE))
    down = Verdict.FAILURE.everywhere()
    permit.attempt_failed(Said(down))
    assert group.said == [down]
    breaker.reset()
    permit.attempt_failed(Said(down))
    assert group.said == [down]


def test_it_can_be_opened_for_a_reason_outside() -> None:
    """And the detail is told on."""
    breaker = breaker_of()
    breaker.trip(Reason.MAJORITY, "2 of 3")
    with pytest.raises(CallNotPermitted, match="b is OPEN: 2 of 3"):
        Held(breaker.call(gate))
