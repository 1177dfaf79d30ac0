"""The eighteen invariants of a breaker, by number: through CircuitBreaker, with real tasks on asyncio and trio."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, closing, nullcontext, suppress
from dataclasses import replace
from itertools import pairwise
from math import floor
from typing import Any

import anyio
import pytest
from anyio import CancelScope, Event, create_task_group
from anyio.lowlevel import checkpoint
from hypothesis import example, given
from hypothesis import strategies as st

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
    Snapshot,
    State,
    TimeWindow,
    Transition,
    TripSuppressed,
    Verdict,
    _circuit,
)
from switchgear._clock import monotonic
from switchgear.lowlevel import OPERATIONS, TRANSITIONS, BreakerMachine
from switchgear.testing import VirtualClock
from tests.support import (
    SMALL,
    Ear,
    Held,
    Said,
    TransitionEar,
    as_said,
    breaker_of,
    fail,
    gate,
    half_open,
    hold,
    opened,
    path,
    refused,
    succeed,
)
from tests.tasks import DEADLINE, Running, begin, cancel, hang, in_threads, run

pytestmark = pytest.mark.anyio

Body = Callable[[], Awaitable[Any]]
Way = Callable[[CircuitBreaker, Body], Coroutine[Any, Any, Any]]

# -- the ways to guard a call ----------------------------------------------------------------------------------------


async def by_call(breaker: CircuitBreaker, body: Body) -> object:
    return await breaker.call(body)


async def by_decorator(breaker: CircuitBreaker, body: Body) -> object:
    @breaker
    async def guarded() -> object:
        return await body()

    return await guarded()


async def by_block(breaker: CircuitBreaker, body: Body) -> object:
    async with breaker.permit():
        return await body()


async def by_plain_block(breaker: CircuitBreaker, body: Body) -> object:
    with breaker.permit():
        return await body()


async def by_stream(breaker: CircuitBreaker, body: Body) -> object:
    @breaker
    async def rows() -> AsyncGenerator[object, None]:
        yield "head"
        yield await body()

    async with aclosing(rows()) as stream:
        return [row async for row in stream][1]


WAYS: list[Way] = [by_call, by_decorator, by_block, by_plain_block, by_stream]

each_way = pytest.mark.parametrize("way", WAYS)


def young() -> CircuitBreaker:
    """Every call of it is looked at."""
    return breaker_of()


def warm() -> CircuitBreaker:
    """Its good calls pass without the lock."""
    breaker = breaker_of()
    succeed(breaker, 8)
    return breaker


def probing() -> CircuitBreaker:
    return half_open(VirtualClock())


def watched() -> CircuitBreaker:
    breaker = warm()
    breaker.subscribe(Ear())
    return breaker


class Unheard(BaseException):
    """Nobody's Exception."""


async def ends_well() -> None:
    await checkpoint()


async def fails() -> None:
    await checkpoint()
    raise Said(Verdict.FAILURE)


async def is_interrupted() -> None:
    await checkpoint()
    raise KeyboardInterrupt


async def is_left() -> None:
    await checkpoint()
    raise GeneratorExit


async def fails_with_others() -> None:
    await checkpoint()
    raise BaseExceptionGroup("all of them", [Said(Verdict.FAILURE), Unheard()])


async def is_cancelled() -> None:
    with CancelScope() as scope:
        scope.cancel()
        await checkpoint()
    await hang(Event())


@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (ends_well, "SUCCESS"),
        (fails, "FAILURE"),
        (is_interrupted, "IGNORED"),
        (is_left, "IGNORED"),
        (fails_with_others, "FAILURE"),
        (is_cancelled, "IGNORED"),
    ],
)
@each_way
async def test_invariant_01_every_admitted_call_settles_exactly_once(
    way: Way, body: Body, verdict: str, subject: Callable[[], CircuitBreaker]
) -> None:
    """However a call is guarded and however it ends: one more of its verdict, none of another, none in flight."""
    breaker = subject()
    before = breaker.snapshot()
    with CancelScope() as scope, suppress(Exception, KeyboardInterrupt, GeneratorExit, BaseExceptionGroup):
        if body is is_cancelled:
            scope.cancel()
        await way(breaker, body)
    after = breaker.snapshot()
    assert dict(after.verdicts) == {**before.verdicts, verdict: before.verdicts[verdict] + 1}
    assert (after.in_flight, after.late) == (0, 0)
    if after.state is State.HALF_OPEN:
        assert after.probes == (verdict != "IGNORED", 0)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*by_stream:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@each_way
