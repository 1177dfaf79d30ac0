"""The breaker of a service that fails in parts: one branch for each domain, and a main for the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from switchgear._breaker_config import BreakerConfig
from switchgear._bus import Bus
from switchgear._circuit import CircuitBreaker, roll
from switchgear._clock import Clock, monotonic
from switchgear._errors import CallNotPermitted
from switchgear._events import Reason
from switchgear._lane import Lane
from switchgear._permit import Permit
from switchgear._snapshot import Explanation, Snapshot
from switchgear._state import REFUSING, State
from switchgear._verdict import Classify, Verdict, unknown_is_failure

#: Domains come from calls (a bucket's name, a model's), so a stranger may make them up: there is a bound.
MOST_DOMAINS = 256
#: The branch of all domains that found no place, since every branch was busy being open.
OVERFLOW = "__overflow__"
# Of an enumeration's members, looking one up takes a tenth of an admission.
_CLOSED = State.CLOSED
#: A branch that nobody has used for so long (seconds) has no say in what most of the service is like.
_ACTIVE = 60.0


class BreakerGroup:
    """A main breaker and its branches, made on first use.

    A faulty domain trips its own branch. The main watches no calls while it is closed; it opens when at least two and
    a majority of the active branches are not closed, or when a verdict that speaks for the whole service has opened a
    branch. It has no ramp of its own: the branches', multiplied by it, would admit next to nothing.
    """

    def __init__(
        self,
        name: str,
        config: BreakerConfig,
        *,
        classify: Classify = unknown_is_failure,
        classify_result: Callable[[Any], Verdict] | None = None,
        clock: Clock = monotonic,
        bus: Bus | None = None,
        tolerated_for: Callable[[str], float] = lambda _: inf,
        roll: Callable[[], float] = roll,
    ) -> None:
        self.name = name
        self.config = config
        self._classify, self._classify_result = classify, classify_result
        self._clock, self._bus, self._roll = clock, bus, roll
        #: Operation class -> seconds up to which users are satisfied with a call.
        self.tolerated_for = tolerated_for
        self.main = self._make("", replace(config, ramp=None))
        self._branches: dict[str, CircuitBreaker] = {}
        # The whole way of a call in one look-up: (domain, operation class) -> branch and lane.
        self._ways: dict[tuple[str, str], tuple[CircuitBreaker, Lane]] = {}
        # Where the service was last reached at, and whether that is one of several places.
        self._address: str | None = None
        self._scattered = False
        # An operator's standing order, for branches yet to come: operation, reason, and until when.
        self._mode: tuple[str, str, float | None] | None = None

    @property
    def branches(self) -> Mapping[str, CircuitBreaker]:
        """The branches by domain, as of now."""
        return dict(self._branches)

    def branch(self, domain: str) -> CircuitBreaker:
        """The branch of a domain, made on first use; at the bound the longest unused closed one makes room."""
        branch = self._branches.get(domain)
        if branch is not None:
            return branch
        if len(self._branches) >= MOST_DOMAINS:
            branches = self.branches.values()
            idle = [b for b in branches if b.machine_state is State.CLOSED and b.domain != OVERFLOW]
            if not idle:
                domain = OVERFLOW
                if domain in self._branches:
                    return self._branches[domain]
            else:
                self._drop(min(idle, key=lambda b: b.used).domain)
        # setdefault: of two threads that get here at once, both must go on with the same branch.
        branch = self._branches.setdefault(domain, self._make(domain, self.config))
        self._obey(branch)
        return branch

    def acquire(
        self, operation: str, operation_class: str, domain: str, refusal: type[CallNotPermitted] = CallNotPermitted
    ) -> Permit:
        """A permit of the branch, and of the main where that is not simply closed. Raises `refusal`."""
        way = self._ways.get((domain, operation_class))
        if way is None:
            branch = self.branch(domain)
            way = branch, branch.lane(operation_class)
            if branch.domain == domain:
                self._ways[domain, operation_class] = way
        branch, lane = way
        if self.main.machine_state is _CLOSED:
            return branch.acquire(lane, operation, refusal)
        also = self.main.acquire(self.main.lane(operation_class), operation, refusal)
        try:
            permit = branch.acquire(lane, operation, refusal)
        except CallNotPermitted:
            also.release()  # refused further in: what was taken further out goes back
            raise
        permit.also = also
        return permit

    def closed(self, domain: str) -> bool:
        """Whether neither main nor branch refuses, without a look at the clock: CLOSED, DISABLED or METRICS_ONLY."""
        branch = self._branches.get(domain)
        return self.main.machine_state not in REFUSING and (branch is None or branch.machine_state not in REFUSING)

    def limited(self, operation: str, domain: str, by: str, reason: str) -> None:
        """Let observers know of a call that is refused before any breaker is asked."""
        from switchgear._call_events import Limited  # put off: most breakers never meet one

        if self._bus is not None and self._bus.hears(Limited):
            self._bus.publish(Limited(service=self.name, domain=domain, operation=operation, strategy=by, reason=reason,
                                      retry_after=None, at=self._clock()))  # fmt: skip

    # -- what the branches tell ----------------------------------------------------------------------------------

    def moved(self, branch: CircuitBreaker) -> None:
        # A branch that begins to probe is on its way back: no news for the main, which would be opened anew by it.
        if branch is self.main or branch.machine_state not in {State.OPEN, State.FORCED_OPEN}:
            return
        now = self._clock()
        branches = list(self._branches.values())
        refusing = sum(b.machine_state in REFUSING for b in branches)
        active = sum(b.machine_state in REFUSING or now - b.used < _ACTIVE for b in branches)
        if refusing >= 2 and 2 * refusing > active:  # noqa: PLR2004 - one branch alone is never the service
            self.main.trip(Reason.MAJORITY, f"{refusing} of {active} active domains are not closed")

    def reached_at(self, address: str, *, among_others: bool = False) -> None:
        """A guard says where its client connects to; `among_others`: it is one of several places, as a cluster's node
        is. Of several none can speak for all domains: what is said `everywhere` (Verdict) then holds for its own.
        """
        self._scattered |= among_others or self._address not in {None, address}
        self._address = address

    def said_of_all(self, branch: CircuitBreaker, verdict: Verdict) -> None:
        if self._scattered or branch is self.main or branch.machine_state is not State.OPEN:
            return
        told = branch.snapshot()
        detail = told.last.detail if told.last else str(verdict)
        # For as long as the branch: were each to draw a wait, the service would be back after the longer of the two.
        wait = inf if told.retry_after is None else told.retry_after
        self.main.trip(Reason.SERVICE_WIDE, f"{detail}, and that holds for all domains", wait=wait)

    def tells_of(self, breaker: CircuitBreaker) -> bool:
        # The main sees calls only while it is not closed, and those go through a branch, too. It is the first breaker
        # to be made, when there is no attribute yet to know it by.
        return breaker is not getattr(self, "main", breaker)

    # -- seeing and steering -------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.main.state

    def snapshots(self) -> list[Snapshot]:
        """The main first, then the branches."""
        return [self.main.snapshot(), *(branch.snapshot() for branch in list(self._branches.values()))]

    def explain(self, domain: str | None = None) -> Explanation:
        """Why the service, or one domain of it, is as it is. Without a domain: the main, or while that is closed the
        branch that is worst off, if any is off at all.
        """
        if domain is not None:
            return self.branch(domain).explain()
        if self.main.state is State.CLOSED:
            told = [branch.snapshot() for branch in list(self._branches.values())]
            worst = max(told, key=_how_bad, default=None)
            if worst is not None and any(_how_bad(worst)):
                return self.branch(worst.domain).explain()
        return self.main.explain()

    def force_open(self, reason: str, *, for_: float | None = None) -> None:
        """Refuse all calls to the service, for `for_` seconds or until reset."""
        self.main.force_open(reason, for_=for_)

    def disable(self, reason: str, *, for_: float | None = None) -> None:
        """Admit all calls, unwatched, in all domains, for `for_` seconds or until reset."""
        self._order("disable", reason, None if for_ is None else self._clock() + for_)

    def metrics_only(self, reason: str) -> None:
        """Admit all calls in all domains, and report when a breaker would have opened."""
        self._order("metrics_only", reason)

    def reset(self, reason: str = "reset") -> None:
        """All closed, with empty windows."""
        self._order("reset", reason)
        self._mode = None

    def reconfigure(self, config: BreakerConfig) -> None:
        """Go by another configuration, in all domains, keeping states and windows."""
        self.config = config
        self.main.reconfigure(replace(config, ramp=None))
        for branch in list(self._branches.values()):
            branch.reconfigure(config)

    def hold_probes(self, seconds: float, why: str) -> None:
        """Admit no probe of any domain for so many seconds from now on."""
        for breaker in (self.main, *list(self._branches.values())):
            breaker.hold_probes(seconds, why)

    def tick(self) -> None:
        """Do what is due by now, in all branches, as a call would."""
        for breaker in (self.main, *list(self._branches.values())):
            breaker.tick()

    def listeners_changed(self) -> None:
        for breaker in (self.main, *list(self._branches.values())):
            breaker.listeners_changed()

    def _order(self, operation: str, reason: str, until: float | None = None) -> None:
        self._mode = operation, reason, until
        for breaker in (self.main, *list(self._branches.values())):
            self._obey(breaker)

    def _obey(self, breaker: CircuitBreaker) -> None:
        if self._mode is None:
            return
        operation, reason, until = self._mode
        if until is None:
            getattr(breaker, operation)(reason)
        elif (left := until - self._clock()) > 0:
            getattr(breaker, operation)(reason, for_=left)

    def _make(self, domain: str, config: BreakerConfig) -> CircuitBreaker:
        return CircuitBreaker(
            self.name, config, domain=domain, classify=self._classify, classify_result=self._classify_result,
            clock=self._clock, bus=self._bus, group=self, roll=self._roll,
        )  # fmt: skip

    def _drop(self, domain: str) -> None:
        self._branches.pop(domain, None)  # another thread may have been quicker
        self._ways = {way: found for way, found in self._ways.copy().items() if way[0] != domain}


def _how_bad(one: Snapshot) -> tuple[bool, float]:
    return one.state is not State.CLOSED, max(one.failure_rate, one.slow_call_rate)
