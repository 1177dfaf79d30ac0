"""What OpenTelemetry gets, as a collector reads it: names that do not drift, the numbers that Prometheus has too."""

from __future__ import annotations

import difflib
import gc
import logging
import math
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality as Temporality
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from prometheus_client import CollectorRegistry

from switchgear import Switchgear, Verdict
from switchgear._metrics import registry
from switchgear._plugins import FIRST_PARTY, Plugins
from switchgear.observers._conventions import _METRICS
from switchgear.observers._family import Distributions, Numbers, family_of
from switchgear.observers.otel import HistogramExporter, OtelObserver
from switchgear.observers.prometheus import PrometheusObserver
from tests.backends import Client, backend_of
from tests.observers.boards import Board
from tests.observers.otlp import Sink, sink

GOLDEN = Path(__file__).parent / "golden" / "opentelemetry.txt"


class Exported:
    """A provider with one exporter, to a collector of ours."""

    def __init__(self, collected: Sink, **options: Any) -> None:
        self.collected = collected
        self.exporter = HistogramExporter(OTLPMetricExporter(endpoint=f"{collected.url}/v1/metrics", **options))
        reader = PeriodicExportingMetricReader(self.exporter, export_interval_millis=math.inf)
        self.provider = sdk.MeterProvider([reader], shutdown_on_exit=False)

    def observe(self, gear: Switchgear) -> OtelObserver:
        return OtelObserver(gear, meter_provider=self.provider, histograms=self.exporter)

    def export(self) -> Sink:
        """The collector, once it has everything."""
        assert self.provider.force_flush()
        return self.collected


@pytest.fixture
def collected() -> Iterator[Sink]:
    with sink() as collector:
        yield collector


@pytest.fixture
def exported(collected: Sink) -> Iterator[Exported]:
    exported = Exported(collected)
    yield exported
    exported.provider.shutdown()


def everything() -> list[Numbers | Distributions]:
    """A family of each metric there is, with one series whose labels have their own names for values."""
    backends = (backend for name in FIRST_PARTY for backend in Plugins().load(name))
    families = [family_of(metric) for metric in registry(backends)]
    for family in families:
        if isinstance(family, Distributions):
            family.at(family.metric.labels).observe(1.0)
        else:
            family.add(family.metric.labels, 1.0)
    return families


def as_declared(scope: str, metric: Metric) -> Iterator[str]:
    """All that a collector is told of a metric, but for its values."""
    kind = str(metric.WhichOneof("data"))
    data = getattr(metric, kind)
    monotonic = " monotonic" if kind == "sum" and data.is_monotonic else ""
    [point] = data.data_points
    names = ", ".join(pair.key for pair in sorted(point.attributes, key=lambda pair: pair.key))
    yield f"{metric.name} [{metric.unit}] {kind}{monotonic} {{{names}}}"
    yield f"    {metric.description}"
    if kind == "histogram":
        yield f"    le {', '.join(f'{bound:g}' for bound in point.explicit_bounds)}"
    assert scope == "switchgear"


