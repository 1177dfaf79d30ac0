"""The breaker that calls go through: a machine, a clock, a lock and observers."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast

from switchgear._breaker import BreakerMachine
from switchgear._breaker_config import Backoff, BreakerConfig, ProbeWith, Ramp
from switchgear._bus import Bus
from switchgear._call import cause_of
from switchgear._clock import Clock, monotonic
from switchgear._decorate import decorate
from switchgear._era import Ticket
from switchgear._errors import CallNotPermitted, Cause
from switchgear._events import Reason, Refused, Settled, Transition
from switchgear._lane import Lane, Slot
from switchgear._lock import fork_safe
from switchgear._permit import Permit
from switchgear._redact import describe
from switchgear._state import State
from switchgear._verdict import Classify, Verdict, judge, unknown_is_failure
from switchgear._window import Window

_log = logging.getLogger("switchgear")

if TYPE_CHECKING:
    from switchgear._snapshot import Explanation, Snapshot

P = ParamSpec("P")
T = TypeVar("T")

# One lock for all breakers: it is held for the few instructions of a decision and never while foreign code runs, most
# calls do without it, and a hundred thousand breakers need not have one each.
_lock = fork_safe(threading.RLock())
# As threading.Condition asks: no public method says whether this very thread holds the lock.
_is_mine: Callable[[], bool] = getattr(_lock, "_is_owned")  # noqa: B009

#: Outcomes that a finalizer brought in the middle of a decision on its thread: the collector may run there, and close
#: an abandoned stream. The next to decide takes them in.
_left: deque[Callable[[], object]] = deque()


def roll() -> float:
    # From the system: needs no seed, so a fork's children do not roll alike, and no module to import.
    return int.from_bytes(os.urandom(4), "big") / 2**32


class Rules(TypedDict, total=False):
    """The fields of BreakerConfig, as keywords."""

    failure_rate_threshold: float | None
    slow_call_rate_threshold: float | None
    slow_call_duration_threshold: float | Mapping[str, float] | None
    consecutive_failures: int | None
    minimum_number_of_calls: int
    window: Window
    wait_duration_in_open: float | Backoff
    permitted_calls_in_half_open: int
    probe_timeout: float
    max_wait_in_half_open: float
    ramp: Ramp | None
    probe_with: ProbeWith


class Group(Protocol):
    """What a breaker tells the group that it is a branch of, and is told by it."""

    @property
    def tolerated_for(self) -> Callable[[str], float]:
        """Operation class -> seconds up to which users are satisfied with a call of it."""
        ...

    def moved(self, branch: CircuitBreaker) -> None:
        """It changed its state."""

    def said_of_all(self, branch: CircuitBreaker, verdict: Verdict) -> None:
        """A call through it came to a verdict that speaks for the whole service."""

    # Whether calls through it are told of: not those that go through another one, too.
    def tells_of(self, breaker: CircuitBreaker) -> bool: ...


class CircuitBreaker:
    """A circuit breaker: refuses calls to a backend that is failing, and finds out when it is back.

    `await breaker.call(fn, *args)`, `@breaker` on a coroutine function, a plain function or a generator of either
    kind, and `with breaker.permit():` (or `async with`) all guard alike, on asyncio, on trio, and from threads at once.
    A refused call raises CallNotPermitted; whatever the call itself returns or raises passes through unchanged.

    `classify` turns an exception into a Verdict (default: every exception is a FAILURE), `classify_result` a result
    (default: every result is a SUCCESS). `clock` gives seconds and never goes back; `roll` is chance, 0..1, for the
    jitter of waits.
    """

    __slots__ = ("__weakref__", "_bus", "_deliverer", "_group", "_machine", "classify",
                 "classify_result", "clock", "default_lane")  # fmt: skip

    def __init__(
        self,
        name: str,
        config: BreakerConfig | None = None,
        *,
        domain: str = "",
        classify: Classify = unknown_is_failure,
        classify_result: Callable[[Any], Verdict] | None = None,
        clock: Clock = monotonic,
        bus: Bus | None = None,
        group: Group | None = None,
        roll: Callable[[], float] = roll,
    ) -> None:
        self._machine = BreakerMachine(name, config or _DEFAULT, clock(), roll, domain=domain)
        self._machine.watched = bus is not None and bus.hears(Settled)
        self._group, self._bus = group, bus
        self._deliverer = 0  # the process in which somebody delivers events: none, if that is a fork's parent
        self.classify = classify
        self.classify_result = classify_result
        self.clock = clock
        self.default_lane = self.lane("")

    def __repr__(self) -> str:
        domain = f"[{self.domain}]" if self.domain else ""
        return f"<CircuitBreaker {self.name}{domain} {self._machine.state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy, or the same breaker in another process, watches on its own: what travels is the configuration.
        return (_rebuild, (self.name, self.config, self.domain, self.classify, self.classify_result))

    @property
    def name(self) -> str:
        return self._machine.name

    @property
    def domain(self) -> str:
        """Which part of its service it watches; "" for the whole."""
        return self._machine.domain

    @property
    def config(self) -> BreakerConfig:
        return self._machine.config

    # -- guarding ------------------------------------------------------------------------------------------------

    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `fn(*args, **kwargs)` under this breaker. Raises CallNotPermitted if it may not be called now."""
        lane = self.default_lane
        ticket: Any = lane.slot
        started = self.clock()
        if started < ticket.until:
            next(ticket.started)
        else:
            ticket = self.admit(lane, started)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as exc:
            self.failed(ticket, lane, started, exc)
            raise
        ended = self.clock()
        if ended < ticket.until and ended - started < lane.quick:
            next(ticket.ok)
        else:
            self.served(ticket, lane, started, result)
        return result

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate a coroutine function, a plain function, or a generator of either kind. A generator holds its permit
        until it is exhausted (success), raises (judged) or is closed early (given back).
        """
        return decorate(self, fn)

    def permit(self, operation: str = "", *, operation_class: str | None = None) -> Permit:
        """Take a permit; use it as a context manager, or settle it by hand. Raises CallNotPermitted."""
        lane = self.default_lane if operation_class is None else self.lane(operation_class)
        return self.acquire(lane, operation)

    # -- seeing and steering -------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state as of now: a wait that is over is over, also when nobody calls."""
        return self.snapshot().state

    def snapshot(self) -> Snapshot:
        """All counters and rates at one moment, never torn."""
        with _lock:
            if _left:
                _take_in()
            snapshot = self._machine.snapshot(self.clock())
        self._deliver()
        return snapshot

    def explain(self) -> Explanation:
        """State, since when, by which rule with which numbers, the last causes, and what comes next."""
        from switchgear._snapshot import explain  # put off, as in the machine

        return explain(self.snapshot(), self.config.permitted_calls_in_half_open)

    def force_open(self, reason: str, *, for_: float | None = None) -> None:
        """Refuse all calls, for `for_` seconds or until reset; after the time limit it probes before it closes."""
        self._operate("force_open", reason, **({} if for_ is None else {"seconds": for_}))

    def disable(self, reason: str, *, for_: float | None = None) -> None:
        """Admit all calls, unwatched, for `for_` seconds or until reset."""
        self._operate("disable", reason, **({} if for_ is None else {"seconds": for_}))

    def metrics_only(self, reason: str) -> None:
        """Admit all calls, and report when the breaker would have opened."""
        self._operate("metrics_only", reason)

    def reset(self, reason: str = "reset") -> None:
        """CLOSED with an empty window, whatever was before; waits begin small again."""
        self._operate("reset", reason)

    def hold_probes(self, seconds: float, why: str) -> None:
        """Admit no probe for so many seconds from now on; `why` is what a refused call is told."""
        with _lock:
            self._machine.hold(why, self.clock(), seconds=seconds)
        self._deliver()

    @property
    def held(self) -> bool:
        """Whether its probes are being held back."""
        return self._machine.held(self.clock())

    def trip(self, reason: Reason, detail: str, *, wait: float | None = None) -> None:
        """Open for a reason that lies outside this breaker's own calls."""
        with _lock:
            self._machine.trip(reason, detail, self.clock(), wait=wait)
        self._deliver()

    def reconfigure(self, config: BreakerConfig) -> None:
        """Go by another configuration, keeping the state, what the window holds, and the moments already set."""
        with _lock:
            self._machine.reconfigure(config, self.clock())
        self._deliver()

    def subscribe(self, observer: object) -> Callable[[], None]:
        """Let an observer (see Observer) hear of this breaker; the result takes it away again."""
        with _lock:
            bus = self._bus = self._bus or Bus()
        unsubscribe = bus.subscribe(observer)
        self.listeners_changed()

        def leave() -> None:
            unsubscribe()
            self.listeners_changed()

        return leave

    def tick(self) -> None:
        """Do what is due by now, as a call would: a wait may be over, a call in flight overdue."""
        with _lock:
            self._machine.tick(self.clock())
        self._deliver()

    def listeners_changed(self) -> None:
        """Whether every call must be seen may have changed."""
        watched = self._bus is not None and self._bus.hears(Settled)
        timed = self._is_timed()
        with _lock:
            self._machine.watch(watched)
            for lane in self._machine.lanes:
                lane.time(timed)

    # -- for permits and groups ----------------------------------------------------------------------------------

    def lane(self, operation_class: str) -> Lane:
        tolerated = self._group.tolerated_for(operation_class) if self._group else inf
        timed = self._is_timed()
        with _lock:
            lane = self._machine.lane(operation_class, tolerated)
            lane.time(timed)
        return lane

    def _is_timed(self) -> bool:
        """Whether every call through it must be looked at: its result is judged, or somebody wants to hear of it."""
        if self._group is not None and not self._group.tells_of(self):
            return False
        return self.classify_result is not None or (self._bus is not None and self._bus.hears_outcomes())

    @property
    def machine_state(self) -> State:
        """The state as it was last decided, without a look at the clock: one attribute, for call paths."""
        return self._machine.state

    @property
    def used(self) -> float:
        """When a call last asked to be admitted, or may have without being seen: at most ten seconds too late."""
        unseen_until = max(lane.slot.until for lane in self._machine.lanes)
        return max(self._machine.used, min(unseen_until, self.clock()))

    def acquire(self, lane: Lane, operation: str, refusal: type[CallNotPermitted] = CallNotPermitted) -> Permit:
        ticket: Any = lane.slot  # a Slot, if its door is open
        started = self.clock()
        if started < ticket.until:
            next(ticket.started)
        else:
            ticket = self.admit(lane, started, operation, refusal)
        return Permit(self, lane, ticket, started, operation)

    def acquire_probe(self, operation: str) -> Permit:
        """A permit for the plugin's active check. Raises CallNotPermitted where no probe is due."""
        started = self.clock()
        lane = self.lane("probe")
        return Permit(self, lane, self.admit(lane, started, operation, active=True), started, operation)

    def admit(
        self,
        lane: Lane,
        now: float,
        operation: str = "",
        refusal: type[CallNotPermitted] = CallNotPermitted,
        *,
        active: bool = False,
    ) -> Ticket:
        """The locked way in."""
        machine = self._machine
        bolt = machine.bolt
        if bolt is not None and now < bolt.until:
            next(bolt.refused)
            left = bolt.until - now
            retry_after = left if left < inf else None
            if self._bus is not None and self._bus.hears(Refused):
                self._bus.publish(self._refused(operation, bolt.state, retry_after, now))
            raise refusal(machine.name, machine.domain, bolt.state, retry_after, bolt.detail, bolt.causes)
        refused = None
        with _lock:
            if _left:
                _take_in()
            ticket = machine.admit(lane, now, active=active)
            if ticket is None:
                refused = machine.refusal(now)
                if self._bus is not None and self._bus.hears(Refused):
                    machine.tell(self._refused(operation, refused[0], refused[1], now))
        if machine.events is not None:
            self._deliver()
        if refused is not None:
            raise refusal(machine.name, machine.domain, *refused)
        return cast("Ticket", ticket)

    def _refused(self, operation: str, state: State, retry_after: float | None, now: float) -> Refused:
        return Refused(breaker=self.name, domain=self.domain, operation=operation, state=state,
                       retry_after=retry_after, at=now)  # fmt: skip

    def settle(  # noqa: PLR0917 - the facts of one outcome
        self,
        ticket: Ticket,
        lane: Lane,
        verdict: Verdict,
        started: float,
        latency: float | None = None,
        exc: BaseException | None = None,
        operation: str = "",
    ) -> None:
        """The locked way out. `latency` in seconds, where it is not the whole duration."""
        cause = None if exc is None or verdict.name in {"SUCCESS", "IGNORED"} else Cause(*describe(exc))
        if _is_mine():
            _left.append(partial(self.decide, ticket, lane, verdict, started, latency, operation, cause))
            return
        with _lock:
            if _left:
                _take_in()
            in_time = self.decide(ticket, lane, verdict, started, latency, operation, cause)
        if self._machine.events is not None:
            self._deliver()
        if lane.timed:
            self._tell(lane, operation, verdict, self.clock() - started if latency is None else latency)
        if verdict.service_wide and in_time and self._group is not None:
            self._group.said_of_all(self, verdict)

    def decide(  # noqa: PLR0917 - the facts of one outcome
        self,
        ticket: Ticket,
        lane: Lane,
        verdict: Verdict,
        started: float,
        latency: float | None,
        operation: str,
        cause: Cause | None,
    ) -> bool:
        """What `settle` does with the lock held. False: the outcome came late."""
        machine, now = self._machine, self.clock()
        if latency is not None:
            machine.tail_arrived(ticket, now)
        duration = now - started if latency is None else latency
        in_time = machine.settle(ticket, lane, verdict, duration, now, cause)
        if self._bus is not None and self._bus.hears(Settled):
            event = Settled(breaker=self.name, domain=self.domain, operation=operation, verdict=verdict,
                            duration=duration, late=not in_time, at=now)  # fmt: skip
            machine.tell(event)
        return in_time

    def evidence(self, ticket: Slot, verdict: Verdict, exc: BaseException) -> None:
        cause = Cause(*describe(exc))
        with _lock:
            in_time = self._machine.evidence(ticket, verdict, self.clock(), cause)
        self._deliver()
        if verdict.service_wide and in_time and self._group is not None:
            self._group.said_of_all(self, verdict)

    def head_arrived(self, ticket: Ticket, started: float) -> float:
        with _lock:
            now = self.clock()
            self._machine.head_arrived(ticket, now)
        self._deliver()
        return now - started

    def served(self, ticket: Ticket, lane: Lane, started: float, result: object) -> None:
        verdict = self.judge_result(result)
        if verdict.name != "SUCCESS" or not lane.timed or not self.passed(ticket, lane, "", started, self.clock()):
            self.settle(ticket, lane, verdict, started)

    def passed(self, ticket: Any, lane: Lane, operation: str, started: float, now: float) -> bool:
        """Let a timed success pass the door, and tell of it. False: it has to go the locked way."""
        latency = now - started
        if now >= ticket.until or latency >= lane.slow or latency >= lane.tolerated:
            return False
        next(ticket.ok)
        self._tell(lane, operation, Verdict.SUCCESS, latency)
        return True

    def _tell(self, lane: Lane, operation: str, verdict: Verdict, seconds: float) -> None:
        if self._bus is not None:
            machine = self._machine
            self._bus.outcome(machine.name, machine.domain, operation, lane.operation_class, verdict, seconds)

    def failed(self, ticket: Ticket, lane: Lane, started: float, exc: BaseException) -> None:
        exc = cause_of(exc, self.name)
        self.settle(ticket, lane, self.judge(exc), started, None, exc)

    # A classification is foreign code. When it raises, the caller still gets the call's own outcome, and the permit is
    # settled by the default.

    def judge(self, exc: BaseException) -> Verdict:
        """The verdict on an exception; FAILURE where `classify` itself fails."""
        try:
            return judge(exc, self.classify)
        except Exception as error:  # noqa: BLE001 - it may raise anything
            _log.error("%r: classify failed, so the exception counts as a failure: %s: %s", self, *describe(error))
            return Verdict.FAILURE

    def judge_result(self, result: object) -> Verdict:
        """The verdict on a result; SUCCESS where `classify_result` itself fails."""
        if self.classify_result is None:
            return Verdict.SUCCESS
        try:
            return self.classify_result(result)
        except Exception as error:  # noqa: BLE001 - it may raise anything
            _log.error("%r: classify_result failed, so the result counts as a success: %s: %s", self, *describe(error))
            return Verdict.SUCCESS

    def _operate(self, operation: str, reason: str, **limit: float) -> None:
        with _lock:
            self._machine.operate(operation, reason, self.clock(), **limit)
        self._deliver()

    def _deliver(self) -> None:
        """Publish what the machine has to tell. One deliverer at a time, so that observers hear it in its order; an
        observer that calls back into the breaker is not delivered to from inside itself.
        """
        machine, process = self._machine, os.getpid()
        while machine.events:
            with _lock:
                if self._deliverer == process or not machine.events:
                    return
                events, machine.events = machine.events, None
                self._deliverer = process
            try:
                if self._group is not None and any(isinstance(event, Transition) for event in events):
                    self._group.moved(self)
                if self._bus is not None:
                    for event in events:
                        self._bus.publish(event)
            finally:
                self._deliverer = 0


def _take_in() -> None:
    """Decide on what finalizers have left. The lock is held."""
    while _left:
        _left.popleft()()


_DEFAULT = BreakerConfig()


def circuit(
    name: str,
    config: BreakerConfig | None = None,
    *,
    classify: Classify = unknown_is_failure,
    classify_result: Callable[[Any], Verdict] | None = None,
    **rules: Unpack[Rules],
) -> CircuitBreaker:
    """A breaker to decorate a function with, for those who need no plugin and no configuration file.

    `@circuit("quotes", failure_rate_threshold=0.5)`; the rules are those of BreakerConfig. The decorated function has
    its breaker as the attribute `breaker`. Each call of `circuit` makes a breaker of its own: functions share one only
    if they are decorated with the same object.
    """
    return CircuitBreaker(
        name, replace(config or _DEFAULT, **rules), classify=classify, classify_result=classify_result
    )


def _rebuild(name: str, config: BreakerConfig, domain: str, classify: Classify, classify_result: Any) -> CircuitBreaker:
    return CircuitBreaker(name, config, domain=domain, classify=classify, classify_result=classify_result)
