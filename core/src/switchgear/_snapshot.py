"""A breaker as seen at one moment: numbers for metrics and health, words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from switchgear._errors import Cause
from switchgear._events import Transition
from switchgear._state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One consistent view of a breaker. Times are the breaker's clock in seconds, rates are 0..1."""

    breaker: str
    domain: str
    state: State
    since: float  #: when it came into this state
    at: float  #: when this was taken
    generation: int
    calls: int  #: in the window
    failure_rate: float
    slow_call_rate: float  #: overdue calls included
    in_flight: int
    overdue: int
    share: float  #: of calls admitted; below 1 while ramping up
    probes: tuple[int, int]  #: of this half-open round: decided, under way
    retry_after: float | None
    attempt: float  #: how many times in a row it has opened, by which its wait grows; fades while it is closed
    verdicts: Mapping[str, int]  #: settled calls since the beginning, by verdict
    tolerating: int  #: successes since the beginning that took longer than users are satisfied with (HealthConfig)
    frustrating: int  #: ... and longer than four times that
    refused: Mapping[State, int]  #: refused calls since the beginning, by the state they met
    late: int  #: results of earlier generations, which changed nothing
    last: Transition | None  #: how it came into this state; None: it has never changed
    causes: tuple[Cause, ...]  #: the last kinds of failure, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a breaker is in its state and what comes next; `str()` says it in a sentence or two."""

    breaker: str
    domain: str
    state: State
    seconds: float  #: in this state
    reason: str  #: the rule, with the numbers it was decided by
    causes: tuple[Cause, ...]
    next: str  #: what will change the state

    def __str__(self) -> str:
        name = f"{self.breaker}[{self.domain}]" if self.domain else self.breaker
        causes = f" Last causes: {'; '.join(map(str, self.causes))}." if self.causes else ""
        return f"{name} is {self.state} for {self.seconds:.1f} s: {self.reason}.{causes} {self.next}"


def explain(snapshot: Snapshot, probes: int) -> Explanation:
    """The explanation of a snapshot; `probes` is how many a half-open round has."""
    return Explanation(
        breaker=snapshot.breaker,
        domain=snapshot.domain,
        state=snapshot.state,
        seconds=snapshot.at - snapshot.since,
        reason=snapshot.last.detail if snapshot.last else "it has never been otherwise",
        causes=snapshot.causes,
        next=_next(snapshot, probes),
    )


def _next(snapshot: Snapshot, probes: int) -> str:  # noqa: PLR0911 - one for each thing that can come next
    match snapshot.state:
        case State.CLOSED if snapshot.share < 1:
            return f"It is ramping up and admits {snapshot.share:.0%} of the calls."
        case State.CLOSED:
            rates = f"{snapshot.failure_rate:.2f} failed and {snapshot.slow_call_rate:.2f} slow of {snapshot.calls}"
            return f"It admits all calls; in its window: {rates}."
        case State.OPEN if snapshot.retry_after is None:
            return "It stays so until an operator resets it."
        case State.OPEN:
            return f"It will admit {probes} probes in {snapshot.retry_after:.1f} s; if they pass, it closes."
        case State.HALF_OPEN:
            done, under_way = snapshot.probes
            return f"Of {probes} probes {done} are decided and {under_way} under way; if they pass, it closes."
        case State.FORCED_OPEN:
            span = "until it is reset" if snapshot.retry_after is None else f"for another {snapshot.retry_after:.1f} s"
            return f"An operator holds it open {span}."
        case State.DISABLED:
            span = "" if snapshot.retry_after is None else f" for another {snapshot.retry_after:.1f} s"
            return f"An operator has switched it off{span}; it admits all calls, unwatched."
        case _:
            return "It admits all calls and only reports when it would have opened."
