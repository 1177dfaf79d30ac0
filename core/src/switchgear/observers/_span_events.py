"""What happens to a call, as events on the span that it is made in."""

from __future__ import annotations

from opentelemetry import trace

from switchgear._call_events import Hedged, Injected, Limited, Retried
from switchgear._degraded import Degraded
from switchgear._events import Refused, Transition
from switchgear._level import LevelChange
from switchgear._redact import redact

#: Operators' reasons and breakers' numbers, in characters.
_LONGEST = 500


class SpanEvents:
    """An observer that adds an event to the current span, if that records: for refusals, retries, hedges, fallbacks and
    injected faults of the call, and for the transitions that it has caused.
    """

    def on_refused(self, event: Refused) -> None:
        # In an outage these are many, and most are in no trace.
        if not trace.get_current_span().is_recording():
            return
        _add("refused", service=event.breaker, domain=event.domain, operation=event.operation, by="breaker",
             state=event.state.value, retry_after=event.retry_after)  # fmt: skip

    def on_limited(self, event: Limited) -> None:
        _add("refused", service=event.service, domain=event.domain, operation=event.operation, by=event.strategy,
             reason=event.reason, retry_after=event.retry_after)  # fmt: skip

    def on_retried(self, event: Retried) -> None:
        _add("retry", service=event.service, domain=event.domain, operation=event.operation, attempt=event.attempt,
             wait=event.wait, cause=event.cause)  # fmt: skip

    def on_hedged(self, event: Hedged) -> None:
        _add("hedge", service=event.service, domain=event.domain, operation=event.operation, after=event.after)

    def on_degraded(self, event: Degraded) -> None:
        _add("fallback", service=event.service, domain=event.domain, operation=event.operation, source=event.source,
             age=event.age, cause=event.cause)  # fmt: skip

    def on_injected(self, event: Injected) -> None:
        _add("injection", service=event.service, domain=event.domain, operation=event.operation,
             injection=event.injection, reason=event.reason)  # fmt: skip

    def on_transition(self, event: Transition) -> None:
        changed = {"from": event.from_state.value, "to": event.to_state.value}
        _add("transition", service=event.breaker, domain=event.domain, **changed, reason=event.reason.value,
             detail=event.detail)  # fmt: skip

    def on_level_changed(self, event: LevelChange) -> None:
        changed = {"from": event.from_level.name.lower(), "to": event.to_level.name.lower()}
        _add("level", capability=event.capability, **changed, reason=event.reason.value, detail=event.detail)


def _add(name: str, **facts: str | float | None) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(f"switchgear.{name}", {
            f"switchgear.{fact}": redact(value, _LONGEST) if isinstance(value, str) else value
            for fact, value in facts.items()
            if value not in {None, ""}
        })  # fmt: skip
