"""How healthy capabilities and the application are, from the health of what they need.

    S_c   = min(min over `requires`, 100 (1 - sum of w_i (1 - S_i/100) over `prefers`), max inside each `any_of`)
    S_app = min(min over the CRITICAL capabilities, the mean of the others, weighted by importance)

Each is bounded, rises and falls with every input, depends on no order, and is 100 where all inputs are; its report's
path leads on into the input that limits it. The confidence is that of the least known of the terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import fsum

from switchgear._criticality import Criticality
from switchgear._graph import Capability
from switchgear._report import Report, Term, average, least


def inherited(own: Report, parents: Iterable[Report]) -> Report:
    """The report of a service, given those of the services that it requires: min(own, theirs)."""
    worst = min(parents, key=lambda parent: (parent.score, parent.name), default=own)
    if worst.score >= own.score:
        return own
    path = (own.name, *worst.path)
    return replace(own, score=worst.score, confidence=worst.confidence, path=path, reason=worst.reason)


def capability_health(name: str, capability: Capability, inputs: Mapping[str, Report]) -> Report:
    """The health of a capability; `inputs` has the reports of all that it needs or wants."""
    terms = [_term(inputs[needed]) for needed in capability.requires]
    confidences = [inputs[needed].confidence for needed in capability.requires]
    for group in capability.any_of:
        best = min((inputs[one] for one in group), key=lambda one: (-one.score, -one.confidence, one.name))
        terms.append(_term(best, f", and of {', '.join(sorted(group))} none is better"))
        confidences.append(best.confidence)
    if capability.prefers:
        lost = {wanted: weight * (100 - inputs[wanted].score) for wanted, weight in capability.prefers.items()}
        # Weights of at most 1 in all lose no more than the worst has lost; the sum might, by its rounding.
        score = max(100 - fsum(lost.values()), min(inputs[wanted].score for wanted in lost))
        costliest = max(lost, key=lambda wanted: (lost[wanted], wanted))
        weight = capability.prefers[costliest]
        terms.append(_term(inputs[costliest], f", and it weighs {weight:g}")._replace(score=score))
        confidences.extend(inputs[wanted].confidence for wanted in lost)
    return least(name, terms, min(confidences, default=0.0))


def app_health(name: str, capabilities: Mapping[str, Capability], reports: Mapping[str, Report]) -> Report:
    """The health of the application; `reports` has those of all its capabilities."""
    critical = [capability for capability, of in capabilities.items() if of.criticality is Criticality.CRITICAL]
    others = {capability: of.importance for capability, of in capabilities.items() if capability not in critical}
    terms = [_term(reports[capability]) for capability in critical]
    if others:
        score = average((reports[other].score, importance) for other, importance in others.items())
        costliest = max(others, key=lambda other: (others[other] * (100 - reports[other].score), other))
        terms.append(_term(reports[costliest])._replace(score=score))
    return least(name, terms, min((reports[capability].confidence for capability in capabilities), default=0.0))


def _term(report: Report, remark: str = "") -> Term:
    return Term(report.score, report.path, report.reason + remark)
