"""OpenTelemetry: everything that a gear counts, as metrics, and what happens to calls, as events on their spans. Needs
the extra "otel".

    OtelObserver(gear)                                          # counters, gauges, span events, by the global providers

    exporter = HistogramExporter(OTLPMetricExporter())          # and histograms: how long calls take
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)])
    OtelObserver(gear, meter_provider=provider, histograms=exporter)

Collecting reads snapshots and calls no backend. Where no span records, nothing is made for one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from switchgear._errors import MissingDependency
from switchgear._events import Beat
from switchgear._gear import Switchgear
from switchgear._lock import fork_safe
from switchgear._metrics import dotted_name, registry
from switchgear._spec import Metric
from switchgear.observers._conventions import Conventions
from switchgear.observers._family import Distributions, Numbers
from switchgear.observers._recorder import Recorder

try:
    from switchgear.observers._histogram_exporter import HistogramExporter
    from switchgear.observers._instruments import Instruments
    from switchgear.observers._span_events import SpanEvents
except ModuleNotFoundError as exc:
    if exc.name is None or not exc.name.startswith("opentelemetry"):
        raise
    raise MissingDependency("OpenTelemetry, which takes the metrics,", install="switchgear[otel]") from exc

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = ["HistogramExporter", "OtelObserver"]

_lock = fork_safe(threading.RLock())


class OtelObserver(Recorder):
    """Exports a gear, until `close()`. Two gears of one provider are told apart by the names of their services alone.

    `meter_provider` is the global one or another. `histograms` is an exporter of that provider; with it calls are
    timed, which costs each of them a microsecond or two. The metrics of a plugin come with the first heartbeat after
    its first service, so the gear is to be entered.
    """

    def __init__(
        self,
        gear: Switchgear,
        *,
        meter_provider: MeterProvider | None = None,
        histograms: HistogramExporter | None = None,
    ) -> None:
        super().__init__(gear, durations=histograms is not None)
        self._families: dict[str, Numbers | Distributions] = {}
        self._told: set[str] = set()
        self._instruments = Instruments.of(meter_provider)
        self._instruments.add(self)
        self._listening.callback(self._instruments.remove, self)
        self._listening.callback(gear.subscribe(SpanEvents()))
        self._conventions: Conventions | None = None
        if histograms is not None:
            self._conventions = Conventions(gear)
            self._listening.callback(gear.subscribe(self._conventions))
            histograms.add(self)
            self._listening.callback(histograms.remove, self)
        self._declare(gear)

    def on_heartbeat(self, _event: Beat) -> None:
        """Make the instruments of services that have come since."""
        gear = self._gear()
        if gear is not None:
            self._declare(gear)

    def numbers(self, metric: Metric) -> Numbers | None:
        """For its instrument: the values of a metric in this collection."""
        with _lock:
            # Nothing says that a collection begins; but who is asked again is asked in another one.
            families = self._look() if metric.name in self._told else self._families or self._look()
            self._told.add(metric.name)
        family = families.get(metric.name)
        return family if isinstance(family, Numbers) else None

    def histograms(self) -> Iterator[tuple[str, Distributions]]:
        """For the exporter: how long calls take, and the histograms of plugins, as of what was collected last."""
        with _lock:
            families = self._families or self._look()
        for family in families.values():
            if isinstance(family, Distributions):
                yield dotted_name(family.metric), family
        for family in self._conventions.read() if self._conventions else ():
            yield family.metric.name, family

    def _declare(self, gear: Switchgear) -> None:
        backends = {service.backend.name: service.backend for service in gear.services.values()}
        self._instruments.declare(registry(backends.values()))

    def _look(self) -> dict[str, Numbers | Distributions]:
        self._told.clear()
        self._families = {family.metric.name: family for family in self.read()}
        return self._families
