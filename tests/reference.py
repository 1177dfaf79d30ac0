"""A breaker as DESIGN 4 describes it, written as naively as can be: lists of all that happened, and every answer
recomputed from them. It shares no code with the machine, knows no slots and no doors, and is slow.

One thing is left open, as it is in the design: a call that hangs counts as slow no earlier than after T seconds, and
no later than after 1.25 T and the next event. In between, the model asks its witness, who has seen the machine.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, inf

from switchgear import Backoff, BreakerConfig, CountWindow, Ramp, TimeWindow, Verdict

LATEST = 1.25  # times T: by then an overdue call is seen

TOLERATED = {
    "": 1.0,
    "read": 8.0,
}  # seconds by operation class: up to here users are satisfied, up to 4 times they bear it

BADNESS = {"SUCCESS": 0.0, "THROTTLED": 0.5, "FAILURE": 1.0, "EXHAUSTED": 1.0}

TRIPS = {"failure_rate", "slow_call_rate", "consecutive_failures", "throttled", "exhausted", "relapse"}
OUTSIDE = {"majority", "service_wide"}
EDGES = {
    ("CLOSED", "OPEN"): TRIPS | OUTSIDE,
    ("OPEN", "HALF_OPEN"): {"wait_elapsed"},
    ("FORCED_OPEN", "HALF_OPEN"): {"wait_elapsed"},
    ("DISABLED", "CLOSED"): {"wait_elapsed"},
    ("HALF_OPEN", "CLOSED"): {"probes_passed"},
    ("HALF_OPEN", "OPEN"): {"probes_failed", "probes_overdue", "throttled", "exhausted"} | OUTSIDE,
}


@dataclass(eq=False)
class Call:
    era: int
    operation_class: str
    started: float
    deadline: float = inf  # of a probe
    latency: float | None = None  # of a stream whose head has come
    settled: bool = False


@dataclass
class Result:
    at: float
    bad: float
    slow: bool


@dataclass
class Reference:
    config: BreakerConfig
    now: float
    #: Whether the machine is in a later era than this one: asked only where the design leaves a choice.
    witness: Callable[[int], bool]
    roll: Callable[[], float] = lambda: 0.0
    state: str = "CLOSED"
    era: int = 0
    since: float = field(default=-inf)
    until: float = inf
    attempt: float = 0.0
    ramp: Ramp | None = None
    first_share: float = 1.0
    ramp_since: float = 0.0
    decide_by: float = inf
    window_since: float = -inf  # when slots were cut anew: overdue calls may be seen that much later
    calls: list[Call] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)  # of this era, as far as the window knows them
    failures_in_a_row: int = 0
    probes: list[Result] = field(default_factory=list)
    asked: list[tuple[float, bool]] = field(default_factory=list)  # in this era: share of the ramp, and the answer
    classes: set[str] = field(default_factory=lambda: {""})
    causes: list[tuple[str, str, int]] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tolerating: int = 0
    frustrating: int = 0
    held_until: float = -inf  # probes have to wait for something else
    late: int = 0
    timed: float = -inf  # up to when time has been heeded
    log: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.now

    # -- what the configuration says -----------------------------------------------------------------------------

    def threshold(self, operation_class: str) -> float:
        """T: from when on a call is slow."""
        slow = self.config.slow_call_duration_threshold
        if slow is None or self.config.slow_call_rate_threshold is None:
            return inf
        return slow if isinstance(slow, int | float) else slow.get(operation_class, inf)

    def wait(self) -> float:
        wait = self.config.wait_duration_in_open
        if not isinstance(wait, Backoff):
            return wait
        grown: float = wait.initial * wait.multiplier ** (self.attempt - 1)
        return min(grown, wait.max) * (1 + wait.jitter * self.roll())

    def forgetting(self) -> float:
        wait = self.config.wait_duration_in_open
        return wait.forget if isinstance(wait, Backoff) else 60.0

    # -- what is known -------------------------------------------------------------------------------------------

    def watching(self) -> bool:
        return self.state in {"CLOSED", "METRICS_ONLY"}

    def in_window(self) -> list[Result]:
        window = self.config.window
        if isinstance(window, CountWindow):
            return self.results[-window.size :]
        width = window.seconds / window.buckets
        oldest = floor(self.now / width) - window.buckets
        return [result for result in self.results if floor(result.at / width) > oldest]

    def failure_rate(self) -> float:
        results = self.in_window()
        return sum(result.bad for result in results) / len(results) if results else 0.0

    def under_way(self) -> list[Call]:
        """The calls that are in flight and may still change something."""
        return [
            call
            for call in self.calls
            if not call.settled and call.era == self.era and (self.state == "HALF_OPEN" or call.latency is None)
        ]

    def overdue(self, *, at_most: bool) -> int:
        """How many calls in flight count as slow: at most, or at least."""

        def counts(call: Call) -> bool:
            slow = self.threshold(call.operation_class)
            if at_most:
                return self.now - call.started >= slow
            return self.now - max(call.started, self.window_since) >= LATEST * slow

        return sum(map(counts, self.under_way())) if self.watching() else 0

    def share(self) -> float:
        if self.ramp is None:
            return 1.0
        grown = (1 - self.ramp.initial) * (self.now - self.ramp_since) / self.ramp.duration
        return min(1.0, self.first_share + grown)

    def retry_after(self) -> float | None:
        if self.state not in {"OPEN", "FORCED_OPEN", "DISABLED"} or self.until == inf:
            return None
        return max(0.0, self.until - self.now)

    # -- time ----------------------------------------------------------------------------------------------------

    def time(self, now: float) -> None:
        later, self.now, self.timed = now > self.timed, now, now
        if self.watching() and self.share() >= 1.0:
            self.ramp = None
        if self.watching() and self.overdue(at_most=True) and later:
            at_least = self.broken_by_slowness(self.overdue(at_most=False)) and self.overdue(at_most=False)
            at_most = self.broken_by_slowness(self.overdue(at_most=True))
            if at_least or (at_most and self.witness(self.era)):
                self.broken("slow_call_rate")
        elif self.state in {"OPEN", "FORCED_OPEN", "DISABLED"} and now >= self.until:
            self.enter("CLOSED" if self.state == "DISABLED" else "HALF_OPEN", "wait_elapsed")
        elif self.state == "HALF_OPEN":
            for call in self.under_way():
                if now >= call.deadline:
                    call.era = -1  # lost: its permit is another's now
            if now >= self.decide_by:
                self.trip("probes_overdue")
            elif self.under_way():
                self.decide()

    # -- calls ---------------------------------------------------------------------------------------------------

    def ask(self, operation_class: str = "", *, active: bool = False) -> Call | None:
        """A call asks to be admitted."""
        self.classes.add(operation_class)
        call = Call(self.era, operation_class, self.now)
        admitted = True
        if self.state in {"OPEN", "FORCED_OPEN"}:
            admitted = False
        elif self.state == "HALF_OPEN":
            taken = len(self.probes) + len(self.under_way())
            admitted = taken < self.config.permitted_calls_in_half_open
            patience = self.config.max_wait_in_half_open if self.config.probe_with == "health" else 0.0
            admitted = admitted and (active or self.now - self.since >= patience) and self.now >= self.held_until
            if admitted:
                call.deadline = self.now + self.config.probe_timeout
                self.decide_by = min(self.decide_by, self.now + self.config.max_wait_in_half_open)
        elif self.ramp is not None:
            # Of all that asked, as many are admitted as the shares add up to, and one to begin with.
            owed = 1 + sum(share for share, _ in self.asked) + self.share()
            admitted = owed - sum(answer for _, answer in self.asked) >= 1
            self.asked.append((self.share(), admitted))
        if not admitted:
            self.refused[self.state] += 1
            return None
        self.calls.append(call)
        return call

    def head(self, call: Call) -> None:
        """The first part of a streamed answer is here."""
        if call.latency is None:
            call.latency = self.now - call.started
            call.deadline = self.now + self.config.probe_timeout if call.deadline < inf else inf

    def settle(self, call: Call, verdict: Verdict, cause: tuple[str, str] | None = None) -> bool:
        """A call has come to its end. False: nobody waits for its result any more."""
        call.settled = True
        self.calls.remove(call)
        if call.era != self.era:
            self.late += 1
            return False
        duration = self.now - call.started if call.latency is None else call.latency
        self.count(verdict, cause)
        tolerated = TOLERATED.get(call.operation_class, inf)
        if verdict.name == "SUCCESS":
            self.tolerating += tolerated < duration <= 4 * tolerated
            self.frustrating += duration > 4 * tolerated
        if verdict.name != "IGNORED":
            self.learn(verdict, slow=duration >= self.threshold(call.operation_class))
        elif self.state == "HALF_OPEN" and not self.under_way():
            self.decide_by = inf
        return True

    def evidence(self, call: Call, verdict: Verdict, cause: tuple[str, str] | None = None) -> None:
        """An attempt inside a call has failed, and the call goes on."""
        if call.era != self.era:
            self.late += 1
            return
        self.count(verdict, cause)
        self.learn(verdict, slow=False)

    def count(self, verdict: Verdict, cause: tuple[str, str] | None) -> None:
        self.verdicts[verdict.name] += 1
        if cause is not None:
            times = sum(count for *known, count in self.causes if tuple(known) == cause)
            others = [known for known in self.causes if known[:2] != cause]
            self.causes = [*others[-4:], (*cause, times + 1)]

    def learn(self, verdict: Verdict, *, slow: bool) -> None:
        result = Result(self.now, BADNESS[verdict.name], slow)
        if self.state == "HALF_OPEN":
            self.probes.append(result)
            self.decide_by = self.now + self.config.max_wait_in_half_open if self.under_way() else inf
        elif self.watching():
            self.results.append(result)
            self.failures_in_a_row = self.failures_in_a_row + 1 if result.bad == 1 else 0
        else:
            return
        if verdict.name == "EXHAUSTED":
            self.trip("exhausted", wait=inf if verdict.retry_after is None else verdict.retry_after)
        elif verdict.name == "THROTTLED" and verdict.retry_after:
            self.trip("throttled", wait=verdict.retry_after)
        elif self.state == "HALF_OPEN":
            self.decide()
        elif self.config.consecutive_failures and self.failures_in_a_row >= self.config.consecutive_failures:
            self.broken("consecutive_failures")
        elif self.broken_by_failures():
            self.broken("failure_rate")
        elif self.broken_by_slowness(self.overdue(at_most=False)) or (
            self.broken_by_slowness(self.overdue(at_most=True)) and self.witness(self.era)
        ):
            self.broken("slow_call_rate")

    # -- rules ---------------------------------------------------------------------------------------------------

    def minimum(self) -> int:
        minimum = self.config.minimum_number_of_calls
        return minimum if self.ramp is None else min(minimum, self.config.permitted_calls_in_half_open)

    def broken_by_failures(self) -> bool:
        limit = self.config.failure_rate_threshold
        bad = self.failure_rate()
        return limit is not None and bad > 0 and len(self.in_window()) >= self.minimum() and bad >= limit

    def broken_by_slowness(self, overdue: int) -> bool:
        limit = self.config.slow_call_rate_threshold
        slow = sum(result.slow for result in self.in_window()) + overdue
        calls = len(self.in_window()) + overdue
        return limit is not None and slow > 0 and calls >= self.minimum() and slow / calls >= limit

    def broken(self, reason: str) -> None:
        """A rule is broken: while ramping up, the first answer is to halve the share."""
        if self.ramp is None:
            self.trip(reason)
        elif (share := self.share() / 2) >= self.ramp.initial:
            ramp = self.ramp
            self.begin()
            self.ramp, self.first_share, self.ramp_since = ramp, share, self.now
        else:
            self.trip("relapse")

    def decide(self) -> None:
        """Whether the round of probes is decided: every way in which it can still end comes out alike."""
        config = self.config
        round_ = max(config.permitted_calls_in_half_open, len(self.probes))
        bad_limit = config.failure_rate_threshold or 0.5
        slow_limit = config.slow_call_rate_threshold or inf
        watched = [call for call in self.under_way() if call.latency is None]
        slow_now = sum(self.now - call.started >= self.threshold(call.operation_class) for call in watched)
        can_be_slow = any(self.threshold(operation_class) < inf for operation_class in self.classes)

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
            self.trip("probes_failed")
        elif outcomes == {False}:
            self.enter("CLOSED", "probes_passed")

    # -- changes of state ----------------------------------------------------------------------------------------

    def trip(self, reason: str, wait: float | None = None) -> None:
        if self.state == "METRICS_ONLY":
            self.begin()
            self.log.append(("suppressed", reason))
            return
        if self.state == "CLOSED":
            self.attempt = max(0.0, self.attempt - (self.now - self.since) / self.forgetting())
        self.attempt += 1
        self.enter("OPEN", reason, until=self.now + (self.wait() if wait is None else wait))

    def trip_from_outside(self, reason: str, wait: float | None) -> None:
        if self.state in {"CLOSED", "HALF_OPEN", "METRICS_ONLY"}:
            self.trip(reason, wait)

    def operate(self, operation: str, seconds: float = inf) -> None:
        if operation == "hold_probes":
            if self.state in {"OPEN", "FORCED_OPEN", "HALF_OPEN"}:
                self.held_until = self.now + seconds
            return
        if operation == "reset":
            self.attempt = 0.0
        states = {"force_open": "FORCED_OPEN", "disable": "DISABLED", "metrics_only": "METRICS_ONLY", "reset": "CLOSED"}
        self.enter(states[operation], "operator", until=self.now + seconds)

    def enter(self, state: str, reason: str, until: float = inf) -> None:
        assert reason == "operator" or reason in EDGES[self.state, state]
        self.log.append((self.state, state, reason))
        recovered = reason == "probes_passed"
        if state != "HALF_OPEN":
            self.held_until = -inf
        self.begin()
        self.state, self.since, self.until = state, self.now, until
        if recovered and self.config.ramp is not None:
            self.ramp, self.first_share, self.ramp_since = self.config.ramp, self.config.ramp.initial, self.now
        if self.watching():
            self.causes = []

    def begin(self) -> None:
        self.era += 1
        self.results, self.probes, self.asked = [], [], []
        self.failures_in_a_row = 0
        self.ramp = None
        self.decide_by = inf
        self.window_since = -inf

    def reconfigure(self, config: BreakerConfig) -> None:
        if self.watching():
            if config.window != self.config.window:
                self.results = self.as_remembered()
                if isinstance(self.config.window, CountWindow) and isinstance(config.window, TimeWindow):
                    self.results = [Result(self.now, result.bad, result.slow) for result in self.results]
                elif isinstance(config.window, CountWindow):
                    self.results = self.results[-config.window.size :]
            if config.ramp is None:
                self.ramp = None
            self.window_since = self.now
        self.config = config
        if self.state == "HALF_OPEN":
            self.decide()

    def as_remembered(self) -> list[Result]:
        """What the window holds. A time window remembers a bucket, not the moment, and in it the plain ones last."""
        window = self.config.window
        if isinstance(window, CountWindow):
            return self.in_window()
        width = window.seconds / window.buckets
        rounded = [Result(floor(r.at / width) * width, r.bad, r.slow) for r in self.in_window()]
        return sorted(rounded, key=lambda r: (r.at, not (r.bad or r.slow), r.slow, r.bad))
