"""How long calls take: the one thing that has to be heard of call by call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import time_ns

from switchgear._gear import Switchgear
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
        self._users = 0
        self._unsubscribe: Callable[[], None] = _nothing

    @classmethod
    def of(cls, gear: Switchgear) -> Durations:
        """Those of a gear: its calls are timed once, however many exporters tell of it. Give them back by `leave`."""
        with _lock:
            known = next((observer for observer in gear.observers if isinstance(observer, cls)), None) or cls()
            known.join(gear)
        return known

    def join(self, gear: Switchgear) -> None:
        """Somebody wants the calls of that gear timed."""
        with _lock:
            self._users += 1
            if self._users == 1:
                self._unsubscribe = gear.subscribe(self)

    def leave(self) -> None:
        """Time no more, unless somebody else wants it."""
        with _lock:
            self._users -= 1
            if not self._users:
                self._unsubscribe()

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
        if (labels, bucket) in self._fresh:
            return
        span = sys.modules[_TRACING].get_current_span().get_span_context()
        if span.is_valid and span.trace_flags.sampled:
            with _lock:
                self._fresh.add((labels, bucket))
                traced = Exemplar(f"{span.trace_id:032x}", f"{span.span_id:016x}", seconds, time_ns())
                self._family.exemplars[labels, bucket] = traced

    def read(self) -> Distributions:
        """What is counted by now, and how often something found no place in it so far."""
        with _lock:
            self._fresh.clear()
            return self._family.copy()


def _nothing() -> None:
    """Nobody has subscribed."""
