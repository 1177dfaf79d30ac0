"""Breakers and reports as they might be, for the tests of health and degradation."""

from __future__ import annotations

from switchgear import Reason, State, Transition
from switchgear._report import Report
from switchgear._snapshot import Snapshot


def snapshot_of(
    state: State = State.CLOSED, *, share: float = 1.0, domain: str = "", detail: str | None = None
) -> Snapshot:
    """A breaker in a state, which it came into for a reason if `detail` says which."""
    last = None
    if detail is not None:
        last = Transition(
            breaker="b", domain=domain, from_state=State.CLOSED, to_state=state, reason=Reason.FAILURE_RATE,
            detail=detail, at=0.0, generation=1,
        )  # fmt: skip
    return Snapshot(
        breaker="b", domain=domain, state=state, since=0.0, at=0.0, generation=0, calls=0, failure_rate=0.0,
        slow_call_rate=0.0, in_flight=0, overdue=0, share=share, probes=(0, 0), retry_after=None, attempt=0.0,
        verdicts={}, tolerating=0, frustrating=0, refused={}, late=0, last=last, causes=(),
    )  # fmt: skip


def report_of(name: str, score: float, confidence: float = 1.0) -> Report:
    """The report of a service whose calls have shown so much; below 100 its errors limit it."""
    path = (name, "errors") if score < 100 else (name,)
    return Report(name=name, score=score, confidence=confidence, path=path, reason=f"{name} is at {score:g}")


def inputs_of(scores: dict[str, float]) -> dict[str, Report]:
    """The reports of some services, by their scores."""
    return {name: report_of(name, score) for name, score in scores.items()}
