"""What health is told in: a score, what limits it and by which way, and how much is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import fsum
from typing import NamedTuple

from switchgear._score import NO_CONFIDENCE

_HEALTHY, _DEGRADED = 90.0, 40.0


class Status(Enum):
    """A score in a word, as Spring and ASP.NET say it."""

    HEALTHY = "healthy"  #: 90 or more
    DEGRADED = "degraded"  #: 40 or more
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"  #: it would be healthy, but has had no calls to show it

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How healthy something is, and why: a domain, a service, a capability or the application."""

    name: str
    score: float  #: 0..100
    confidence: float  #: 0..1, how much is known; 0: a score of 100 means nothing
    path: tuple[str, ...]  #: from here to what limits it ("checkout", "db", "pool_saturation"); else the name alone
    reason: str  #: what there is to say of the end of the path, with its numbers
    parts: tuple[Report, ...] = ()  #: of a service: its domains, the worst first

    @property
    def limited_by(self) -> str:
        """The input or component whose score this is; "" while nothing takes anything away."""
        return self.path[1] if len(self.path) > 1 else ""

    @property
    def impaired(self) -> bool:
        """Whether there is something to mend: the score is below HEALTHY."""
        return self.score < _HEALTHY

    @property
    def status(self) -> Status:
        if self.score < _DEGRADED:
            return Status.UNHEALTHY
        if self.impaired:
            return Status.DEGRADED
        return Status.UNKNOWN if self.confidence < NO_CONFIDENCE else Status.HEALTHY

    def __str__(self) -> str:
        # Rounded down: 89.9 is not shown as the 90 that would be healthy.
        limit = f" {' <- '.join(self.path)}:" if self.limited_by else ""
        return f"{self.name} is {self.status} ({int(self.score)}):{limit} {self.reason}."


class Term(NamedTuple):
    """One of the scores whose minimum a report's is, the way from there to its cause, and what is to be said of it."""

    score: float
    path: tuple[str, ...]
    reason: str


def least(name: str, terms: Iterable[Term], confidence: float, parts: tuple[Report, ...] = ()) -> Report:
    """The report of the least of the terms; of equal ones, the one whose path is first in the alphabet."""
    worst = min(terms, default=Term(100.0, (), ""))
    if worst.score < 100:  # noqa: PLR2004 - of 100
        path, reason = (name, *worst.path), worst.reason
    else:
        path, reason = (name,), "there were no recent calls" if confidence < NO_CONFIDENCE else "nothing limits it"
    return Report(name=name, score=worst.score, confidence=confidence, path=path, reason=reason, parts=parts)


def average(scores: Iterable[tuple[float, float]]) -> float:
    """The weighted mean of scores, given with their weights (above 0). To the last bit the same in any order, and never
    outside of what it is a mean of.
    """
    given = list(scores)
    lost = fsum(weight * (100 - score) for score, weight in given) / fsum(weight for _, weight in given)
    return min(max(100 - lost, min(given)[0]), max(given)[0])
