"""The breaker's state machine.

Two rules. Every change of state happens in this file, by `_move`, along the table below. And this file knows no clock,
no lock, no chance and no I/O: the time comes in with every call, a random number comes from `roll`, and what there is
to tell goes into `events` for the caller to publish. asyncio, trio, threads, the simulator and the tests all drive this
same machine; whoever drives it from several threads does so under a lock.

Theory of operation. An *era* is the stay in one state; its number is the *generation*. A call is admitted with a
*ticket* (the slot of its lane, or a lease while HALF_OPEN) that carries the generation it was issued in. Whatever
belongs to an earlier generation when it is settled is counted as `late` and changes nothing. What the era must remember
is one object (`_era.py`) that dies with it.

It could be nicer: METRICS_ONLY and the ramp are variants of CLOSED rather than eras of their own, because they keep
its window.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from switchgear._breaker_config import BreakerConfig
from switchgear._era import NOT_HELD, UNUSED, Bolt, Closed, Disabled, Era, HalfOpen, Lease, Ticket, Unused
from switchgear._errors import Cause
from switchgear._events import Event, Reason, Transition, TripSuppressed
from switchgear._lane import FRUSTRATED, SHUT, Lane, Slot
from switchgear._state import State
from switchgear._verdict import Verdict
from switchgear._window import take_over

if TYPE_CHECKING:
    from switchgear._snapshot import Snapshot

CLOSED, OPEN, HALF_OPEN = State.CLOSED, State.OPEN, State.HALF_OPEN
FORCED_OPEN, DISABLED, METRICS_ONLY = State.FORCED_OPEN, State.DISABLED, State.METRICS_ONLY

#: state -> reason -> next state. What is not here cannot happen.
TRANSITIONS: dict[State, dict[Reason, State]] = {
    CLOSED: {
        Reason.FAILURE_RATE: OPEN,
        Reason.SLOW_CALL_RATE: OPEN,
        Reason.CONSECUTIVE_FAILURES: OPEN,
        Reason.THROTTLED: OPEN,
        Reason.EXHAUSTED: OPEN,
        Reason.RELAPSE: OPEN,
        Reason.MAJORITY: OPEN,
        Reason.SERVICE_WIDE: OPEN,
    },
    OPEN: {
        Reason.WAIT_ELAPSED: HALF_OPEN,
    },
    HALF_OPEN: {
        Reason.PROBES_PASSED: CLOSED,
        Reason.PROBES_FAILED: OPEN,
        Reason.PROBES_OVERDUE: OPEN,
        Reason.THROTTLED: OPEN,
        Reason.EXHAUSTED: OPEN,
        Reason.MAJORITY: OPEN,
        Reason.SERVICE_WIDE: OPEN,
    },
    FORCED_OPEN: {
        Reason.WAIT_ELAPSED: HALF_OPEN,  # an operator's time limit is over: look before trusting
    },
    DISABLED: {
        Reason.WAIT_ELAPSED: CLOSED,  # the operator's time limit is over
    },
    METRICS_ONLY: {},
}

#: What an operator may do, from every state.
OPERATIONS: dict[str, State] = {
    "force_open": FORCED_OPEN,
    "disable": DISABLED,
    "metrics_only": METRICS_ONLY,
    "reset": CLOSED,
}

_KEPT_CAUSES = 5

_OTHERS = ("FAILURE", "THROTTLED", "EXHAUSTED", "IGNORED")
#: Beside them, the successes that came later than users are satisfied with.
_TOLERATING, _FRUSTRATING = range(len(_OTHERS), len(_OTHERS) + 2)
_COUNTERS = _FRUSTRATING + 1

#: How bad a verdict is, in halves of a failure.
_HALVES = {"SUCCESS": 0, "THROTTLED": 1, "FAILURE": 2, "EXHAUSTED": 2}
_FAILED = 2

#: The failure rate of a round of probes where the rule on rates is off: probes need a measure all the same.
_PROBE_LIMIT = 0.5

Rule = tuple[Reason, str]  # the rule that is broken, and its numbers


class BreakerMachine:
    """States, windows, leases and rules of one breaker. Not thread-safe; times in seconds, never going back."""

    __slots__ = (
        "_attempt", "_era", "_now", "_roll", "bolt", "causes", "config", "domain", "events", "generation",
        "lanes", "last", "late", "name", "others", "refused", "since", "state", "succeeded", "used", "watched",
    )  # fmt: skip

    def __init__(
        self, name: str, config: BreakerConfig, now: float, roll: Callable[[], float], *, domain: str = ""
    ) -> None:
        self.name = name
        self.domain = domain
        self.config = config
        self._roll = roll
        self._now = now
        self._attempt = 0.0
        self.state = CLOSED
        self.generation = 0
        self.since = now
        self.used = now  #: when a call last asked (in a busy CLOSED era: at most a slot's length ago)
        self._era: Era = UNUSED
        self.bolt: Bolt | None = None  #: the era, while it is one of refusing
        self.lanes: tuple[Lane, ...] = ()
        self.last: Transition | None = None
        self.causes: tuple[Cause, ...] = ()
        self.events: list[Event] | None = None
        self.watched = False  #: somebody wants to hear of every call: none may pass unseen
        # Counters since the beginning. Those that stay empty in a healthy life are made when they are needed.
        self.succeeded = 0
        self.late = 0
        self.others: list[int] | None = None  # as _OTHERS, _TOLERATING and _FRUSTRATING name them
        self.refused: dict[State, int] | None = None

    # -- calls ---------------------------------------------------------------------------------------------------

    def lane(self, operation_class: str, tolerated: float = inf) -> Lane:
        """The lane for calls of an operation class, made on first use; `tolerated` are the seconds up to which users
        are satisfied.
        """
        for lane in self.lanes:
            if lane.operation_class == operation_class:
                return lane
        lane = Lane(operation_class, self.config.slow_after(operation_class), tolerated)
        self.lanes = (*self.lanes, lane)
        return lane

    def admit(self, lane: Lane, now: float, *, active: bool = False) -> Ticket | None:
        """A ticket for one call, to be settled exactly once; None: not permitted. `active`: it is no user's call but
        the plugin's own check, made to find out.
        """
        self.used = now = self.tick(now)
        era = self._era
        if isinstance(era, Unused):
            era = self._era = Closed(self.config.window.open(), now)
        ticket: Ticket | None
        if isinstance(era, Bolt):
            ticket = None
        elif isinstance(era, HalfOpen):
            ticket = self._lease(era, lane, now) if active or self._users_probe(now) else None
        elif isinstance(era, Closed) and not era.admits(now):
            ticket = None
        else:
            ticket = self._slot(era, lane, now)
            next(ticket.started)
        if ticket is None:
            self._count_refused(1)
        return ticket

    def settle(  # noqa: PLR0917 - the facts of one outcome
        self, ticket: Ticket, lane: Lane, verdict: Verdict, duration: float, now: float, cause: Cause | None = None
    ) -> bool:
        """The outcome of an admitted call that took `duration` seconds. False: it came late and changes nothing."""
        now = self.tick(now)
        era = self._era
        if ticket.generation != self.generation:
            self.late += 1
            return False
        if isinstance(ticket, Slot):
            ticket.settled += 1
        elif isinstance(era, HalfOpen) and ticket in era.leases:
            era.leases.remove(ticket)
        else:  # a lease past its deadline: somebody else may hold the permit by now
            self.late += 1
            return False
        self._count(verdict, cause)
        if duration > lane.tolerated and verdict.name == "SUCCESS":
            self._others()[_FRUSTRATING if duration > FRUSTRATED * lane.tolerated else _TOLERATING] += 1
        if verdict.name != "IGNORED":
            self._learn(verdict, duration >= lane.slow, now)
        elif isinstance(era, HalfOpen) and not era.leases:
            era.decide_by = inf  # nothing is under way, so nothing is overdue
        return True

    def evidence(self, ticket: Slot, verdict: Verdict, now: float, cause: Cause | None = None) -> bool:
        """One of several attempts inside an admitted call came to a verdict; the call goes on. False: as in settle."""
        now = self.tick(now)
        if ticket.generation != self.generation:
            self.late += 1
            return False
        self._count(verdict, cause)
        self._learn(verdict, False, now)
        return True

    def head_arrived(self, ticket: Ticket, now: float) -> None:
        """A streamed call has its head. From here on its length is the consumer's affair: it no longer counts as in
        flight, and a probe's lease, which guards against lost probes, is prolonged once.
        """
        now = self.tick(now)
        if isinstance(ticket, Lease):
            ticket.deadline = now + self.config.probe_timeout
            ticket.started = inf  # it can become slow no more
        else:
            ticket.settled += 1

    def tail_arrived(self, ticket: Ticket, now: float) -> None:
        """The streamed call is about to be settled, once more in flight."""
        self.tick(now)  # first: it is not overdue
        if isinstance(ticket, Slot):
            ticket.settled -= 1

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """Do what is due by now. Returns the time to go by: clocks read on several threads come in out of order."""
        self._now = now = max(now, self._now)
        era = self._era
        if isinstance(era, Bolt | Disabled) and now >= era.until:
            self._move(Reason.WAIT_ELAPSED, "the wait is over", now)
        elif isinstance(era, Closed | Disabled):
            self._turn(era, now)
        elif isinstance(era, HalfOpen):
            era.leases = [lease for lease in era.leases if now < lease.deadline]
            if now >= era.decide_by:
                waited = self.config.max_wait_in_half_open
                self._trip(Reason.PROBES_OVERDUE, f"probes under way, and nothing heard of them for {waited:g} s", now)
            elif era.leases:
                self._decide(era, now)
        return now

    # -- CLOSED --------------------------------------------------------------------------------------------------

    def _slot(self, era: Closed | Disabled, lane: Lane, now: float) -> Slot:
        if lane.slot.generation != self.generation:
            lane.turn(self.generation, now, era.horizon(now))
            self._doors(now)
        return lane.slot

    def _turn(self, era: Closed | Disabled, now: float) -> None:
        """Begin new slots where they are due, and count the calls that have become overdue meanwhile."""
        if isinstance(era, Closed) and era.ramp is not None and era.share(now) >= 1.0:
            era.ramp = None
        due = [lane for lane in self.lanes if now >= lane.slot.turn and lane.slot.generation == self.generation]
        if not due:
            return
        self._drain()
        for lane in due:
            lane.turn(self.generation, now, era.horizon(now))
        overdue = self._overdue(now)
        if isinstance(era, Closed):
            era.tally.expire(now)
            # Time alone does not open by the failure rate (the next result may); calls that hang do open by slowness.
            if overdue and (rule := self._slow_rule(era, overdue)):
                self._open_by(rule, era, now)
        self._doors(now)

    def _drain(self) -> None:
        """Count the plain successes that passed without the lock, and tell the window of them."""
        era = self._era
        for lane in self.lanes:
            for slot in lane.slots():
                if slot.generation == self.generation and (new := slot.new_successes()):
                    self.succeeded += new
                    if isinstance(era, Closed):
                        era.tally.succeed(new, slot.opened)
                        era.consecutive = 0

    def _overdue(self, now: float) -> int:
        return sum(lane.overdue(now) for lane in self.lanes)

    def _learn(self, verdict: Verdict, slow: bool, now: float) -> None:
        era = self._era
        halves = _HALVES[verdict.name]
        if isinstance(era, HalfOpen):
            era.done += 1
            era.halves += halves
            era.slow += slow
            # Only silence ends a round: where calls are rare, five of them may take longer than any wait.
            era.decide_by = now + self.config.max_wait_in_half_open if era.leases else inf
            if not self._told_to_wait(verdict, now):
                self._decide(era, now)
        elif isinstance(era, Closed):
            self._drain()
            if halves or slow:
                era.tally.add(halves, slow, now)
            else:
                era.tally.succeed(1, now)
            era.consecutive = era.consecutive + 1 if halves == _FAILED else 0
            if not self._told_to_wait(verdict, now) and (rule := self._broken_rule(era, now)):
                self._open_by(rule, era, now)
            self._doors(now)

    def _told_to_wait(self, verdict: Verdict, now: float) -> bool:
        """The backend itself said when to come back, which outranks all statistics."""
        wait = verdict.retry_after
        if verdict.name == "EXHAUSTED":
            until = "an operator resets it" if wait is None else f"{wait:g} s are over"
            self._trip(Reason.EXHAUSTED, f"exhausted until {until}", now, wait=inf if wait is None else wait)
        elif verdict.name == "THROTTLED" and wait:
            self._trip(Reason.THROTTLED, f"the backend asked to wait for {wait:g} s", now, wait=wait)
        else:
            return False
        return True

    def _broken_rule(self, era: Closed, now: float) -> Rule | None:
        config, tally = self.config, era.tally
        if config.consecutive_failures and era.consecutive >= config.consecutive_failures:
            detail = f"{era.consecutive} failures in a row (limit {config.consecutive_failures})"
            return Reason.CONSECUTIVE_FAILURES, detail
        limit = config.failure_rate_threshold
        if limit is not None and tally.halves and tally.calls >= self._minimum(era):
            rate = tally.halves / (2 * tally.calls)
            if rate >= limit:
                return Reason.FAILURE_RATE, f"failure rate {rate:.2f} of {tally.calls} calls (limit {limit:g})"
        return self._slow_rule(era, self._overdue(now))

    def _slow_rule(self, era: Closed, overdue: int) -> Rule | None:
        limit = self.config.slow_call_rate_threshold
        slow, calls = era.tally.slow + overdue, era.tally.calls + overdue
        if limit is None or not slow or calls < self._minimum(era) or slow / calls < limit:
            return None
        in_flight = f", {overdue} of them in flight" if overdue else ""
        return Reason.SLOW_CALL_RATE, f"slow-call rate {slow / calls:.2f} of {calls} calls{in_flight} (limit {limit:g})"

    def _minimum(self, era: Closed) -> int:
        """While ramping up, a round of probes' worth of calls is enough to see that it came too early."""
        config = self.config
        minimum = config.minimum_number_of_calls
        return minimum if era.ramp is None else min(minimum, config.permitted_calls_in_half_open)

    def _open_by(self, rule: Rule, era: Closed, now: float) -> None:
        reason, detail = rule
        if era.ramp is None:
            self._trip(reason, detail, now)
        elif (share := era.share(now) / 2) >= era.ramp.initial:
            self._begin(Closed(self.config.window.open(), now, era.ramp, share))
        else:
            self._trip(Reason.RELAPSE, f"{detail}, while ramping up", now)

    def _doors(self, now: float) -> None:
        """Let plain successes pass without the lock, where none of them can change anything."""
        era = self._era
        passable = isinstance(era, Disabled)
        if isinstance(era, Closed):
            enough = era.ramp is None and era.tally.calls >= self.config.minimum_number_of_calls
            passable = enough and self._broken_rule(era, now) is None
        slots = [lane.slot for lane in self.lanes if lane.slot.generation == self.generation]
        # All doors shut when the first slot is over, so that calls of any lane notice what hangs in another.
        until = min(slot.turn for slot in slots) if slots and passable and not self.watched else SHUT
        for slot in slots:
            slot.until = until

    # -- HALF_OPEN -----------------------------------------------------------------------------------------------

    def _users_probe(self, now: float) -> bool:
        """Whether users' calls may be probes. Where that is left to the active check, they may after all once it has
        had the time of a round: perhaps nobody runs it, or it cannot tell, and half-open must not last for ever.
        """
        return self.config.probe_with != "health" or now - self.since >= self.config.max_wait_in_half_open

    def hold(self, why: str, now: float, *, seconds: float) -> None:
        """Admit no probe for so long, if there are to be any: there is something else to wait for."""
        now = self.tick(now)
        if isinstance(self._era, Bolt | HalfOpen):
            self._era.held = now + seconds, why

    def held(self, now: float) -> bool:
        """Whether probes are held back."""
        return isinstance(self._era, Bolt | HalfOpen) and now < self._era.held[0]

    def _lease(self, era: HalfOpen, lane: Lane, now: float) -> Lease | None:
        config = self.config
        if now < era.held[0] or era.done + len(era.leases) >= config.permitted_calls_in_half_open:
            return None
        lease = Lease(self.generation, lane, now, now + config.probe_timeout)
        era.leases.append(lease)
        era.decide_by = min(era.decide_by, now + config.max_wait_in_half_open)
        return lease

    def _decide(self, era: HalfOpen, now: float) -> None:
        """Close or open as soon as the probes still to come cannot change the outcome."""
        config = self.config
        probes = max(config.permitted_calls_in_half_open, era.done)  # it may have been lowered meanwhile
        to_come = probes - era.done
        limit = config.failure_rate_threshold or _PROBE_LIMIT
        slow_limit = config.slow_call_rate_threshold or inf
        slow = era.slow + sum(now - lease.started >= lease.lane.slow for lease in era.leases)
        may_be_slow = era.slow + (to_come if any(lane.slow < inf for lane in self.lanes) else 0)
        if era.halves / (2 * probes) >= limit:
            detail = f"{era.halves / 2:g} of {era.done} probes failed (limit {limit:g} of {probes})"
            self._trip(Reason.PROBES_FAILED, detail, now)
        elif slow / probes >= slow_limit:
            self._trip(Reason.PROBES_FAILED, f"{slow} probes were slow (limit {slow_limit:g} of {probes})", now)
        elif (era.halves + 2 * to_come) / (2 * probes) < limit and may_be_slow / probes < slow_limit:
            self._move(Reason.PROBES_PASSED, f"{era.done} of {probes} probes decided", now)

    # -- changes of state ----------------------------------------------------------------------------------------

    def trip(self, reason: Reason, detail: str, now: float, *, wait: float | None = None) -> None:
        """Open for a reason beside this breaker's own evidence (MAJORITY, SERVICE_WIDE), if it still admits calls.
        `wait` in seconds, else what the configuration says.
        """
        now = self.tick(now)
        if reason in TRANSITIONS[self.state] or self.state is METRICS_ONLY:
            self._trip(reason, detail, now, wait=wait)

    def operate(self, operation: str, reason: str, now: float, *, seconds: float = inf) -> None:
        """One of OPERATIONS, for an operator's reason; `seconds` limits force_open and disable."""
        now = self.tick(now)
        if operation == "reset":
            self._attempt = 0.0
        self._enter(OPERATIONS[operation], Reason.OPERATOR, reason, now, until=now + seconds)

    def reconfigure(self, config: BreakerConfig, now: float) -> None:
        """Go by another configuration, keeping the state, what the window holds, and the moments already set."""
        now = self.tick(now)
        old, self.config = self.config, config
        for lane in self.lanes:
            lane.slow_from(config.slow_after(lane.operation_class))
        era = self._era
        if isinstance(era, Closed):
            self._drain()
            if config.window != old.window:
                era.tally = take_over(era.tally, config.window, now)
            if config.ramp is None:
                era.ramp = None
            for lane in self.lanes:
                if lane.slot.generation == self.generation:
                    lane.turn(self.generation, now, era.horizon(now))
        elif isinstance(era, HalfOpen):
            self._decide(era, now)
        self._doors(now)

    def watch(self, watched: bool) -> None:
        """Let no call pass unseen any more, or again."""
        self.watched = watched
        self._doors(self._now)

    def _trip(self, reason: Reason, detail: str, now: float, *, wait: float | None = None) -> None:
        if self.state is METRICS_ONLY:
            # Begin afresh, as an opened breaker would, so that it is told once and not with each further call.
            self._begin(Closed(self.config.window.open(), now))
            self.tell(TripSuppressed(breaker=self.name, domain=self.domain, reason=reason, detail=detail, at=now))
            return
        backoff = self.config.backoff
        if self.state is CLOSED:
            self._attempt = max(0.0, self._attempt - (now - self.since) / backoff.forget)
        self._attempt = min(self._attempt + 1, backoff.attempts)
        if wait is None:
            wait = backoff.wait(self._attempt, self._roll())
        self._move(reason, detail, now, until=now + wait)

    def _move(self, reason: Reason, detail: str, now: float, *, until: float = inf) -> None:
        self._enter(TRANSITIONS[self.state][reason], reason, detail, now, until=until)

    def _enter(self, to: State, reason: Reason, detail: str, now: float, *, until: float) -> None:
        came_from = self.state
        era: Era
        if to in {OPEN, FORCED_OPEN}:
            era = Bolt(to, until, detail, self.causes)
        elif to is HALF_OPEN:
            era = HalfOpen(self._era.held if isinstance(self._era, Bolt) else NOT_HELD)
        elif to is DISABLED:
            era = Disabled(until)
        else:
            proven = to is CLOSED and came_from is HALF_OPEN and reason is Reason.PROBES_PASSED
            era = Closed(self.config.window.open(), now, self.config.ramp if proven else None)
            self.causes = ()
        self._begin(era)
        self.state, self.since = to, now
        self.last = Transition(
            breaker=self.name, domain=self.domain, from_state=came_from, to_state=to, reason=reason, detail=detail,
            at=now, generation=self.generation,
        )  # fmt: skip
        self.tell(self.last)

    def _begin(self, era: Era) -> None:
        """A new era. The doors of the old one shut for good: what is still in flight there is late."""
        for lane in self.lanes:
            lane.slot.until = SHUT
        self._drain()
        for lane in self.lanes:
            lane.past = None
        if isinstance(self._era, Bolt):
            self._count_refused(self._era.calls())
        self._era = era
        self.bolt = era if isinstance(era, Bolt) else None
        self.generation += 1

    # -- what is known -------------------------------------------------------------------------------------------

    def refusal(self, now: float) -> tuple[State, float | None, str, tuple[Cause, ...]]:
        """Why a call is not permitted now: state, seconds until one may be (None: not known), reason, causes."""
        era, config = self._era, self.config
        if isinstance(era, Bolt):
            return era.state, era.retry_after(now), era.detail, era.causes
        if isinstance(era, Closed):
            detail = f"it is ramping up and admits {era.share(now):.0%} of the calls"
        elif isinstance(era, HalfOpen) and now < era.held[0]:
            detail = era.held[1]
        elif not self._users_probe(now):
            detail = "only the active check may probe"
        else:
            detail = f"all {config.permitted_calls_in_half_open} probes of this round are taken"
        return self.state, None, detail, self.causes

    def snapshot(self, now: float) -> Snapshot:
        """Everything there is to see, as of now."""
        from switchgear._snapshot import Snapshot  # put off: two milliseconds of every start

        now = self.tick(now)
        era = self._era
        tally = era.tally if isinstance(era, Closed) else None
        overdue = 0
        self._drain()
        if isinstance(era, HalfOpen):
            in_flight = len(era.leases)
        else:
            slots = [slot for lane in self.lanes for slot in lane.slots() if slot.generation == self.generation]
            in_flight = sum(slot.in_flight_now() for slot in slots)
        if isinstance(era, Closed):
            era.tally.expire(now)
            overdue = self._overdue(now)
        calls = tally.calls if tally else 0
        others = self.others or [0] * _COUNTERS
        return Snapshot(
            breaker=self.name,
            domain=self.domain,
            state=self.state,
            since=self.since,
            at=now,
            generation=self.generation,
            calls=calls,
            failure_rate=tally.halves / (2 * calls) if tally and calls else 0.0,
            slow_call_rate=(tally.slow + overdue) / (calls + overdue) if tally and calls + overdue else 0.0,
            in_flight=in_flight,
            overdue=overdue,
            share=era.share(now) if isinstance(era, Closed) else 1.0,
            probes=(era.done, len(era.leases)) if isinstance(era, HalfOpen) else (0, 0),
            retry_after=era.retry_after(now) if isinstance(era, Bolt | Disabled) else None,
            attempt=self._attempt,
            verdicts={"SUCCESS": self.succeeded, **dict(zip(_OTHERS, others, strict=False))},
            tolerating=others[_TOLERATING],
            frustrating=others[_FRUSTRATING],
            refused=self._all_refused(),
            late=self.late,
            last=self.last,
            causes=self.causes,
        )

    def tell(self, event: Event) -> None:
        if self.events is None:
            self.events = []
        self.events.append(event)

    def _count_refused(self, calls: int) -> None:
        if calls:
            self.refused = self.refused or {}
            self.refused[self.state] = self.refused.get(self.state, 0) + calls

    def _all_refused(self) -> dict[State, int]:
        refused = dict(self.refused or {})
        if isinstance(self._era, Bolt) and (calls := self._era.calls()):
            refused[self.state] = refused.get(self.state, 0) + calls
        return refused

    def _others(self) -> list[int]:
        self.others = self.others or [0] * _COUNTERS
        return self.others

    def _count(self, verdict: Verdict, cause: Cause | None) -> None:
        if verdict.name == "SUCCESS":
            self.succeeded += 1
        else:
            self._others()[_OTHERS.index(verdict.name)] += 1
        if cause is not None:
            known = next((c for c in self.causes if c[:2] == cause[:2]), None)
            others = [c for c in self.causes if c is not known]
            again = Cause(cause.type, cause.text, known.times + 1) if known else cause
            self.causes = (*others[-_KEPT_CAUSES + 1 :], again)