def test_names_types_units_attributes_and_help_texts_do_not_drift(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they come out of the protobuf. To change one on purpose, change the file."""
    backends = [backend for name in FIRST_PARTY for backend in Plugins().load(name)]
    services = {backend.name: SimpleNamespace(backend=backend) for backend in backends}
    gear = Switchgear()
    with monkeypatch.context() as patch:
        patch.setattr(Switchgear, "services", services)
        observer = exported.observe(gear)
    conventional = [Distributions(metric) for metric in _METRICS.values()]
    for family in conventional:
        family.at(family.metric.labels).observe(1.0)
    monkeypatch.setattr(observer, "read", everything)
    monkeypatch.setattr(observer._conventions, "read", lambda: conventional)
    declared = [as_declared(*metric) for metric in exported.export().last]
    written = [line for lines in sorted(list(lines) for lines in declared) for line in lines]
    drift = difflib.unified_diff(GOLDEN.read_text().splitlines(), written, "declared", "exported", n=0, lineterm="")
    assert "\n".join(drift) == ""


def test_both_exporters_have_the_same_numbers(exported: Exported) -> None:
    """Each counter and gauge of core, by the same labels; what is empty is left out in one and empty in the other."""
    board = Board("it", "other")
    board.gear.capability("shop", requires=["it"])
    exported.observe(board.gear)
    prometheus = PrometheusObserver(board.gear, registry=CollectorRegistry())
    board.call("other", "a", seconds=0.25)
    board.fell("it", "a")
    board.refused("it", "a")
    board.clock.advance(1.0)
    families = {family.metric.name: family for family in prometheus.read()}
    collected = exported.export()
    for name, metric in (
        ("breaker_calls", "switchgear.breaker.calls"),
        ("breaker_state", "switchgear.breaker.state"),
        ("breaker_not_permitted", "switchgear.breaker.not_permitted"),
        ("breaker_transitions", "switchgear.breaker.transitions"),
        ("health_score", "switchgear.health.score"),
        ("degradation_level", "switchgear.degradation.level"),
    ):
        family = families[name]
        assert isinstance(family, Numbers)
        theirs = {
            tuple(sorted(pair for pair in zip(family.metric.labels, labels, strict=True) if pair[1])): value
            for labels, value in family.series.items()
        }
        assert collected.values(metric) == theirs
        assert theirs


def test_durations_are_a_histogram(exported: Exported) -> None:
    """With its buckets, sum and count, cumulative from the beginning; without a least and a greatest, which nobody
    knows.
    """
    board = Board("it")
    exported.observe(board.gear)
    for seconds in (0.001, 0.25, 0.25, 100.0):
        board.call(seconds=seconds)
    board.call(verdict=Verdict.FAILURE)
    exported.export()
    board.call(seconds=0.5)
    collected = exported.export()
    metric = collected.metric("switchgear.breaker.call_duration")
    assert metric.histogram.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    points = collected.points(metric.name)
    served, failed = (points[call(verdict)] for verdict in ("success", "failure"))
    bounds = [*served.explicit_bounds, math.inf]
    filled = {bound: count for bound, count in zip(bounds, served.bucket_counts, strict=True) if count}
    assert filled == {0.001: 1, 0.25: 2, 0.5: 1, math.inf: 1}
    assert (served.count, round(served.sum, 6), failed.count) == (5, 101.001, 1)
    assert not served.HasField("min")
    assert not served.HasField("max")
    assert 0 < served.start_time_unix_nano < served.time_unix_nano


def call(verdict: str) -> tuple[tuple[str, str], ...]:
    """The attributes of the calls of a board's service."""
    return ("operation", "toy.get"), ("service", "it"), ("verdict", verdict)


def test_who_wants_differences_gets_them(collected: Sink) -> None:
    """As the exporter prefers: of counters by the SDK, of histograms by us; what has not changed is not sent."""
    exported = Exported(
        collected, preferred_temporality={sdk.Histogram: Temporality.DELTA, sdk.ObservableCounter: Temporality.DELTA}
    )
    board = Board("it")
    exported.observe(board.gear)
    ends = []
    for calls in (3, 2, 0):
        for _ in range(calls):
            board.call(seconds=0.25)
        exported.export()
        if calls:
            [point] = collected.points("switchgear.breaker.call_duration").values()
            assert (point.count, point.sum) == (calls, 0.25 * calls)
            ends.append((point.start_time_unix_nano, point.time_unix_nano))
    assert "switchgear.breaker.call_duration" not in collected.names()
    assert ends[0][1] == ends[1][0]
    exported.provider.shutdown()


def test_a_bucket_shows_a_traced_call(exported: Exported) -> None:
    """One that is sampled: its trace, its span and how long it took."""
    board = Board("it")
    exported.observe(board.gear)
    context = trace.SpanContext(3, 2, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    with trace.use_span(trace.NonRecordingSpan(context)):
        board.call(seconds=0.25)
    [point] = exported.export().points("switchgear.breaker.call_duration").values()
    [example] = point.exemplars
    assert (int.from_bytes(example.trace_id), int.from_bytes(example.span_id)) == (3, 2)
    assert example.as_double == 0.25
    assert example.time_unix_nano <= point.time_unix_nano


def test_plugins_metrics(exported: Exported) -> None:
    """Counters, gauges and histograms; those of a service that comes later from the next heartbeat on."""
    board = Board()
    observer = exported.observe(board.gear)
    client = board.gear.guard(Board("it").clients[0], board.backend, name="it")
    observer.on_heartbeat(SimpleNamespace())  # type: ignore[arg-type]
    board.service().count("hits", 2, kind="warm")
    board.service().observe("wait", 0.7)
    board.gauges = lambda _client: {"pool_in_use": 3, "remaining": float("inf")}
    collected = exported.export()
    assert collected.values("switchgear.toy.hits") == {(("kind", "warm"), ("service", "it")): 2}
    assert collected.values("switchgear.toy.pool_in_use") == {(("service", "it"),): 3}
    assert collected.values("switchgear.toy.wait") == {(("service", "it"),): 1}
    assert collected.metric("switchgear.toy.wait").unit == "s"
    assert client is board.gear.client("it")


def test_what_is_infinite_is_left_out(exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    """The protocol has no word for it, and the SDK would complain each time."""
    board = Board("it")
    exported.observe(board.gear)
    board.gauges = lambda _client: {"remaining": math.inf}
    with caplog.at_level(logging.WARNING):
        assert "switchgear.toy.remaining" not in exported.export().names()
    assert caplog.messages == []


def test_one_collection_is_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many instruments there are; and each of two readers gets what is true at its time."""
    readers = InMemoryMetricReader(), InMemoryMetricReader()
    provider = sdk.MeterProvider(readers, shutdown_on_exit=False)
    board = Board("it")
    observer = OtelObserver(board.gear, meter_provider=provider)
    readings, read = 0, observer.read

    def counted() -> list[Numbers | Distributions]:
        nonlocal readings
        readings += 1
        return read()

    monkeypatch.setattr(observer, "read", counted)
    for expected, reader in enumerate((*readers, readers[0]), 1):
        board.call()
        data = reader.get_metrics_data()
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        points: list[tuple[str, Any]] = [
            (metric.name, point) for metric in scope.metrics for point in metric.data.data_points
        ]
        served = {name: point.value for name, point in points if point.attributes.get("verdict") == "success"}
        assert served == {"switchgear.breaker.calls": expected}
        assert readings == expected
    provider.shutdown()


def test_without_histograms_no_call_is_timed() -> None:
    """Then nobody hears of calls, and they pass as if nobody exported anything."""
    provider = sdk.MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    board = Board("it")
    OtelObserver(board.gear, meter_provider=provider)
    board.call()
    assert not any(lane.timed for lane in board.service().group.branch("")._machine.lanes)
    provider.shutdown()


def test_calls_are_timed_once_for_all_exporters(exported: Exported) -> None:
    """They have the same counts, also of those from before the second came; and one that leaves takes nothing along."""
    board = Board("it")
    prometheus = PrometheusObserver(board.gear, registry=CollectorRegistry())
    board.call()
    observer = exported.observe(board.gear)
    board.call()
    assert timed(exported) == 2
    prometheus.close()
    board.call()
    assert timed(exported) == 3
    observer.close()
    board.call()
    assert not any(lane.timed for lane in board.service().group.branch("")._machine.lanes)


def timed(exported: Exported) -> float:
    return exported.export().values("switchgear.breaker.call_duration")[call("success")]


def test_a_family_that_is_full_is_told_of_by_all_exporters(exported: Exported) -> None:
    """Each says how often a call found no place, however often the other has been read."""
    board = Board("it")
    observer = exported.observe(board.gear)
    prometheus = PrometheusObserver(board.gear, registry=CollectorRegistry())
    durations = prometheus._durations
    assert durations is not None
    assert durations is observer._durations
    for number in range(203):
        durations.on_outcome("it", "", f"made-up-{number}", "read", Verdict.SUCCESS, 0.1)
        if number == 201:
            prometheus.read()
    expected = {(("family", "switchgear_breaker_call_duration_seconds"),): 3}
    families = {family.metric.name: family.series for family in prometheus.read()}
    assert families["telemetry_overflow"] == {("switchgear_breaker_call_duration_seconds",): 3}
    assert exported.export().values("switchgear.telemetry.overflow") == expected


def test_who_has_closed_exports_no_more(exported: Exported) -> None:
    """The provider goes on, and another gear can be exported by it."""
    first, second = Board("it"), Board("it")
    exported.observe(first.gear).close()
    first.call()
    exported.observe(second.gear)
    second.call()
    second.call()
    assert exported.export().values("switchgear.breaker.calls")[("service", "it"), ("verdict", "success")] == 2
    assert timed(exported) == 2
    assert not any(isinstance(observer, OtelObserver) for observer in first.gear.observers)


def test_who_exports_a_gear_does_not_keep_it_alive(exported: Exported) -> None:
    """It is gone when its application lets go of it, and what it has counted stays."""
    gear = Switchgear()
    client = gear.guard(Client(), backend_of(probe=False), name="it")
    observers = exported.observe(gear), PrometheusObserver(gear, registry=CollectorRegistry())
    client.get()
    exported.export()
    gone = weakref.ref(gear)
    del gear, client
    gc.collect()
    assert gone() is None
    assert exported.export().values("switchgear.breaker.calls")[("service", "it"), ("verdict", "success")] == 1
    for observer in observers:
        observer.close()


def test_the_exporter_does_what_the_one_inside_does(collected: Sink) -> None:
    """Its flushing is that one's, and so is its end."""
    calls: list[str] = []

    class Inside(OTLPMetricExporter):
        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            calls.append("flush")
            return False

        def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
            calls.append("shutdown")

    exporter = HistogramExporter(Inside(endpoint=f"{collected.url}/v1/metrics"))
    assert exporter.force_flush() is False
    exporter.shutdown()
    assert calls == ["flush", "shutdown"]


GLOBAL = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from switchgear import Switchgear
from switchgear.observers.otel import OtelObserver

first, second = Switchgear(), Switchgear()
early = OtelObserver(first)
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
early.close()
OtelObserver(second)
[scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
print(sorted(metric.name for metric in scope.metrics))
"""


def test_the_global_provider_may_be_set_later() -> None:
    """And by whom is all the same; a gear that comes after that goes by the instruments of the first."""
    done = subprocess.run([sys.executable, "-c", GLOBAL], capture_output=True, text=True, check=True)
    assert "switchgear.health.score" in done.stdout
    assert done.stderr == ""


def test_what_to_install_is_said() -> None:
    """To those who have no OpenTelemetry."""
    program = "import sys; sys.modules['opentelemetry'] = None; import switchgear.observers.otel"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = 'OpenTelemetry, which takes the metrics, is not installed. Install it with: pip install "switchgear[otel]"'
    assert done.stderr.splitlines()[-1].endswith(said)