def test_invariant_01_a_call_that_is_dropped_settles_once(way: Way, subject: Callable[[], CircuitBreaker]) -> None:
    """A coroutine that is closed in the midst (GeneratorExit) gives its permit back.

    Before Python 3.13 closing one that waits for an asynchronous generator does not reach into the generator, whoever
    made it: it says that it "is already running", and goes with its last reference.
    """
    breaker = subject()
    before = breaker.snapshot()
    call = Held(way(breaker, gate))
    assert breaker.snapshot().in_flight == (0 if way is by_stream and before.state is State.CLOSED else 1)
    with suppress(RuntimeError) if way is by_stream else nullcontext():
        call.closed()
    del call
    gc.collect()
    after = breaker.snapshot()
    assert dict(after.verdicts) == {**before.verdicts, "IGNORED": 1}
    assert (after.in_flight, after.probes) == (0, (0, 0))


def test_invariant_01_a_second_settling_changes_nothing() -> None:
    """By hand, in any order: the first word counts."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    for first in ("succeed", "fail", "settle", "release"):
        arguments: dict[str, tuple[Any, ...]] = {"fail": (OSError(),), "settle": (Verdict.THROTTLED,)}
        with breaker.permit() as permit:
            getattr(permit, first)(*arguments.get(first, ()))
            permit.succeed()
            permit.fail(OSError())
            permit.settle(Verdict.EXHAUSTED)
            permit.release()
            permit.attempt_failed(OSError())
            permit.first_chunk()
    assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS", "FAILURE", "THROTTLED", "IGNORED"]
    assert breaker.snapshot().in_flight == 0


def test_invariant_01_in_threads() -> None:
    """Eight threads end their calls in every way: as many settled as admitted, and none in flight."""
    breaker = breaker_of(window=CountWindow(10_000), minimum_number_of_calls=10_000)

    def work(number: int) -> None:
        for turn in range(150):
            permit = breaker.permit()
            match (number + turn) % 3:
                case 0:
                    permit.succeed()
                case 1:
                    permit.fail(Said(Verdict.FAILURE))
                case _:
                    permit.release()

    in_threads(work)
    snapshot = breaker.snapshot()
    assert snapshot.verdicts == {"SUCCESS": 400, "FAILURE": 400, "IGNORED": 400, "THROTTLED": 0, "EXHAUSTED": 0}
    assert snapshot.in_flight == 0


def test_invariant_01_eras_end_under_the_feet_of_calls_that_take_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads call through open doors while one of them resets: each call is counted, by its verdict or as late.

    For the doors are shut before those that passed are counted. Only a thread that stands between door and tick at
    that moment escapes: at most one call of each.
    """
    breaker = breaker_of(minimum_number_of_calls=1)
    shut: list[bool] = []
    drain = BreakerMachine._drain

    def and_look(self: BreakerMachine) -> None:
        shut.append(self.lanes[0].slot.until < 0)
        drain(self)

    guarded = breaker(lambda: None)
    guarded()
    monkeypatch.setattr(BreakerMachine, "_drain", and_look)
    breaker.reset()
    assert shut == [True]
    monkeypatch.undo()

    def work(number: int) -> None:
        for turn in range(1500):
            guarded()
            if number == 0 and turn % 100 == 0:
                breaker.reset()

    in_threads(work)
    snapshot = breaker.snapshot()
    lost = 1 + 8 * 1500 - sum(snapshot.verdicts.values()) - snapshot.late
    assert 0 <= lost <= 7 * 15
    assert snapshot.in_flight == 0


# -- 2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.OPEN, State.FORCED_OPEN], ids=str)
@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@each_way
async def test_invariant_02_open_before_its_deadline_no_call_reaches_the_dependency(
    way: Way, heard: bool, state: State
) -> None:
    """A hundred calls spread over the whole wait, up to its last instant: none is begun, all are refused."""
    clock = VirtualClock()
    breaker = opened(clock)
    if state is State.FORCED_OPEN:
        breaker.force_open("migration", for_=8.0)
    ear = Ear()
    if heard:
        breaker.subscribe(ear)
    begun = 0

    async def body() -> None:
        nonlocal begun
        begun += 1

    for _ in range(100):
        with pytest.raises(CallNotPermitted):
            await way(breaker, body)
        clock.advance(8.0 / 128)
    assert (begun, breaker.snapshot().refused) == (0, {state: 100})
    assert len(ear.of(Refused)) == (100 if heard else 0)
    clock.advance(8.0 - 100 * 8.0 / 128)
    await way(breaker, body)
    assert begun == 1


