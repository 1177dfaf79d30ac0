"""What an exporter exports: the families of one gear, with counters that never fall."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any
from weakref import WeakKeyDictionary, ref

from switchgear import _metrics as metrics
from switchgear._events import Transition, TripSuppressed
from switchgear._gear import Switchgear
from switchgear._level import LevelChange
from switchgear._lock import fork_safe
from switchgear._spec import Backend, Metric
from switchgear.observers._durations import Durations
from switchgear.observers._family import Distributions, Labels, Numbers
from switchgear.observers._readings import Distribution, Reading, readings

_lock = fork_safe(threading.RLock())


class Recorder:
    """Hears of what is rare, one by one, and reads all else when asked. With `durations` it times every call, too.

    A counter is the sum of what its sources have counted. These may vanish (where a service has too many domains, the
    longest unused make room), so the differences from one reading to the next are added up.
    """

    def __init__(self, gear: Switchgear, *, durations: bool) -> None:
        self._gear = ref(gear)  # who exports a gear does not keep it alive
        self._backends: dict[str, Backend[Any, Any]] = {}
        self._counters: dict[str, Numbers] = {}
        self._seen: WeakKeyDictionary[object, dict[tuple[str, Labels], float]] = WeakKeyDictionary()
        self._durations = Durations.of(gear) if durations else None
        self._listening = ExitStack()
        self._listening.callback(gear.subscribe(self))
        if self._durations is not None:
            self._listening.callback(self._durations.leave)

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()

    def on_transition(self, event: Transition) -> None:
        changed = event.from_state.value, event.to_state.value, event.reason.value
        self._count(metrics.TRANSITIONS, (event.breaker, event.domain, *changed))

    def on_trip_suppressed(self, event: TripSuppressed) -> None:
        self._count(metrics.SUPPRESSED, (event.breaker, event.domain, event.reason.value))

    def on_level_changed(self, event: LevelChange) -> None:
        changed = event.from_level.name.lower(), event.to_level.name.lower(), event.reason.value
        self._count(metrics.LEVEL_CHANGES, (event.capability, *changed))

    def read(self) -> list[Numbers | Distributions]:
        """All families as of now, in the order of the registry. It calls no backend."""
        gear = self._gear()
        found = list(readings(gear)) if gear is not None else []
        if gear is not None:
            self._backends |= {service.backend.name: service.backend for service in gear.services.values()}
        declared = metrics.registry(self._backends.values())
        gauges = {metric.name: Numbers(metric) for metric in declared if metric.kind == "gauge"}
        histograms = {metric.name: Distributions(metric) for metric in declared if metric.kind == "histogram"}
        with _lock:
            histograms |= self._timed()
            for metric in declared:
                if metric.kind == "counter":
                    self._counters.setdefault(metric.name, Numbers(metric))
            for reading in found:
                if isinstance(reading, Distribution):
                    histograms[reading.metric.name].add(reading.labels, reading.value)
                elif reading.metric.kind == "counter":
                    self._advance(reading)
                else:
                    gauges[reading.metric.name].add(reading.labels, reading.value)
            families: dict[str, Numbers | Distributions] = {**gauges, **histograms, **self._counters}
            for family in families.values():
                if times := family.take_overflowed():
                    self._count(metrics.OVERFLOW, (metrics.exported_name(family.metric),), times)
            return [families[metric.name].copy() for metric in declared]

    def _timed(self) -> dict[str, Distributions]:
        """How long calls took, if that is wanted."""
        if self._durations is None:
            return {}
        timed = self._durations.read()
        if times := timed.take_overflowed():
            full = metrics.exported_name(timed.metric)
            self._advance(Reading(metrics.OVERFLOW, (full,), times, self._durations))
        return {timed.metric.name: timed}

    def _advance(self, reading: Reading) -> None:
        seen = self._seen.setdefault(reading.source, {})
        counted = reading.value - seen.get((reading.metric.name, reading.labels), 0.0)
        if counted >= 0:  # less: another thread has read later, and come here first
            seen[reading.metric.name, reading.labels] = reading.value
            self._count(reading.metric, reading.labels, counted)

    def _count(self, metric: Metric, labels: Labels, times: float = 1) -> None:
        with _lock:
            self._counters.setdefault(metric.name, Numbers(metric)).add(labels, times)
