"""How long calls take: the one thing that has to be heard of call by call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping

from switchgear._histogram import Histogram
from switchgear._lock import fork_safe
from switchgear._metrics import CALL_DURATION
from switchgear._verdict import Verdict
from switchgear.observers._family import Distributions, Exemplar, Labels

# Reentrant: a finalizer may settle a call, and so be heard of, in the midst of it.
_lock = fork_safe(threading.RLock())

_TRACING = "opentelemetry.trace"
#: The first so many calls of a bucket are asked for their trace, and then one of so many.
_FEW = 16


class Durations:
    """An observer that counts calls by the time they took, and remembers for each bucket one that is traced."""

    def __init__(self) -> None:
        self._family = Distributions(CALL_DURATION)
        self._places: dict[tuple[str, str, str], tuple[Labels, Histogram]] = {}
        self._fresh: set[tuple[Labels, int]] = set()  # of one bucket, one exemplar between two readings is enough

    def on_outcome(
        self, service: str, _domain: str, operation: str, _class: str, verdict: Verdict, seconds: float
    ) -> None:
        found = self._places.get((service, operation, verdict.name))
        labels, histogram = found or self._find(service, operation, verdict.name)
        bucket = histogram.observe(seconds)
        # Where nobody traces, the module is not there; and of many calls that are alike, not each is asked.
        if _TRACING in sys.modules and ((count := histogram.counts[bucket]) < _FEW or not count % _FEW):
            self._exemplify(labels, bucket, seconds)

    def _find(self, service: str, operation: str, verdict: str) -> tuple[Labels, Histogram]:
        with _lock:
            labels = service, operation, verdict.lower()
            place = self._family.place(labels)
            found = place, self._family.at(place)
            if place == labels:  # of those that have to share one there may be any number
                self._places[service, operation, verdict] = found
        return found

    def _exemplify(self, labels: Labels, bucket: int, seconds: float) -> None:
        if (labels, bucket) not in self._fresh and (trace := _trace()):
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