def test_invariant_02_in_threads() -> None:
    """Nor does one of eight threads get through, whatever the others do."""
    breaker = opened(VirtualClock())
    begun: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            with suppress(CallNotPermitted), breaker.permit():
                begun.append(number)
            breaker.snapshot()

    in_threads(work)
    assert (begun, breaker.snapshot().refused) == ([], {State.OPEN: 1600})


# -- 3, 4: half-open -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("permitted", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
async def test_invariant_03_half_open_in_flight_and_probes_of_a_round_are_bounded(seed: int, permitted: int) -> None:
    """Callers come, fail, succeed and are cancelled at random through many rounds: never more than `permitted` probes
    at once, nor in a round (those that were given back apart).
    """
    rng = random.Random(seed)
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=permitted, max_wait_in_half_open=1e9, probe_timeout=1e9)
    rounds: set[int] = set()
    most = 0
    async with create_task_group() as group:
        running: list[tuple[int, Running]] = []
        spent: dict[int, int] = {}
        for _ in range(150):
            snapshot = breaker.snapshot()
            if rng.random() < 0.6:
                with suppress(CallNotPermitted):
                    call = await begin(group, breaker)
                    running.append((breaker.snapshot().generation, call))
            elif running:
                generation, call = running.pop(rng.randrange(len(running)))
                if rng.random() < 0.3:
                    await call.cancel()
                else:
                    await call.end(Said(Verdict.FAILURE) if rng.random() < 0.6 else None)
                    spent[generation] = spent.get(generation, 0) + 1
            elif snapshot.state is not State.HALF_OPEN:
                breaker.force_open("again", for_=0.0)
            snapshot = breaker.snapshot()
            if snapshot.state is State.HALF_OPEN:
                probes = sum(generation == snapshot.generation for generation, _ in running)
                assert probes <= permitted
                assert spent.get(snapshot.generation, 0) + probes <= permitted
                assert snapshot.probes == (spent.get(snapshot.generation, 0), probes)
                rounds.add(snapshot.generation)
                most = max(most, probes)
            elif snapshot.state is State.OPEN and rng.random() < 0.5:
                clock.advance(8.0)
        for _, call in running:
            await call.cancel()
    assert len(rounds) > 3
    assert most == permitted


@pytest.mark.parametrize("permitted", [1, 3])
async def test_invariant_04_a_lost_probe_gives_its_permit_back_within_the_probe_timeout(permitted: int) -> None:
    """Cancelled: at once. Crashed: at once. Never heard of again: after `probe_timeout`. Each time a full round of
    probes is lost, and each time it closes after all.
    """
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=permitted, probe_timeout=5.0, max_wait_in_half_open=1e9)

    async def crash() -> None:
        raise Unheard

    async with create_task_group() as group:
        for _ in range(permitted):
            await cancel(breaker)
        for _ in range(permitted):
            with pytest.raises(Unheard):
                await breaker.call(crash)
        lost = [await begin(group, breaker) for _ in range(permitted)]
        assert refused(breaker).state is State.HALF_OPEN
        clock.advance(5.0)
        late = [await begin(group, breaker) for _ in range(permitted)]
        refused(breaker)
        for call in late:
            await call.end()
        assert breaker.state is State.CLOSED
        for call in lost:
            await call.end(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls) == (State.CLOSED, 0)
    assert snapshot.late >= permitted


async def test_invariant_04_no_schedule_of_losses_wedges_it() -> None:
    """Probes that hang, round after round, lead to OPEN and to new rounds; the first good round closes it."""
    clock = VirtualClock()
    breaker = half_open(clock, probe_timeout=5.0, max_wait_in_half_open=12.0)
    async with create_task_group() as group:
        for _ in range(10):
            assert breaker.state is State.HALF_OPEN
            for pause in (5.0, 5.0, 2.0):
                await begin(group, breaker)
                clock.advance(pause)
            assert breaker.snapshot().state is State.OPEN
            clock.advance(8.0)
        group.cancel_scope.cancel()
    succeed(breaker, 3)
    assert breaker.state is State.CLOSED


