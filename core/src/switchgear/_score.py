"""The scores that health is made of, each 0..100, and the badness of outcomes that they start from.

The numbers are no settings, so that 72 means the same everywhere; but for two that only the backend's author knows: the
latency that users tolerate, and the ratio of bad calls at which the service is half healthy (r50).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from types import MappingProxyType

from switchgear._decay import Evidence
from switchgear._errors import ConfigurationError
from switchgear._snapshot import Snapshot
from switchgear._state import State

#: Successes that every service is believed to have had. Without them one failed first call would make a score of 7.
PRIOR = 10.0
#: The bad ratio that is taken for true is the one that 90 % of chance would leave below (one-sided).
_Z = 1.2816
#: What still serves is not unhealthy, however full it is or late: lower than this, calls fail.
_SERVES = 40.0
#: Utilisation up to which a pool is as good as empty.
_KNEE = 0.8
#: The scores of a refusing breaker: by an operator, by itself, and with a ramp that has come all the way.
_FORCED_OPEN, _OPEN, _RAMPED = 0.0, 10.0, 70.0
#: What six half-lives (a minute) leave of one call: less is no evidence.
TRACE = 2.0**-6


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """What a backend's calls are measured by. Raises ConfigurationError for values that cannot be meant."""

    #: The latency in seconds up to which users are satisfied, for all calls or by operation class; above it a call is
    #: half bad, above four times of it bad. None, or a class not named: no call is too slow.
    tolerated: float | Mapping[str, float] | None = None
    #: The ratio of bad calls at which the service is half healthy: redis 0.1, s3 0.05, db 0.05, openai 0.2.
    r50: float = 0.1

    def __post_init__(self) -> None:
        by_class = self.tolerated if isinstance(self.tolerated, Mapping) else {"": self.tolerated}
        for name, seconds in by_class.items():
            if seconds is not None and not 0 < seconds < inf:
                key = f"tolerated.{name}" if name else "tolerated"
                raise ConfigurationError(f"{seconds!r} is no length of time. Give seconds, above 0.", key=key)
        if isinstance(self.tolerated, Mapping):
            # Read-only and our own, so that the frozen configuration can be shared.
            object.__setattr__(self, "tolerated", MappingProxyType(dict(self.tolerated)))
        if not 0 < self.r50 < 1:
            raise ConfigurationError(f"{self.r50!r} is no ratio. Give a share above 0 and below 1.", key="r50")

    def tolerated_for(self, operation_class: str = "") -> float:
        """Seconds up to which users tolerate a call of this operation class; infinity: any."""
        if isinstance(self.tolerated, Mapping):
            return self.tolerated.get(operation_class, inf)
        return inf if self.tolerated is None else self.tolerated


def reached(snapshot: Snapshot) -> Evidence:
    """All calls that ever reached the backend, and how bad they were together, each 0..1. Nothing is forgotten yet.

    0 served in time; 0.5 served between `tolerated` and four times that, or throttled; 1 not served, or later still.
    """
    count = snapshot.verdicts.get
    failed = count("FAILURE", 0) + count("EXHAUSTED", 0)
    throttled = count("THROTTLED", 0)
    calls = count("SUCCESS", 0) + failed + throttled
    late = snapshot.tolerating / 2
    return Evidence(calls, failed + snapshot.frustrating + throttled / 2 + late, late)


def confidence(evidence: Evidence) -> float:
    """How much the evidence weighs beside the prior, 0..1: n/(n + 10)."""
    return evidence.calls / (evidence.calls + PRIOR)


#: Confidence below which nothing is known.
NO_CONFIDENCE = TRACE / (TRACE + PRIOR)


def bad_ratio(evidence: Evidence) -> float:
    """The ratio of bad calls that the evidence proves, 0..1: Wilson's lower bound, with the prior among the calls."""
    return _proven(evidence.badness, evidence.calls + PRIOR)


def _proven(badness: float, calls: float) -> float:
    p = badness / calls
    spread = _Z * sqrt(p * (1 - p) / calls + _Z * _Z / (4 * calls * calls))
    return max(0.0, (p + _Z * _Z / (2 * calls) - spread) / (1 + _Z * _Z / calls))


def error_score(evidence: Evidence, r50: float) -> float:
    """100/(1 + (r/r50)**2), a Hill curve: smooth, 50 at r50, and flat near 100, where few bad calls are daily life.

    Calls that users tolerate take it down to 40 and no further: all of them were answered.
    """
    score = _hill(bad_ratio(evidence), r50)
    if score >= _SERVES or not evidence.lateness:
        return score
    return min(_SERVES, _hill(_proven(evidence.badness - evidence.lateness, evidence.calls + PRIOR), r50))


def _hill(r: float, r50: float) -> float:
    return 100.0 / (1.0 + (r / r50) ** 2)


def saturation_score(utilisation: float) -> float:
    """100 up to 80 % in use, from there evenly down to 40 at 100 % and beyond. Not a number: no saturation."""
    if not utilisation > _KNEE:
        return 100.0
    return 100.0 - (100.0 - _SERVES) * (min(utilisation, 1.0) - _KNEE) / (1.0 - _KNEE)


def state_score(snapshot: Snapshot) -> float:
    """What a breaker's state leaves of a service: all of it while it admits all calls, 10 + 60 p while it ramps up and
    admits the share p, 10 when it refuses or only probes, 0 when an operator refuses.
    """
    match snapshot.state:
        case State.FORCED_OPEN:
            return _FORCED_OPEN
        case State.OPEN | State.HALF_OPEN:
            return _OPEN
        case _ if snapshot.share < 1:
            return _OPEN + (_RAMPED - _OPEN) * snapshot.share
        case _:
            return 100.0
