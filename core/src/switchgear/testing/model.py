"""A breaker as naively as it can be written: the reference that `switchgear.lowlevel.BreakerMachine` is held to.

It keeps lists of all that happened and recomputes every answer from them. It shares no code with the machine, knows no
slots and no doors, and is slow. Who builds a breaker, or drives ours in a new way, plays the same calls to both and
compares:

    model = BreakerModel(config, now=clock())
    call = model.ask()              # None: refused
    model.time(later)               # what is due by then
    model.settle(call, Verdict.FAILURE)
    model.state, model.failure_rate(), model.retry_after()

Choose times that are multiples of powers of two: then floats are exact and both agree to the last bit.

One thing is left open, as it is in the design: a call that hangs counts as slow no earlier than after T seconds, and
no later than after 1.25 T and the next event. In between, the model asks its witness, who has seen the breaker.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from math import floor, inf

from switchgear import Backoff, BreakerConfig, CountWindow, Ramp, TimeWindow, Verdict

#: Times T: by then an overdue call is seen.
_LATEST = 1.25

_BADNESS = {"SUCCESS": 0.0, "THROTTLED": 0.5, "FAILURE": 1.0, "EXHAUSTED": 1.0}

_TRIPS = {"failure_rate", "slow_call_rate", "consecutive_failures", "throttled", "exhausted", "relapse"}
_OUTSIDE = {"majority", "service_wide"}
_EDGES = {
    ("CLOSED", "OPEN"): _TRIPS | _OUTSIDE,
    ("OPEN", "HALF_OPEN"): {"wait_elapsed"},
    ("FORCED_OPEN", "HALF_OPEN"): {"wait_elapsed"},
    ("DISABLED", "CLOSED"): {"wait_elapsed"},
    ("HALF_OPEN", "CLOSED"): {"probes_passed"},
    ("HALF_OPEN", "OPEN"): {"probes_failed", "probes_overdue", "throttled", "exhausted"} | _OUTSIDE,
}


@dataclass(eq=False)
class Call:
    """An admitted call, as the model holds it. Times in seconds."""

    era: int
    operation_class: str
    started: float
    deadline: float = inf  #: of a probe: then its permit is another's
    latency: float | None = None  #: of a stream whose head has come
    settled: bool = False


@dataclass
class Result:
    """What a call came to: when, how bad (0, 0.5 or 1), and whether it was slow."""

    at: float
    bad: float
    slow: bool


@dataclass
class BreakerModel:
    """One breaker. Times in seconds, never going back; states and reasons by their names."""

    config: BreakerConfig
    now: float
    _: KW_ONLY
    #: Whether the breaker beside it is in a later era than this one: asked only where the design leaves a choice.
    witness: Callable[[int], bool] = lambda _: False
    #: Chance, 0..1, for the jitter of waits.
    roll: Callable[[], float] = lambda: 0.0
    #: Seconds by operation class: up to here users are satisfied, up to 4 times they bear it.
    tolerated: Mapping[str, float] = field(default_factory=dict[str, float])
    state: str = field(default="CLOSED", init=False)
    era: int = field(default=0, init=False)  #: the generation
    since: float = field(init=False)
    late: int = field(default=0, init=False)
    tolerating: int = field(default=0, init=False)
    frustrating: int = field(default=0, init=False)
    verdicts: Counter[str] = field(default_factory=Counter[str], init=False)
    refused: Counter[str] = field(default_factory=Counter[str], init=False)
    #: Type, text and number of the last kinds of failure, oldest first.
    causes: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]], init=False)
    #: Of a half-open round: what has been decided.
    probes: list[Result] = field(default_factory=list[Result], init=False)
    #: What happened: (from, to, reason), or ("suppressed", reason).
    log: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]], init=False)

    def __post_init__(self) -> None:
        self.since = self.now
        self._until = inf
        self._attempt = 0.0
        self._ramp: Ramp | None = None
        self._first_share = 1.0
        self._ramp_since = 0.0
        self._decide_by = inf
        self._window_since = -inf  # when slots were cut anew: overdue calls may be seen that much later
        self._calls: list[Call] = []
        self._results: list[Result] = []  # of this era, as far as the window knows them
        self._failures_in_a_row = 0
        self._asked: list[tuple[float, bool]] = []  # in this era: share of the ramp, and the answer
        self._classes = {""}
        self._held_until = -inf  # probes have to wait for something else
        self._timed = -inf  # up to when time has been heeded

    # -- what the configuration says -----------------------------------------------------------------------------

    def _threshold(self, operation_class: str) -> float:
        """T: from when on a call is slow."""
        slow = self.config.slow_call_duration_threshold
        if slow is None or self.config.slow_call_rate_threshold is None:
            return inf
        return slow if isinstance(slow, int | float) else slow.get(operation_class, inf)

    def _wait(self) -> float:
        wait = self.config.wait_duration_in_open
        if not isinstance(wait, Backoff):
            return wait
        grown: float = wait.initial * wait.multiplier ** (self._attempt - 1)
        return min(grown, wait.max) * (1 + wait.jitter * self.roll())

    def _most_attempts(self) -> int:
        """n: how many steps there are until the wait is as long as it gets."""
        wait, attempts = self.config.wait_duration_in_open, 1
        if isinstance(wait, Backoff) and wait.multiplier > 1:
            while wait.initial * wait.multiplier ** (attempts - 1) < wait.max * (1 - 1e-9):
                attempts += 1
        return attempts

    def _forgetting(self) -> float:
        wait = self.config.wait_duration_in_open
        return wait.forget if isinstance(wait, Backoff) else 60.0

    # -- what is known -------------------------------------------------------------------------------------------

    def watching(self) -> bool:
        """Whether results count in a window."""
        return self.state in {"CLOSED", "METRICS_ONLY"}

    def in_window(self) -> list[Result]:
        """The results that rates are of."""
        window = self.config.window
        if isinstance(window, CountWindow):
            return self._results[-window.size :]
        width = window.seconds / window.buckets
        oldest = floor(self.now / width) - window.buckets
        return [result for result in self._results if floor(result.at / width) > oldest]

    def failure_rate(self) -> float:
        """Of the window, 0..1."""
        results = self.in_window()
        return sum(result.bad for result in results) / len(results) if results else 0.0

    def under_way(self) -> list[Call]:
        """The calls that are in flight and may still change something."""
        return [
            call
            for call in self._calls
            if not call.settled and call.era == self.era and (self.state == "HALF_OPEN" or call.latency is None)
        ]

    def overdue(self, *, at_most: bool) -> int:
        """How many calls in flight count as slow: at most, or at least."""

        def counts(call: Call) -> bool:
            slow = self._threshold(call.operation_class)
            if at_most:
                return self.now - call.started >= slow
            return self.now - max(call.started, self._window_since) >= _LATEST * slow

        return sum(map(counts, self.under_way())) if self.watching() else 0

    def share(self) -> float:
        """Of all calls, those that are admitted, 0..1."""
        if self._ramp is None:
            return 1.0
        grown = (1 - self._ramp.initial) * (self.now - self._ramp_since) / self._ramp.duration
        return min(1.0, self._first_share + grown)

    def retry_after(self) -> float | None:
        """Seconds until it may change by itself; None: that is not known."""
        if self.state not in {"OPEN", "FORCED_OPEN", "DISABLED"} or self._until == inf:
            return None
        return max(0.0, self._until - self.now)

    # -- time ----------------------------------------------------------------------------------------------------

    def time(self, now: float) -> None:
        """Do what is due by now: to be called before whatever happens then."""
        later, self.now, self._timed = now > self._timed, now, now
        if self.watching() and self.share() >= 1.0:
            self._ramp = None
        if self.watching() and self.overdue(at_most=True) and later:
            at_least = self._broken_by_slowness(self.overdue(at_most=False)) and self.overdue(at_most=False)
            at_most = self._broken_by_slowness(self.overdue(at_most=True))
            if at_least or (at_most and self.witness(self.era)):
                self._broken("slow_call_rate")
        elif self.state in {"OPEN", "FORCED_OPEN", "DISABLED"} and now >= self._until:
            self._enter("CLOSED" if self.state == "DISABLED" else "HALF_OPEN", "wait_elapsed")
        elif self.state == "HALF_OPEN":
            for call in self.under_way():
                if now >= call.deadline:
                    call.era = -1  # lost: its permit is another's now
            if now >= self._decide_by:
                self._trip("probes_overdue")
            elif self.under_way():
                self._decide()

    # -- calls ---------------------------------------------------------------------------------------------------

    def ask(self, operation_class: str = "", *, active: bool = False) -> Call | None:
        """A call asks to be admitted; None: it is refused. `active`: it is a plugin's own check."""
        self._classes.add(operation_class)
        call = Call(self.era, operation_class, self.now)
        admitted = True
        if self.state in {"OPEN", "FORCED_OPEN"}:
            admitted = False
        elif self.state == "HALF_OPEN":
            taken = len(self.probes) + len(self.under_way())
            admitted = taken < self.config.permitted_calls_in_half_open
            patience = self.config.max_wait_in_half_open if self.config.probe_with == "health" else 0.0
            admitted = admitted and (active or self.now - self.since >= patience) and self.now >= self._held_until
            if admitted:
                call.deadline = self.now + self.config.probe_timeout
                self._decide_by = min(self._decide_by, self.now + self.config.max_wait_in_half_open)
        elif self._ramp is not None:
            # Of all that asked, as many are admitted as the shares add up to, and one to begin with.
            owed = 1 + sum(share for share, _ in self._asked) + self.share()
            admitted = owed - sum(answer for _, answer in self._asked) >= 1
            self._asked.append((self.share(), admitted))
        if not admitted:
            self.refused[self.state] += 1
            return None
        self._calls.append(call)
        return call

    def head(self, call: Call) -> None:
        """The first part of a streamed answer is here."""
        if call.latency is None:
            call.latency = self.now - call.started
            call.deadline = self.now + self.config.probe_timeout if call.deadline < inf else inf

    def settle(self, call: Call, verdict: Verdict, cause: tuple[str, str] | None = None) -> bool:
        """A call has come to its end. False: nobody waits for its result any more."""
        call.settled = True
        self._calls.remove(call)
        if call.era != self.era:
            self.late += 1
            return False
        duration = self.now - call.started if call.latency is None else call.latency
        self._count(verdict, cause)
        tolerated = self.tolerated.get(call.operation_class, inf)
        if verdict.name == "SUCCESS":
            self.tolerating += tolerated < duration <= 4 * tolerated
            self.frustrating += duration > 4 * tolerated
        if verdict.name != "IGNORED":
            self._learn(verdict, slow=duration >= self._threshold(call.operation_class))
        elif self.state == "HALF_OPEN" and not self.under_way():
            self._decide_by = inf
        return True

    def evidence(self, call: Call, verdict: Verdict, cause: tuple[str, str] | None = None) -> None:
        """An attempt inside a call has failed, and the call goes on."""
        if call.era != self.era:
            self.late += 1
            return
        self._count(verdict, cause)
        self._learn(verdict, slow=False)

    def _count(self, verdict: Verdict, cause: tuple[str, str] | None) -> None:
        self.verdicts[verdict.name] += 1
        if cause is not None:
            times = sum(count for *known, count in self.causes if tuple(known) == cause)
            others = [known for known in self.causes if known[:2] != cause]
            self.causes = [*others[-4:], (*cause, times + 1)]

    def _learn(self, verdict: Verdict, *, slow: bool) -> None:
        result = Result(self.now, _BADNESS[verdict.name], slow)
        if self.state == "HALF_OPEN":
            self.probes.append(result)
            self._decide_by = self.now + self.config.max_wait_in_half_open if self.under_way() else inf
        elif self.watching():
            self._results.append(result)
            self._failures_in_a_row = self._failures_in_a_row + 1 if result.bad == 1 else 0
        else:
            return
        if verdict.name == "EXHAUSTED":
            self._trip("exhausted", wait=inf if verdict.retry_after is None else verdict.retry_after)
        elif verdict.name == "THROTTLED" and verdict.retry_after:
            self._trip("throttled", wait=verdict.retry_after)
        elif self.state == "HALF_OPEN":
            self._decide()
        elif self.config.consecutive_failures and self._failures_in_a_row >= self.config.consecutive_failures:
            self._broken("consecutive_failures")
        elif self._broken_by_failures():
            self._broken("failure_rate")
        elif self._broken_by_slowness(self.overdue(at_most=False)) or (
            self._broken_by_slowness(self.overdue(at_most=True)) and self.witness(self.era)
        ):
            self._broken("slow_call_rate")

    # -- rules ---------------------------------------------------------------------------------------------------

    def _minimum(self) -> int:
        minimum = self.config.minimum_number_of_calls
        return minimum if self._ramp is None else min(minimum, self.config.permitted_calls_in_half_open)

    def _broken_by_failures(self) -> bool:
        limit = self.config.failure_rate_threshold
        bad = self.failure_rate()
        return limit is not None and bad > 0 and len(self.in_window()) >= self._minimum() and bad >= limit

    def _broken_by_slowness(self, overdue: int) -> bool:
        limit = self.config.slow_call_rate_threshold
        slow = sum(result.slow for result in self.in_window()) + overdue
        calls = len(self.in_window()) + overdue
        return limit is not None and slow > 0 and calls >= self._minimum() and slow / calls >= limit

    def _broken(self, reason: str) -> None:
        """A rule is broken: while ramping up, the first answer is to halve the share."""
        if self._ramp is None:
            self._trip(reason)
        elif (share := self.share() / 2) >= self._ramp.initial:
            ramp = self._ramp
            self._begin()
            self._ramp, self._first_share, self._ramp_since = ramp, share, self.now
        else:
            self._trip("relapse")

    def _decide(self) -> None:
        """Whether the round of probes is decided: every way in which it can still end comes out alike."""
        config = self.config
        round_ = max(config.permitted_calls_in_half_open, len(self.probes))
        bad_limit = config.failure_rate_threshold or 0.5
        slow_limit = config.slow_call_rate_threshold or inf
        watched = [call for call in self.under_way() if call.latency is None]
        slow_now = sum(self.now - call.started >= self._threshold(call.operation_class) for call in watched)
        can_be_slow = any(self._threshold(operation_class) < inf for operation_class in self._classes)

        def failed(to_come: tuple[tuple[float, bool], ...]) -> bool:
            bad = sum(probe.bad for probe in self.probes) + sum(b for b, _ in to_come)
            slow = sum(probe.slow for probe in self.probes) + sum(s for _, s in to_come)
            return bad / round_ >= bad_limit or slow / round_ >= slow_limit

        left = round_ - len(self.probes)
        # Each probe to come ends well or badly, and those that are slow already stay so.
        ends = [
            [(bad, slow) for bad in (0.0, 1.0) for slow in ((True,) if i < slow_now else (False, can_be_slow))]
            for i in range(left)
        ]
        outcomes = {failed(to_come) for to_come in itertools.product(*ends)}
        if outcomes == {True}:
            self._trip("probes_failed")
        elif outcomes == {False}:
            self._enter("CLOSED", "probes_passed")

    # -- changes of state ----------------------------------------------------------------------------------------

    def _trip(self, reason: str, wait: float | None = None) -> None:
        if self.state == "METRICS_ONLY":
            self._begin()
            self.log.append(("suppressed", reason))
            return
        if self.state == "CLOSED":
            self._attempt = max(0.0, self._attempt - (self.now - self.since) / self._forgetting())
        self._attempt = min(self._attempt + 1, self._most_attempts())
        self._enter("OPEN", reason, until=self.now + (self._wait() if wait is None else wait))

    def trip_from_outside(self, reason: str, wait: float | None) -> None:
        """A group says that all of the service is down; `wait` in seconds, where it is known."""
        if self.state in {"CLOSED", "HALF_OPEN", "METRICS_ONLY"}:
            self._trip(reason, wait)

    def operate(self, operation: str, seconds: float = inf) -> None:
        """What an operator does: force_open, disable, metrics_only, reset; and hold_probes."""
        if operation == "hold_probes":
            if self.state in {"OPEN", "FORCED_OPEN", "HALF_OPEN"}:
                self._held_until = self.now + seconds
            return
        if operation == "reset":
            self._attempt = 0.0
        states = {"force_open": "FORCED_OPEN", "disable": "DISABLED", "metrics_only": "METRICS_ONLY", "reset": "CLOSED"}
        self._enter(states[operation], "operator", until=self.now + seconds)

    def _enter(self, state: str, reason: str, until: float = inf) -> None:
        if reason != "operator" and reason not in _EDGES[self.state, state]:
            raise AssertionError(f"There is no way from {self.state} to {state} for {reason}.")
        self.log.append((self.state, state, reason))
        recovered = reason == "probes_passed"
        if state != "HALF_OPEN":
            self._held_until = -inf
        self._begin()
        self.state, self.since, self._until = state, self.now, until
        if recovered and self.config.ramp is not None:
            self._ramp, self._first_share, self._ramp_since = self.config.ramp, self.config.ramp.initial, self.now
        if self.watching():
            self.causes = []

    def _begin(self) -> None:
        self.era += 1
        self._results, self.probes, self._asked = [], [], []
        self._failures_in_a_row = 0
        self._ramp = None
        self._decide_by = inf
        self._window_since = -inf

    def reconfigure(self, config: BreakerConfig) -> None:
        """Go by another configuration, keeping state and window."""
        if self.watching():
            if config.window != self.config.window:
                self._results = self._as_remembered()
                if isinstance(self.config.window, CountWindow) and isinstance(config.window, TimeWindow):
                    self._results = [Result(self.now, result.bad, result.slow) for result in self._results]
                elif isinstance(config.window, CountWindow):
                    self._results = self._results[-config.window.size :]
            if config.ramp is None:
                self._ramp = None
            self._window_since = self.now
        self.config = config
        if self.state == "HALF_OPEN":
            self._decide()

    def _as_remembered(self) -> list[Result]:
        """What the window holds. A time window remembers a bucket, not the moment, and in it the plain ones last."""
        window = self.config.window
        if isinstance(window, CountWindow):
            return self.in_window()
        width = window.seconds / window.buckets
        rounded = [Result(floor(r.at / width) * width, r.bad, r.slow) for r in self.in_window()]
        return sorted(rounded, key=lambda r: (r.at, not (r.bad or r.slow), r.slow, r.bad))