# -- 5, 6: eras ------------------------------------------------------------------------------------------------------

MOVES: dict[State, Callable[[CircuitBreaker, VirtualClock], None]] = {
    State.OPEN: lambda breaker, clock: breaker.trip(Reason.SERVICE_WIDE, "test"),
    State.HALF_OPEN: lambda breaker, clock: breaker.force_open("test", for_=0.0),
    State.CLOSED: lambda breaker, clock: breaker.reset(),
    State.FORCED_OPEN: lambda breaker, clock: breaker.force_open("test"),
    State.DISABLED: lambda breaker, clock: breaker.disable("test"),
    State.METRICS_ONLY: lambda breaker, clock: breaker.metrics_only("test"),
}


def present(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, late=0)


@pytest.mark.parametrize("issued", [State.CLOSED, State.HALF_OPEN], ids=str)
@pytest.mark.parametrize("now", list(MOVES), ids=str)
async def test_invariant_05_an_outcome_of_an_older_generation_changes_nothing(now: State, issued: State) -> None:
    """Whatever became of the breaker since: the outcomes of a former closed era, or round of probes, only add to
    `late`. The rest of the snapshot is the same.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock, consecutive_failures=1, permitted_calls_in_half_open=6)
    if issued is State.HALF_OPEN:
        breaker.force_open("test", for_=0.0)
    outcomes: list[Exception | None] = [
        None,
        Said(Verdict.FAILURE),
        Said(Verdict.THROTTLED.after(60)),
        Said(Verdict.EXHAUSTED),
        Said(Verdict.IGNORED),
    ]
    async with create_task_group() as group:
        calls = [await begin(group, breaker) for _ in range(len(outcomes) + 1)]
        MOVES[now](breaker, clock)
        before = breaker.snapshot()
        assert before.state is now
        for call, outcome in zip(calls[1:], outcomes, strict=True):
            await call.end(outcome)
        await calls[0].cancel()
        after = breaker.snapshot()
        assert present(after) == present(before)
        assert after.late == before.late + 6


class Life:
    """Callers, weather, time and operators at random, and what was heard of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.ear = Ear()
        self.held: list[Held] = []
        self.trouble = 0.5
        self.breaker = breaker_of(
            self.clock,
            consecutive_failures=self.rng.choice([None, 3]),
            slow_call_duration_threshold=2.0,
            ramp=self.rng.choice([None, Ramp(initial=0.5, duration=30.0)]),
            max_wait_in_half_open=20.0,
            probe_timeout=10.0,
            wait_duration_in_open=4.0,
        )
        self.breaker.subscribe(self.ear)

    def live(self) -> Life:
        steps = [self.ask, self.end, self.time, self.operator, self.trip, self.weather]
        for _ in range(300):
            self.rng.choices(steps, [50, 40, 20, 2, 2, 5])[0]()
        for call in self.held:
            call.closed()
        self.breaker.snapshot()
        return self

    def ask(self) -> None:
        with suppress(CallNotPermitted):
            self.held.append(hold(self.breaker))

    def end(self) -> None:
        if not self.held:
            return
        call = self.held.pop(self.rng.randrange(len(self.held)))
        if self.rng.random() < self.trouble:
            kinds = [Verdict.FAILURE, Verdict.THROTTLED, Verdict.THROTTLED.after(3), Verdict.EXHAUSTED.after(5)]
            call.raises(Said(self.rng.choices(kinds, [20, 5, 1, 1])[0]))
        elif self.rng.random() < 0.1:
            call.closed()
        else:
            call.returns()

    def time(self) -> None:
        self.clock.advance(self.rng.choice([0.0, 0.5, 1.0, 4.0, 12.0]))

    def operator(self) -> None:
        operation = self.rng.choice(["force_open", "disable", "metrics_only", "reset", "reset", "for a time"])
        if operation == "for a time":
            self.rng.choice([self.breaker.force_open, self.breaker.disable])("test", for_=2.0)
        else:
            getattr(self.breaker, operation)("test")

    def trip(self) -> None:
        self.breaker.trip(self.rng.choice([Reason.MAJORITY, Reason.SERVICE_WIDE]), "test")

    def weather(self) -> None:
        self.trouble = self.rng.choice([0.0, 0.1, 1.0])


