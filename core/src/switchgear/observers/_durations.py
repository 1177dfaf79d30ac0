"""How long calls take: the one thing that has to be heard of call by call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping

from switchgear._lock import fork_safe
from switchgear._metrics import CALL_DURATION
from switchgear._verdict import Verdict
from switchgear.observers._family import Distributions, Exemplar, Labels

# Reentrant: a finalizer may settle a call, and so be heard of, in the midst of it.
_lock = fork_safe(threading.RLock())

_TRACING = "opentelemetry.trace"


class Durations:
    """An observer that counts calls by the time they took, and remembers for each bucket one that is traced."""

    def __init__(self) -> None:
        self._family = Distributions(CALL_DURATION)
        self._fresh: set[tuple[Labels, int]] = set()  # of one bucket, one exemplar between two readings is enough

    def on_outcome(self, service: str, _domain: str, operation: str, verdict: Verdict, seconds: float) -> None:
        labels: Labels = service, operation, verdict.name.lower()
        histogram = self._family.series.get(labels)
        if histogram is None:
            with _lock:
                labels = self._family.place(labels)
                histogram = self._family.at(labels)
        bucket = histogram.observe(seconds)
        # Where nobody traces, the module is not there.
        if _TRACING in sys.modules and (labels, bucket) not in self._fresh and (trace := _trace()):
            with _lock:
                self._fresh.add((labels, bucket))
                self._family.exemplars[labels, bucket] = Exemplar(trace, seconds)

    def read(self) -> Distributions:
        """What is counted by now."""
        with _lock:
            self._fresh.clear()
            known = self._family.copy()
            self._family.take_overflowed()  # it is told with the copy
        return known


def _trace() -> Mapping[str, str] | None:
    """The sampled trace that the running task is in, if it is in one."""
    span = sys.modules[_TRACING].get_current_span().get_span_context()
    if not span.is_valid or not span.trace_flags.sampled:
        return None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
