"""What was measured.

Of a service: its calls that reached the backend, those that failed, those that were refused, and its trips, which are
the times that it went from CLOSED to OPEN. A service is in the state of the worst of its breakers.

Of a fault: the time to protect, in seconds from when it strikes until the service is OPEN, and the time to recover, in
seconds from when the backend is well again until all breakers are CLOSED and admit all calls.

Of the requests: the goodput, the share (0..1) of them that were answered, in full or by a fallback. A request that
cannot do without the broken service has no part in it: its failing is the fault's doing and not to be helped.

Of a capability: the goodput of all requests that asked for it, those too, as its users see it; and its levels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf

from switchgear._clock import Clock, monotonic
from switchgear._events import Refused, Settled, Transition
from switchgear._group import BreakerGroup
from switchgear._level import Level, LevelChange
from switchgear._state import State
from switchgear.demo._recent import Recent

_BAD = {"FAILURE", "THROTTLED", "EXHAUSTED"}
_PROBE = ".probe"  # how the operation of an active check ends: it is no call of a user's

#: The worst last.
_RANK = (State.DISABLED, State.METRICS_ONLY, State.CLOSED, State.HALF_OPEN, State.OPEN, State.FORCED_OPEN)


class Answer(Enum):
    """What became of a request."""

    FULL = "full"
    FALLBACK = "fallback"  #: without a service that it can do without
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened, `at` seconds after the ledger was opened."""

    at: float
    service: str
    text: str
    state: State | None = None  #: that the service came into; None: it is about the backend


@dataclass(slots=True)
class Act:
    """One fault: what the backend does at present, and when it struck, the service opened, the backend was well again
    and the service whole."""

    service: str
    what: str
    struck: float
    opened: float | None = None
    healed: float | None = None
    recovered: float | None = None

    @property
    def time_to_protect(self) -> float | None:
        return None if self.opened is None else self.opened - self.struck

    @property
    def time_to_recover(self) -> float | None:
        return None if self.recovered is None or self.healed is None else self.recovered - self.healed


class Account:
    """What is known of one service."""

    def __init__(self, group: BreakerGroup) -> None:
        self._group = group
        self.state = State.CLOSED
        self.calls = self.failures = self.refused = self.trips = 0
        self.recent = Recent()

    def worst(self) -> State:
        breakers = (self._group.main, *self._group.branches.values())
        return max((breaker.machine_state for breaker in breakers), key=_RANK.index)

    def share(self) -> float:
        """The share of calls that is admitted now, 0..1: below 1 while ramping up."""
        return min(snapshot.share if snapshot.state is State.CLOSED else 0.0 for snapshot in self._group.snapshots())


class _Goodput:
    """Of the requests of each phase, how many there were and how many were answered."""

    def __init__(self) -> None:
        self._tally: dict[str, list[int]] = {phase: [0, 0] for phase in ("before", "during_fault", "after")}

    def add(self, phase: str, answer: Answer) -> None:
        self._tally[phase][0] += answer is not Answer.FAILED
        self._tally[phase][1] += 1

    def shares(self) -> dict[str, float | None]:
        return {phase: good / total if total else None for phase, (good, total) in self._tally.items()}


class Ledger:
    """Hears of every call and every change of state and of level (an Observer), of every fault and every request."""

    def __init__(
        self,
        groups: Mapping[str, BreakerGroup],
        *,
        clock: Clock = monotonic,
        tell: Callable[[Note], object] | None = None,
    ) -> None:
        """`groups` are the breakers by service; `tell` hears each note."""
        self.accounts = {name: Account(group) for name, group in groups.items()}
        self.acts: list[Act] = []
        self.notes: list[Note] = []
        self.requests: defaultdict[str, Recent] = defaultdict(Recent)  #: by kind
        self.clock = clock
        self.began = clock()  #: notes count from here
        self._tell = tell
        self._goodput = _Goodput()
        self._visible: defaultdict[str, _Goodput] = defaultdict(_Goodput)
        #: By capability: since when, in seconds from the beginning, it has been offered how much.
        self.levels: defaultdict[str, list[tuple[float, Level]]] = defaultdict(lambda: [(0.0, Level.FULL)])

    # -- breakers ------------------------------------------------------------------------------------------------

    # A main has the domain "". What it settles or refuses a branch settles too, and is counted there.

    def on_settled(self, event: Settled) -> None:
        account = self.accounts[event.breaker]
        if event.domain and not event.operation.endswith(_PROBE):
            account.calls += 1
            bad = event.verdict.name in _BAD
            account.failures += bad
            account.recent.add(event.at, "failed" if bad else "served", event.duration)

    def on_refused(self, event: Refused) -> None:
        if not event.operation.endswith(_PROBE):
            account = self.accounts[event.breaker]
            account.refused += 1
            account.recent.add(event.at, "refused")

    def on_transition(self, event: Transition) -> None:
        account = self.accounts[event.breaker]
        before, account.state = account.state, account.worst()
        if account.state is before:
            return
        if before is State.CLOSED and account.state is State.OPEN:
            account.trips += 1
            if (act := self.act(event.breaker)) is not None and act.opened is None:
                act.opened = event.at
        self.note(event.breaker, f"{account.state}: {event.detail}", account.state)

    # -- faults --------------------------------------------------------------------------------------------------

    def act(self, service: str) -> Act | None:
        """The fault that the service suffers or has not recovered from."""
        return next((act for act in self.acts if act.service == service and act.recovered is None), None)

    def strikes(self, service: str, what: str) -> Act:
        """A fault is about to strike."""
        act = Act(service, what, self.clock())
        self.acts.append(act)
        self.note(service, what)
        return act

    def healed(self, act: Act, what: str) -> None:
        """The backend is well again."""
        act.what = what
        act.healed = self.clock()
        self.note(act.service, what)

    def recovered(self, act: Act) -> None:
        """The service is whole again."""
        act.recovered = self.clock()
        self.note(act.service, "admits all calls again", State.CLOSED)

    def whole(self, service: str) -> bool:
        """Whether all breakers of the service are CLOSED and admit all calls."""
        return self.accounts[service].share() >= 1

    # -- requests ------------------------------------------------------------------------------------------------

    def answered(self, kind: str, requires: Collection[str], started: float, answer: Answer) -> None:
        """A request of some kind, which began at `started` and cannot do without some services, has ended."""
        self.requests[kind].add(self.clock(), answer.value)
        suffered = [act for act in self.acts if started <= (act.recovered or inf)]
        phase = "during_fault" if suffered else "after" if self.acts else "before"
        self._visible[kind].add(phase, answer)
        if not any(act.service in requires for act in suffered):
            self._goodput.add(phase, answer)

    def goodput(self, kind: str | None = None) -> dict[str, float | None]:
        """Before the first fault, while a service was broken, and otherwise; None where nothing was asked for. Of one
        kind of requests: of all of them, as users see it.
        """
        return (self._goodput if kind is None else self._visible[kind]).shares()

    def on_level_changed(self, event: LevelChange) -> None:
        self.levels[event.capability].append((event.at - self.began, event.to_level))
        self.note(event.capability, f"is offered {event.to_level}: {event.detail}")

    def note(self, service: str, text: str, state: State | None = None) -> None:
        note = Note(self.clock() - self.began, service, text, state)
        self.notes.append(note)
        if self._tell is not None:
            self._tell(note)