def test_invariant_06_only_legal_edges() -> None:
    """Sixty random lives take every edge of the table and no other; what is not in it was an operator's."""
    taken: set[tuple[State, Reason]] = set()
    for seed in range(60):
        life = Life(seed).live()
        state, generation = State.CLOSED, 0
        for move in life.ear.of(Transition):
            assert move.from_state is state
            assert move.generation > generation
            if move.reason is Reason.OPERATOR:
                assert move.to_state in OPERATIONS.values()
            else:
                assert TRANSITIONS[state][move.reason] is move.to_state
                taken.add((state, move.reason))
            state, generation = move.to_state, move.generation
        assert life.breaker.machine_state is state
    assert taken == {(state, reason) for state, edges in TRANSITIONS.items() for reason in edges}


# -- 7, 8: windows ---------------------------------------------------------------------------------------------------


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


# -- 9, 10: time -----------------------------------------------------------------------------------------------------


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


# -- 11, 12, 13, 14: what a call sees, and what counts -----------------------------------------------------------------


@pytest.mark.parametrize("subject", [young, warm, probing, watched])
@each_way
async def test_invariant_11_results_and_exceptions_pass_through_as_they_are(
    way: Way, subject: Callable[[], CircuitBreaker]
) -> None:
    """The same object, its cause and context, and a traceback that ends where the backend raised."""
    breaker = subject()
    result, cause = object(), LookupError("cause")
    error = Said(Verdict.FAILURE)

    async def serves() -> object:
        await checkpoint()
        return result

    async def raises() -> None:
        await checkpoint()
        raise error from cause

    assert await way(breaker, serves) is result
    with pytest.raises(Said) as raised:
        await way(breaker, raises)
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (cause, None)
    assert raised.traceback[-1].name == "raises"
    assert len(raised.traceback) <= 6


@each_way
async def test_invariant_12_own_refusals_and_cancellations_are_not_failures(way: Way) -> None:
    """A refusal by a breaker further in, and the caller's own deadline, say nothing of what this one guards; a
    deadline further in, which the backend missed, does.
    """
    inner, outer = opened(VirtualClock()), breaker_of(window=CountWindow(100), minimum_number_of_calls=100)

    async def refused_further_in() -> None:
        await inner.call(ends_well)

    async def own_deadline() -> None:
        with anyio.fail_after(0):
            await hang(Event())

    for _ in range(5):
        with pytest.raises(CallNotPermitted):
            await way(outer, refused_further_in)
        with pytest.raises(TimeoutError), anyio.fail_after(0):
            await way(outer, lambda: hang(Event()))
    snapshot = outer.snapshot()
    assert (snapshot.calls, snapshot.verdicts["IGNORED"], snapshot.in_flight) == (0, 10, 0)
    with pytest.raises(TimeoutError):
        await way(outer, own_deadline)
    assert outer.snapshot().verdicts["FAILURE"] == 1


async def test_invariant_12_a_crowd_of_cancelled_children_is_no_failure() -> None:
    """A task group that ends in a group of refusals and interruptions alone is no evidence; one failure in it is."""
    breaker = breaker_of()
    inner = refused(opened(VirtualClock()))
    for members, verdict in (
        ([inner, KeyboardInterrupt()], "IGNORED"),
        ([inner, Said(Verdict.IGNORED)], "IGNORED"),
        ([inner, Said(Verdict.FAILURE)], "FAILURE"),
    ):
        group = BaseExceptionGroup("crowd", [BaseExceptionGroup("inner crowd", members)])

        async def crowd(group: BaseExceptionGroup[BaseException] = group) -> None:
            raise group

        before = breaker.snapshot().verdicts[verdict]
        with pytest.raises(BaseExceptionGroup) as raised:
            await breaker.call(crowd)
        assert raised.value is group
        assert breaker.snapshot().verdicts[verdict] == before + 1


def disabled() -> CircuitBreaker:
    breaker = breaker_of()
    breaker.disable("test")
    return breaker


def metrics_only() -> CircuitBreaker:
    breaker = breaker_of()
    breaker.metrics_only("test")
    return breaker


def probing_widely() -> CircuitBreaker:
    return half_open(VirtualClock(), permitted_calls_in_half_open=20)


