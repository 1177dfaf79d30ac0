"""What a breaker tells its observers. Frozen, picklable, without references to calls or exceptions.

Times are the breaker's clock, in seconds; they order events and measure spans, and are no dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from switchgear._state import State
from switchgear._verdict import Verdict


class Reason(Enum):
    """Why a state was left, or a call refused. A small, fixed set: it is a metric label."""

    FAILURE_RATE = "failure_rate"
    SLOW_CALL_RATE = "slow_call_rate"
    CONSECUTIVE_FAILURES = "consecutive_failures"
    THROTTLED = "throttled"
    EXHAUSTED = "exhausted"
    RELAPSE = "relapse"  # bad again while ramping up
    WAIT_ELAPSED = "wait_elapsed"
    PROBES_PASSED = "probes_passed"
    PROBES_FAILED = "probes_failed"
    PROBES_OVERDUE = "probes_overdue"  # max_wait_in_half_open is over
    MAJORITY = "majority"  # most domains of the service are not closed
    SERVICE_WIDE = "service_wide"  # one outcome that spoke for all domains
    OPERATOR = "operator"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A breaker changed its state. `detail` has the numbers that decided."""

    heard_by: ClassVar = "on_transition"

    breaker: str
    domain: str
    from_state: State
    to_state: State
    reason: Reason
    detail: str
    at: float
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TripSuppressed:
    """A breaker in METRICS_ONLY would have opened."""

    heard_by: ClassVar = "on_trip_suppressed"

    breaker: str
    domain: str
    reason: Reason
    detail: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call was refused. `operation` is "" for a breaker used without a plugin."""

    heard_by: ClassVar = "on_refused"

    breaker: str
    domain: str
    operation: str
    state: State
    retry_after: float | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An admitted call was settled after `duration` seconds. `late`: it belonged to an earlier generation."""

    heard_by: ClassVar = "on_settled"

    breaker: str
    domain: str
    operation: str
    verdict: Verdict
    duration: float
    late: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A heartbeat of an entered gear: one each second, and at once when a breaker has moved."""

    heard_by: ClassVar = "on_heartbeat"

    lag: float  #: seconds that the event loop was late at the last one
    at: float


Event = Transition | TripSuppressed | Refused | Settled
