"""A collector of OpenTelemetry's: takes what is sent to it over OTLP/HTTP, and reads it as the protobuf that it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

#: The attributes of a point, as sorted pairs.
Attributes = tuple[tuple[str, str | int], ...]


class Sink:
    """What has come in so far: the last state of each metric, and all spans."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._exports: list[ExportMetricsServiceRequest] = []
        self.spans: dict[str, Span] = {}

    @property
    def last(self) -> list[tuple[str, Metric]]:
        """The metrics of the last export, each with the scope that it is from."""
        return [
            (scope.scope.name, metric)
            for resource in self._exports[-1].resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def metric(self, name: str) -> Metric:
        """The one of that name, of whichever scope. Raises ValueError where there are several, or none."""
        [metric] = [metric for _, metric in self.last if metric.name == name]
        return metric

    def names(self) -> set[str]:
        return {metric.name for _, metric in self.last}

    def points(self, name: str) -> dict[Attributes, Any]:
        """The points of a metric, by their attributes."""
        metric = self.metric(name)
        points = getattr(metric, str(metric.WhichOneof("data"))).data_points
        found = {attributes(point.attributes): point for point in points}
        assert len(found) == len(points), f"{name} has two points of the same attributes"
        return found

    def values(self, name: str) -> dict[Attributes, float]:
        """Of a counter or a gauge the values, of a histogram how many it has counted."""
        return {key: value_of(point) for key, point in self.points(name).items()}

    def take(self, path: str, body: bytes) -> bytes:
        if path == "/v1/metrics":
            self._exports.append(ExportMetricsServiceRequest.FromString(body))
            return bytes(ExportMetricsServiceResponse().SerializeToString())
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}
        return bytes(ExportTraceServiceResponse().SerializeToString())


def attributes(pairs: Any) -> Attributes:
    return tuple(sorted((pair.key, _plain(pair)) for pair in pairs))


def facts(span: Span) -> list[tuple[str, dict[str, Any]]]:
    """The events of a span: names without our prefix, attributes likewise."""
    prefix = "switchgear."
    return [
        (event.name.removeprefix(prefix), {pair.key.removeprefix(prefix): _plain(pair) for pair in event.attributes})
        for event in span.events
    ]


def _plain(pair: KeyValue) -> Any:
    return getattr(pair.value, str(pair.value.WhichOneof("value")))


def value_of(point: Any) -> float:
    return float(point.as_double if isinstance(point, NumberDataPoint) else point.count)


@contextmanager
def sink() -> Iterator[Sink]:
    """A collector on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = collected.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base
            """Not to standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collected = Sink(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield collected
        finally:
            server.shutdown()
            thread.join()