@pytest.mark.parametrize("subject", [young, warm, watched, disabled, metrics_only, probing_widely])
@each_way
async def test_invariant_13_parallel_calls_take_the_longest_and_not_the_sum(
    way: Way, subject: Callable[[], CircuitBreaker]
) -> None:
    """Twenty calls are all inside the backend at once: each waits there until the last has come."""
    breaker = subject()
    inside, everybody = 0, Event()

    async def meets() -> None:
        nonlocal inside
        inside += 1
        if inside == 20:
            everybody.set()
        await everybody.wait()

    with anyio.fail_after(DEADLINE):
        async with create_task_group() as group:
            for _ in range(20):
                group.start_soon(way, breaker, meets)
    assert inside == 20


def test_invariant_13_no_lock_is_held_while_foreign_code_runs() -> None:
    """Classification, observers, an exception's own text, the guarded function: each finds the lock free, and may use
    the breaker.
    """
    seen: list[str] = []

    def look(who: str) -> None:
        assert not _circuit._is_mine()
        breaker.snapshot()
        seen.append(who)

    class Told(Exception):
        def __str__(self) -> str:
            look("text")
            return "told"

    class Looking:
        def on_transition(self, event: Transition) -> None:
            look("observer")

        on_settled = on_refused = on_transition

    def classify(_exc: BaseException) -> Verdict:
        look("classify")
        return Verdict.FAILURE

    def classify_result(_result: object) -> Verdict:
        look("classify_result")
        return Verdict.SUCCESS

    breaker = CircuitBreaker("b", SMALL, classify=classify, classify_result=classify_result, clock=VirtualClock())
    breaker.subscribe(Looking())

    @breaker
    def backend(error: Exception | None) -> None:
        look("backend")
        if error is not None:
            raise error

    backend(None)
    for _ in range(3):
        with pytest.raises(Told):
            backend(Told())
    refused(breaker)
    assert set(seen) == {"text", "observer", "classify", "classify_result", "backend"}
    assert breaker.state is State.OPEN


@pytest.mark.parametrize("subject", [young, warm, watched, metrics_only, probing_widely])
@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.IGNORED], ids=repr)
@each_way
async def test_invariant_14_excluded_errors_never_trip(
    way: Way, verdict: Verdict, subject: Callable[[], CircuitBreaker]
) -> None:
    """A hundred errors that are no failures open nothing, not even on paper (METRICS_ONLY); the caller gets each."""
    breaker = subject()
    ear = TransitionEar()
    breaker.subscribe(ear)
    error = Said(verdict)

    async def raises() -> None:
        raise error

    for _ in range(100):
        with pytest.raises(Said) as raised:
            await way(breaker, raises)
        assert raised.value is error
    assert not [event for event in ear.heard if isinstance(event, TripSuppressed) or event.to_state is State.OPEN]
    assert breaker.snapshot().failure_rate == 0.0


# -- 15: observers -----------------------------------------------------------------------------------------------------


def test_invariant_15_a_slow_observer_delays_no_other_call() -> None:
    """While an observer blocks in one thread, calls in others are admitted, refused and settled."""
    breaker = breaker_of()
    arrived, leave = threading.Event(), threading.Event()
    done: list[State] = []

    class Slow:
        def on_transition(self, event: Transition) -> None:
            arrived.set()
            assert leave.wait(DEADLINE)

    breaker.subscribe(Slow())
    ear = Ear()
    breaker.subscribe(ear)

    def work(number: int) -> None:
        try:
            if number == 0:
                fail(breaker, 4)  # the last one tells, and is held up
            else:
                assert arrived.wait(DEADLINE)
                done.append(refused(breaker).state)
                breaker.reset()
                succeed(breaker, 5)
                done.append(breaker.state)
        finally:
            if number == 1:
                leave.set()

    in_threads(work, threads=2)
    assert done == [State.OPEN, State.CLOSED]
    assert path(ear) == [("CLOSED", "OPEN", "failure_rate"), ("OPEN", "CLOSED", "operator")]


