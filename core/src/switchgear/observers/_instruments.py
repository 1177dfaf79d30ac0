"""The instruments of OpenTelemetry that are read when they are collected: counters and gauges, named by the registry.

The SDK makes an instrument of one name once, and heeds no callback that comes with it later. So those of a provider are
kept, and ask whichever gears it exports at the time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.metadata import version
from math import isfinite
from typing import Protocol
from weakref import WeakKeyDictionary

from opentelemetry import metrics as api

from switchgear._lock import fork_safe
from switchgear._metrics import dotted_name, ucum
from switchgear._spec import Metric
from switchgear.observers._family import Labels, Numbers

#: Who says all this.
SCOPE = "switchgear"
VERSION = version("switchgear")

_lock = fork_safe(threading.RLock())


class Exported(Protocol):
    """A gear, to its instruments."""

    def numbers(self, metric: Metric) -> Numbers | None:
        """The values of a metric in this collection; None: it is not known."""
        ...


class Instruments:
    """Those of one provider."""

    def __init__(self, provider: api.MeterProvider | None) -> None:
        self._meter = api.get_meter(SCOPE, VERSION, provider)
        self._made: dict[str, object] = {}
        self._exported: list[Exported] = []

    @staticmethod
    def of(provider: api.MeterProvider | None) -> Instruments:
        """Those of a provider; None: the global one, which may yet be set."""
        with _lock:
            given = None if provider is api.get_meter_provider() else provider
            key = given or _global
            return _known.get(key) or _known.setdefault(key, Instruments(given))

    def add(self, exported: Exported) -> None:
        """Ask it, too."""
        self._exported.append(exported)

    def remove(self, exported: Exported) -> None:
        """And no more."""
        self._exported.remove(exported)

    def declare(self, metrics: Iterable[Metric]) -> None:
        """Make those that there are not yet. In the midst of a collection the SDK would wait for itself."""
        make = {"counter": self._meter.create_observable_counter, "gauge": self._meter.create_observable_gauge}
        with _lock:
            for metric in metrics:
                if metric.kind in make and metric.name not in self._made:
                    self._made[metric.name] = make[metric.kind](
                        dotted_name(metric),
                        [partial(self._observe, metric)],
                        unit=ucum(metric),
                        description=metric.help,
                    )

    def _observe(self, metric: Metric, _options: object) -> Iterator[api.Observation]:
        for exported in list(self._exported):
            family = exported.numbers(metric)
            for labels, value in family.series.items() if family else ():
                if isfinite(value):  # the protocol has no word for what is not
                    yield api.Observation(float(value), attributes_of(metric.labels, labels))


class _Global:
    """Stands for the global provider, which is another object before it is set."""


_global = _Global()
_known: WeakKeyDictionary[object, Instruments] = WeakKeyDictionary()


def attributes_of(names: Labels, values: Labels) -> dict[str, str | int]:
    """Labels as attributes: without those that are empty, and ports as the numbers that they are."""
    pairs = zip(names, values, strict=True)
    return {name: int(value) if name == "server.port" and value.isdigit() else value for name, value in pairs if value}
