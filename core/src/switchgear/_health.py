"""How healthy a service is: one score, what limits it, and how much is known.

A domain's score is the least of what its errors and its breaker's state leave of it; a service's, the least of what its
saturation, its main breaker and its domains leave of it. A minimum names its cause. A weighted sum of parts, the usual
score of 0 to 100, can stand at 70 over a dead backend.

The domains of a service are averaged, each weighing as many calls as recently asked for it, refused ones included. So
one broken bucket of ten takes a tenth of the service away, and a broken bucket that all callers want takes all of it.
The least of them would let one bucket fell the service, and its capabilities with it, which is what domains are there
to prevent; by evidence alone, an open breaker, which gets no evidence, would soon weigh nothing. A broken domain stays
visible: the report's path leads to the one that costs the service most, and `parts` has them all, the worst first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from switchgear._decay import Evidence
from switchgear._report import Report, Term, average, least
from switchgear._score import TRACE, bad_ratio, confidence, error_score, saturation_score, state_score
from switchgear._snapshot import Snapshot
from switchgear._state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What is known of one domain of a service; a service that does not fail in parts has one, named ""."""

    snapshot: Snapshot
    evidence: Evidence
    refused: float = 0.0  #: recent calls that its breaker refused, decayed like the evidence

    @property
    def demand(self) -> float:
        """Recent calls that asked for it, and a trace more: the domains of an idle service count alike."""
        return self.evidence.calls + self.refused + TRACE

    def health(self, r50: float) -> Report:
        """The least of S_err and S_state."""
        at_least = f"at least {bad_ratio(self.evidence):.0%} of the recent calls were bad (half healthy at {r50:.0%})"
        errors = Term(error_score(self.evidence, r50), ("errors",), at_least)
        return least(self.snapshot.domain, (errors, _of_state(self.snapshot)), confidence(self.evidence))


def service_health(
    name: str,
    domains: Iterable[Domain],
    *,
    r50: float,
    main: Snapshot | None = None,
    saturations: Mapping[str, float] | None = None,
) -> Report:
    """The health of one service, as of the moment at which its snapshots and evidence were taken.

    `main` is the main breaker of a group. `saturations` are utilisations, 0..1, by what they are of ("pool"); in the
    path they are called so ("pool_saturation"). Of several the fullest counts.
    """
    assessed = [(domain, domain.health(r50)) for domain in domains]
    terms = [
        Term(saturation_score(used), (f"{what}_saturation",), f"{what} is {used:.0%} used")
        for what, used in (saturations or {}).items()
    ]
    if main is not None:
        terms.append(_of_state(main))
    if assessed:
        terms.append(_of_domains(assessed))
    known = confidence(Evidence(fsum(domain.evidence.calls for domain, _ in assessed)))
    parts = sorted((report for _, report in assessed), key=lambda report: (report.score, report.name))
    return least(name, terms, known, tuple(parts))


def _of_state(snapshot: Snapshot) -> Term:
    score = state_score(snapshot)
    if snapshot.state in {State.CLOSED, State.METRICS_ONLY}:
        reason = f"its breaker is ramping up and admits {snapshot.share:.0%} of the calls"
    else:
        reason = f"its breaker is {snapshot.state}" + (f": {snapshot.last.detail}" if snapshot.last else "")
    return Term(score, ("state",), reason)


def _of_domains(assessed: list[tuple[Domain, Report]]) -> Term:
    weights = [domain.demand for domain, _ in assessed]
    score = average((report.score, weight) for (_, report), weight in zip(assessed, weights, strict=True))
    domain, worst = max(assessed, key=lambda pair: (pair[0].demand * (100 - pair[1].score), pair[1].name))
    reason = worst.reason
    if len(assessed) > 1:
        reason += f", and {domain.demand / fsum(weights):.0%} of the recent calls ask for this domain"
    return Term(score, worst.path[0 if worst.name else 1 :], reason)