def test_invariant_15_a_raising_observer_changes_neither_call_nor_state() -> None:
    """One random life with and without: the same events, the same numbers at the end."""

    class Raising:
        def on_transition(self, event: Transition) -> None:
            raise RuntimeError("broken observer")

        on_refused = on_settled = on_trip_suppressed = on_transition

    quiet = Life(3).live().ear
    subscribe = CircuitBreaker.subscribe

    def and_a_raising_one(self: CircuitBreaker, observer: object) -> Callable[[], None]:
        subscribe(self, Raising())
        return subscribe(self, observer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CircuitBreaker, "subscribe", and_a_raising_one)
        troubled = Life(3).live().ear
    assert troubled.heard == quiet.heard
    assert len(quiet.of(Transition)) > 3


def test_invariant_15_events_are_totally_ordered() -> None:
    """Eight threads drive one breaker through its states: the observers hear one chain, each transition from where
    the last one led, in the order of its generations.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1, wait_duration_in_open=1e-6)
    ears = [Ear(), Ear()]
    for ear in ears:
        breaker.subscribe(ear)

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(150):
            with suppress(CallNotPermitted, Said), breaker.permit():
                if rng.random() < 0.7:
                    raise Said(Verdict.FAILURE)
            clock.advance(1e-6)
            if rng.random() < 0.05:
                breaker.force_open("test")
            elif rng.random() < 0.2:
                breaker.reset()

    in_threads(work)
    last_move = breaker.snapshot().last  # looking may move it: a wait may be over
    moves = ears[0].of(Transition)
    assert len(moves) > 50
    assert last_move == moves[-1]
    assert moves[0].from_state is State.CLOSED
    for last, move in pairwise(moves):
        assert move.from_state is last.to_state
        assert move.generation > last.generation
        assert move.at >= last.at
    assert ears[0].heard == ears[1].heard


def test_invariant_15_observers_that_come_at_once_all_hear() -> None:
    """Eight threads subscribe at the same moment, a hundred times: nobody is forgotten, and all can leave."""
    for _ in range(100):
        breaker = breaker_of()
        ears = [TransitionEar() for _ in range(8)]
        leave: list[Callable[[], None]] = []
        in_threads(lambda number: leave.append(breaker.subscribe(ears[number])))  # noqa: B023 - run here and now
        breaker.reset()
        in_threads(lambda number: leave[number]())  # noqa: B023
        breaker.reset()
        assert [len(ear.heard) for ear in ears] == [1] * 8


# -- 16: streams -------------------------------------------------------------------------------------------------------


async def test_invariant_16_a_stream_settles_at_its_end() -> None:
    """Not with its head, not with its items; by its end, its error, or the consumer's leave, once each."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)

    @breaker
    async def rows(error: Exception | None = None) -> AsyncGenerator[int, None]:
        for number in range(3):
            await checkpoint()
            yield number
        if error is not None:
            raise error

    async with aclosing(rows()) as stream:
        for number in range(3):
            assert await anext(stream) == number
            assert ear.of(Settled) == []
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS"]
    async with aclosing(rows(Said(Verdict.FAILURE))) as stream:
        with pytest.raises(Said):
            [row async for row in stream]
    async with aclosing(rows()) as stream:
        await anext(stream)
    async with aclosing(rows()) as stream:
        await anext(stream)
        with pytest.raises(Said):
            await stream.athrow(Said(Verdict.FAILURE))
    assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS", "FAILURE", "IGNORED", "FAILURE"]
    assert breaker.snapshot().in_flight == 0


async def test_invariant_16_a_cancelled_consumer_settles_its_stream_once() -> None:
    """Cancelled while the stream is waiting for its next item."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    begun = Event()

    @breaker
    async def rows() -> AsyncGenerator[int, None]:
        yield 1
        await hang(begun)

    async def consume() -> None:
        async with aclosing(rows()) as stream:
            async for _ in stream:
                pass

    async with create_task_group() as group:
        group.start_soon(consume)
        await begun.wait()
        group.cancel_scope.cancel()
    assert [event.verdict.name for event in ear.of(Settled)] == ["IGNORED"]


def test_invariant_16_an_abandoned_stream_settles_once() -> None:
    """A plain generator that is dropped gives its permit back with its last reference; a probe's place is free."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    ear = Ear()
    breaker.subscribe(ear)

    @breaker
    def rows() -> Generator[int, None, None]:
        yield 1
        yield 2

    stream = rows()
    next(stream)
    refused(breaker)
    del stream
    assert [event.verdict.name for event in ear.of(Settled)] == ["IGNORED"]
    with closing(rows()) as again:
        assert list(again) == [1, 2]
    assert breaker.state is State.CLOSED


