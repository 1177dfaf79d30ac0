"""The breaker against a naive reference: whatever is done to both, they agree.

Twice: the machine alone, and CircuitBreaker by real calls, most of which pass it without its lock. The reference knows
nothing of that. All times are multiples of powers of two, so that floats are exact and ends can be met to the point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    Cause,
    CircuitBreaker,
    Permit,
    Reason,
    Settled,
    Snapshot,
    Transition,
    TripSuppressed,
    Verdict,
)
from switchgear.lowlevel import BreakerMachine
from switchgear.testing import VirtualClock
from switchgear.testing.model import BreakerModel, Call
from switchgear.testing.strategies import breaker_configs, verdicts
from tests.support import Held, Said, TransitionEar, as_said, gate

ROLL = 0.5
TOLERATED = {"": 1.0, "read": 8.0}
CLASSES = ["", "read", "write"]


def tolerated_for(operation_class: str) -> float:
    return TOLERATED.get(operation_class, inf)


class Operation(NamedTuple):
    name: str
    seconds: float | None = None


class News(NamedTuple):
    reason: Reason
    wait: float | None


operations = st.sampled_from(
    [
        *map(Operation, ("force_open", "disable", "metrics_only", "reset")),
        *(Operation(name, 2.0) for name in ("force_open", "disable", "hold_probes")),
    ]
)
news = st.builds(News, st.sampled_from([Reason.MAJORITY, Reason.SERVICE_WIDE]), st.sampled_from([None, 2.0]))
bad_verdicts = st.sampled_from([Verdict.FAILURE, Verdict.THROTTLED, Verdict.THROTTLED.after(2.0)])


class Comparison(RuleBasedStateMachine):
    """What can happen to a breaker, done to it and to the reference."""

    machine: BreakerMachine
    model: BreakerModel

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.pairs: list[tuple[Any, Call]] = []  # calls under way: as the breaker and as the model hold them
        self.heard: list[Any] = []

    @initialize(config=breaker_configs())
    def start(self, config: BreakerConfig) -> None:
        self.model = BreakerModel(
            config,
            self.clock(),
            witness=lambda era: self.machine.generation > era,
            roll=lambda: ROLL,
            tolerated=TOLERATED,
        )
        self.machine = self.make(config)

    # -- how it is done to the breaker, by each way in --------------------------------------------------------------

    def make(self, config: BreakerConfig) -> BreakerMachine:
        raise NotImplementedError

    def take(self, operation_class: str, how: int, *, active: bool) -> Any:
        """What the breaker holds of an admitted call; None: refused."""
        raise NotImplementedError

    def give(self, held: Any, call: Call, verdict: Verdict, how: int) -> None:
        raise NotImplementedError

    def operate(self, operation: Operation) -> None:
        raise NotImplementedError

    def hear(self, news: News) -> None:
        raise NotImplementedError

    def reconfigure(self, config: BreakerConfig) -> None:
        raise NotImplementedError

    def look(self) -> Snapshot:
        raise NotImplementedError

    def events(self) -> list[Any]:
        raise NotImplementedError

    # -- what happens --------------------------------------------------------------------------------------------

    @rule(quarters=st.sampled_from([1, 1, 2, 4, 4, 8, 16, 64, 1024]))
    def time_passes(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)

    @precondition(lambda self: self.model.state in {"OPEN", "FORCED_OPEN"})
    @rule(eighths=st.integers(6, 8))
    def the_wait_is_nearly_over(self, eighths: int) -> None:
        self.model.now = self.clock()
        self.clock.advance((self.model.retry_after() or 0.0) * eighths / 8)

    @rule(
        operation_class=st.sampled_from(CLASSES), how=st.integers(0, 3), active=st.integers(0, 4).map(lambda n: n == 0)
    )
    def a_call_begins(self, operation_class: str, how: int, *, active: bool) -> None:
        operation_class = "probe" if active else operation_class
        self.before()
        held = self.take(operation_class, how, active=active)
        call = self.model.ask(operation_class, active=active)
        assert (held is None) == (call is None)
        if call is not None:
            self.pairs.append((held, call))

    @precondition(lambda self: self.pairs)
    @rule(which=st.integers(0, 9), verdict=verdicts(), how=st.integers(0, 3))
    def a_call_ends(self, which: int, verdict: Verdict, how: int) -> None:
        held, call = self.pairs.pop(which % len(self.pairs))
        self.before()
        self.give(held, call, verdict, how)
        self.model.time(self.clock())
        self.model.settle(call, verdict, None if verdict.name in {"SUCCESS", "IGNORED"} else ("Said", verdict.name))

    @rule(times=st.integers(1, 12), verdict=verdicts(), how=st.integers(0, 3))
    def short_calls(self, times: int, verdict: Verdict, how: int) -> None:
        for _ in range(times):
            before = len(self.pairs)
            self.a_call_begins("", how, active=False)
            if len(self.pairs) > before:
                self.a_call_ends(before, verdict, how)
            self.agree()

    @precondition(lambda self: self.pairs)
    @rule(which=st.integers(0, 9))
    def a_head_arrives(self, which: int) -> None:
        held, call = self.pairs[which % len(self.pairs)]
        if call.latency is None and self.streams(held):
            self.before()
            self.head(held)
            self.model.time(self.clock())
            self.model.head(call)

    @precondition(lambda self: self.pairs)
    @rule(which=st.integers(0, 9), verdict=bad_verdicts)
    def an_attempt_fails(self, which: int, verdict: Verdict) -> None:
        held, call = self.pairs[which % len(self.pairs)]
        if call.deadline == inf and self.streams(held):
            self.before()
            self.attempt(held, verdict)
            self.model.time(self.clock())
            self.model.evidence(call, verdict, ("Said", verdict.name))

    @rule(verdict=st.sampled_from([Verdict.FAILURE, Verdict.FAILURE, Verdict.SUCCESS, Verdict.EXHAUSTED.after(4.0)]))
    def the_backend_is(self, verdict: Verdict) -> None:
        """As many calls as decide anything, after whatever there was to wait for."""
        self.model.now = self.clock()
        self.clock.advance(self.model.retry_after() or 0.0)
        self.short_calls(8, verdict, how=2)

    @rule(what=st.one_of(operations, news, breaker_configs()))
    def something_rare(self, what: Operation | News | BreakerConfig) -> None:
        self.before()
        if isinstance(what, Operation):
            self.operate(what)
            self.model.time(self.clock())
            self.model.operate(what.name, inf if what.seconds is None else what.seconds)
        elif isinstance(what, News):
            self.hear(what)
            self.model.time(self.clock())
            self.model.trip_from_outside(str(what.reason), what.wait)
        else:
            self.reconfigure(what)
            self.model.time(self.clock())
            self.model.reconfigure(what)

    @rule()
    def somebody_looks(self) -> None:
        self.compare(self.look())

    def streams(self, held: Any) -> bool:
        """Whether this call can have a head, and attempts."""
        raise NotImplementedError

    def head(self, held: Any) -> None:
        raise NotImplementedError

    def attempt(self, held: Any, verdict: Verdict) -> None:
        raise NotImplementedError

    # -- what must agree -----------------------------------------------------------------------------------------

    def before(self) -> None:
        """Time has come. Where it is open whether a hanging call counts yet, look first: the machine chooses."""
        self.model.now = self.clock()
        if self.model.overdue(at_most=True):
            self.compare(self.look())

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "model"):
            assert (self.machine.state.name, self.machine.generation) == (self.model.state, self.model.era)
            self.heard += self.events()
            assert [self.said(event) for event in self.heard] == self.model.log

    @staticmethod
    def said(event: Transition | TripSuppressed) -> tuple[str, ...]:
        if isinstance(event, Transition):
            return event.from_state.name, event.to_state.name, str(event.reason)
        return "suppressed", str(event.reason)

    def compare(self, seen: Snapshot) -> None:
        model = self.model
        model.time(self.clock())
        self.agree()
        results = model.in_window() if model.watching() else []
        slow = sum(result.slow for result in results)
        assert (seen.breaker, seen.domain) == ("b", "")
        assert seen.state.name == model.state
        assert seen.since == model.since
        assert seen.at == model.now
        assert seen.generation == model.era
        assert seen.calls == len(results)
        assert seen.failure_rate == (model.failure_rate() if results else 0)
        assert model.overdue(at_most=False) <= seen.overdue <= model.overdue(at_most=True)
        with_overdue = seen.calls + seen.overdue
        assert seen.slow_call_rate == ((slow + seen.overdue) / with_overdue if with_overdue else 0)
        assert seen.in_flight == (0 if model.state in {"OPEN", "FORCED_OPEN"} else len(model.under_way()))
        assert seen.share == (model.share() if model.watching() else 1)
        probing = model.state == "HALF_OPEN"
        assert seen.probes == ((len(model.probes), len(model.under_way())) if probing else (0, 0))
        assert seen.retry_after == model.retry_after()
        assert {name: count for name, count in seen.verdicts.items() if count} == +model.verdicts
        assert {state.name: count for state, count in seen.refused.items()} == +model.refused
        assert (seen.tolerating, seen.frustrating) == (model.tolerating, model.frustrating)
        assert seen.late == model.late
        assert seen.causes == tuple(Cause(*cause) for cause in model.causes)
        assert (seen.last is None) == (not any(len(entry) == 3 for entry in model.log))

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.somebody_looks()


@dataclass
class Ticketed:
    """A call as whoever drives the machine itself holds it."""

    ticket: Any
    lane: Any
    started: float
    latency: float | None = None


class MachineComparison(Comparison):
    """The machine alone."""

    def make(self, config: BreakerConfig) -> BreakerMachine:
        machine = BreakerMachine("b", config, self.clock(), lambda: ROLL)
        machine.lane("", tolerated_for(""))
        return machine

    def take(self, operation_class: str, how: int, *, active: bool) -> Ticketed | None:
        lane = self.machine.lane(operation_class, tolerated_for(operation_class))
        ticket = self.machine.admit(lane, self.clock(), active=active)
        self.model.time(self.clock())
        return None if ticket is None else Ticketed(ticket, lane, self.clock())

    def give(self, held: Ticketed, call: Call, verdict: Verdict, how: int) -> None:
        if held.latency is not None:
            self.machine.tail_arrived(held.ticket, self.clock())
        duration = self.clock() - held.started if held.latency is None else held.latency
        cause = None if verdict.name in {"SUCCESS", "IGNORED"} else Cause("Said", verdict.name)
        self.machine.settle(held.ticket, held.lane, verdict, duration, self.clock(), cause)

    def streams(self, held: Ticketed) -> bool:
        return True

    def head(self, held: Ticketed) -> None:
        self.machine.head_arrived(held.ticket, self.clock())
        held.latency = self.clock() - held.started

    def attempt(self, held: Ticketed, verdict: Verdict) -> None:
        self.machine.evidence(held.ticket, verdict, self.clock(), Cause("Said", verdict.name))

    def operate(self, operation: Operation) -> None:
        limit = {} if operation.seconds is None else {"seconds": operation.seconds}
        if operation.name == "hold_probes":
            self.machine.hold("others come first", self.clock(), **limit)
            return
        self.machine.operate(operation.name, "by hand", self.clock(), **limit)

    def hear(self, news: News) -> None:
        self.machine.trip(news.reason, "others are down", self.clock(), wait=news.wait)

    def reconfigure(self, config: BreakerConfig) -> None:
        self.machine.reconfigure(config, self.clock())

    def look(self) -> Snapshot:
        return self.machine.snapshot(self.clock())

    def events(self) -> list[Any]:
        events, self.machine.events = self.machine.events, None
        return events or []


@dataclass
class Running:
    """A call through a CircuitBreaker: a suspended coroutine, with its permit where it took one."""

    held: Held
    permit: Permit | None = None


class Measured:
    """A group that only says what calls are measured by."""

    tolerated_for = staticmethod(tolerated_for)

    def moved(self, branch: CircuitBreaker) -> None: ...

    def said_of_all(self, branch: CircuitBreaker, verdict: Verdict) -> None: ...

    def tells_of(self, breaker: CircuitBreaker) -> bool:
        return True


class CircuitComparison(Comparison):
    """The breaker by real calls, in every way in which they can be made, with and without somebody watching them."""

    breaker: CircuitBreaker

    def make(self, config: BreakerConfig) -> BreakerMachine:
        self.breaker = CircuitBreaker("b", config, classify=as_said, clock=self.clock, group=Measured())
        self.breaker._machine._roll = lambda: ROLL
        self.ear = TransitionEar()
        self.breaker.subscribe(self.ear)
        self.unwatch: Callable[[], None] = lambda: None
        self.watched = False
        self.stop_timing: Callable[[], None] = lambda: None
        self.timed = False
        return self.breaker._machine

    @rule()
    def a_watcher_comes_or_goes(self) -> None:
        if self.watched:
            self.unwatch()
        else:
            self.unwatch = self.breaker.subscribe(Watcher())
        self.watched = not self.watched

    @rule()
    def a_stopwatch_comes_or_goes(self) -> None:
        if self.timed:
            self.stop_timing()
        else:
            self.stop_timing = self.breaker.subscribe(Stopwatch())
        self.timed = not self.timed

    def take(self, operation_class: str, how: int, *, active: bool) -> Running | None:
        permits: list[Permit] = []

        async def permitted() -> Any:
            if active:
                permit = self.breaker.acquire_probe("probe")
            else:
                permit = self.breaker.permit(operation_class=operation_class or None)
            permits.append(permit)
            if how % 2:
                async with permit:
                    return await gate()
            with permit:
                return await gate()

        plain: list[Coroutine[Any, Any, Any]] = []
        if not active and not operation_class and how < 2:
            plain = [self.breaker.call(gate), self.breaker(gate)()]
        try:
            held = Held(plain.pop(how) if plain else permitted())
        except CallNotPermitted as refusal:
            self.model.time(self.clock())
            self.is_told(refusal)
            return None
        finally:
            for coroutine in plain:
                coroutine.close()
        self.model.time(self.clock())
        return Running(held, permits[0] if permits else None)

    def is_told(self, refusal: CallNotPermitted) -> None:
        assert refusal.state.name == self.model.state
        assert refusal.retry_after == self.model.retry_after()

    def give(self, held: Running, call: Call, verdict: Verdict, how: int) -> None:
        said = Said(verdict, verdict.name)
        if verdict.name == "SUCCESS" and how != 3:
            assert held.held.returns(how) == how
        elif verdict.name == "IGNORED" and how == 0:
            held.held.closed()
        elif verdict.name == "IGNORED" and how != 3:
            held.held.raises([asyncio.CancelledError(), KeyboardInterrupt()][how - 1])
        else:
            held.held.raises(said)

    def streams(self, held: Running) -> bool:
        return held.permit is not None

    def head(self, held: Running) -> None:
        assert held.permit is not None
        held.permit.first_chunk()

    def attempt(self, held: Running, verdict: Verdict) -> None:
        assert held.permit is not None
        held.permit.attempt_failed(Said(verdict, verdict.name))

    def operate(self, operation: Operation) -> None:
        limit = {} if operation.seconds is None else {"for_": operation.seconds}
        if operation.name == "hold_probes":
            self.breaker.hold_probes(limit["for_"], "others come first")
            return
        getattr(self.breaker, operation.name)("by hand", **limit)

    def hear(self, news: News) -> None:
        self.breaker.trip(news.reason, "others are down", wait=news.wait)

    def reconfigure(self, config: BreakerConfig) -> None:
        self.breaker.reconfigure(config)

    def look(self) -> Snapshot:
        return self.breaker.snapshot()

    def events(self) -> list[Any]:
        heard, self.ear.heard = self.ear.heard, []
        return heard


class Stopwatch:
    """Wants to hear of every call, in whatever order: the door stays open, and none passes it unseen."""

    def on_outcome(self, *outcome: object) -> None:
        assert len(outcome) == 6


class Watcher:
    """Wants to hear of every call, so that none goes by unseen."""

    def on_settled(self, event: Settled) -> None:
        assert event.duration >= 0


TestMachine = MachineComparison.TestCase
TestCircuit = CircuitComparison.TestCase