# -- 17, 18 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["shut", "open"])
def test_invariant_17_a_snapshot_is_never_torn(door: str) -> None:
    """Seven threads call while one looks: what it sees adds up each time, by the locked way and by the other."""
    size = 1_000_000
    minimum = size if door == "shut" else 1
    breaker = breaker_of(window=CountWindow(size), minimum_number_of_calls=minimum, failure_rate_threshold=1.0)
    succeed(breaker)
    stop = threading.Event()

    def work(number: int) -> None:
        if number:
            while not stop.is_set():
                succeed(breaker, 10)
                fail(breaker)
                fail(breaker, 1, Verdict.THROTTLED)
                fail(breaker, 1, Verdict.IGNORED)
            return
        try:
            past = breaker.snapshot()
            for _ in range(400):
                now = breaker.snapshot()
                verdicts = now.verdicts
                assert now.calls == verdicts["SUCCESS"] + verdicts["FAILURE"] + verdicts["THROTTLED"]
                assert now.failure_rate == (2 * verdicts["FAILURE"] + verdicts["THROTTLED"]) / (2 * now.calls)
                assert 0 <= now.in_flight <= 7
                assert (now.state, now.generation, now.late) == (State.CLOSED, 0, 0)
                assert all(verdicts[name] >= count for name, count in past.verdicts.items())
                assert now.at >= past.at
                past = now
        finally:
            stop.set()

    in_threads(work)
    assert breaker.snapshot().in_flight == 0


def test_invariant_17_state_and_moment_belong_together() -> None:
    """While threads move it through its states, no snapshot shows one state with the numbers of another."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1, wait_duration_in_open=8.0)
    stop = threading.Event()

    def work(number: int) -> None:
        if number:
            while not stop.is_set():
                with suppress(CallNotPermitted, Said), breaker.permit():
                    raise Said(Verdict.FAILURE)
                clock.advance(1.0)
                breaker.reset()
            return
        try:
            for _ in range(400):
                now = breaker.snapshot()
                assert (now.retry_after is not None) == (now.state is State.OPEN)
                assert now.probes == (0, 0) or now.state is State.HALF_OPEN
                assert now.calls == 0 or now.state is State.CLOSED
                assert now.last is None or (now.last.to_state, now.last.at) == (now.state, now.since)
                assert now.since <= now.at
        finally:
            stop.set()

    in_threads(work)


async def seeded_life(seed: int) -> list[object]:
    """Tasks that are begun, ended and cancelled as a seed says; the trace of all that the breaker showed and told."""
    rng = random.Random(seed)
    clock = VirtualClock()
    breaker = breaker_of(
        clock,
        slow_call_duration_threshold=2.0,
        ramp=Ramp(initial=0.5, duration=4.0),
        wait_duration_in_open=Backoff(initial=2.0, max=8.0, jitter=0.0),
        probe_timeout=6.0,
    )
    ear = Ear()
    breaker.subscribe(ear)
    trace: list[object] = []
    running: list[Running] = []
    async with create_task_group() as group:
        for _ in range(80):
            step = rng.choices(["begin", "return", "fail", "throttled", "cancel", "time"], [8, 4, 4, 1, 1, 4])[0]
            if step == "begin":
                try:
                    running.append(await begin(group, breaker))
                except CallNotPermitted as refusal:
                    trace.append(str(refusal))
            elif step == "time":
                clock.advance(rng.choice([0.5, 1.0, 2.0]))
            elif running:
                call = running.pop(rng.randrange(len(running)))
                if step == "cancel":
                    await call.cancel()
                else:
                    verdict = Verdict.FAILURE if step == "fail" else Verdict.THROTTLED
                    await call.end(None if step == "return" else Said(verdict))
            trace.append((step, breaker.snapshot(), str(breaker.explain())))
        group.cancel_scope.cancel()
    return [*trace, *ear.heard]


@pytest.mark.parametrize("seed", range(10))
def test_invariant_18_the_same_trace_on_asyncio_and_trio(seed: int) -> None:
    """For one seed all snapshots, explanations, refusals and events are equal, one by one."""
    asyncio_trace = run(seeded_life, seed, backend="asyncio")
    trio_trace = run(seeded_life, seed, backend="trio")
    assert asyncio_trace == trio_trace
    assert len([event for event in asyncio_trace if isinstance(event, Transition)]) > 1
