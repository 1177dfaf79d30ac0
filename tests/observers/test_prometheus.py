"""What Prometheus reads: names that do not drift, formats that it accepts, numbers from snapshots alone."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from switchgear import BreakerConfig, Switchgear, Verdict
from switchgear._errors import ConfigurationError
from switchgear._metrics import exported_name, registry
from switchgear._plugins import FIRST_PARTY, Plugins
from switchgear.observers._exposition import exposed
from switchgear.observers._family import family_of
from switchgear.observers.prometheus import PrometheusObserver, render
from tests.observers.boards import Board
from tests.observers.promtool import needs_promtool, promtool

if TYPE_CHECKING:
    from prometheus_client.core import Metric

OPENMETRICS = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
GOLDEN = Path(__file__).parent / "golden" / "prometheus.txt"


def families(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in parse_text(text.decode())}


def busy() -> Board:
    """A board on which everything has happened that is counted."""
    board = Board("it", "other")
    board.gear.capability("shop", requires=["it"])
    PrometheusObserver.of(board.gear)
    board.call("other", "a", seconds=0.25)
    board.fell("it", "a")
    board.refused("it", "a")
    board.service().group.metrics_only("a test")
    for _ in range(4):
        board.call(verdict=Verdict.FAILURE)
    board.service().count("hits", kind='with "quotes"\n')
    board.service().observe("wait", 0.7)
    board.gauges = lambda _client: {"pool_in_use": 3, "remaining": float("inf")}
    board.clock.advance(1.0)
    return board


def test_names_types_units_and_help_texts_do_not_drift() -> None:
    """Dashboards and alerts of others stand on them. To change one on purpose, change the file."""

    class All:
        def collect(self) -> Iterator[Metric]:
            return (exposed(family_of(metric)) for metric in metrics)

    metrics = registry(backend for name in FIRST_PARTY for backend in Plugins().load(name))
    collected = CollectorRegistry()
    collected.register(All())
    labels = [f"{exported_name(metric)}{{{', '.join(metric.labels)}}}" for metric in metrics]
    written = "\n".join([*generate_latest(collected).decode().splitlines(), *labels, ""])
    drift = difflib.unified_diff(GOLDEN.read_text().splitlines(), written.splitlines(), "declared", "exported", n=0)
    assert "\n".join(drift) == ""


def test_a_scrape_calls_no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that is guarded and has never been connected: nothing is sent, nothing is admitted."""
    from openai import AsyncOpenAI
    from redis.asyncio import Redis
    from sqlalchemy.ext.asyncio import create_async_engine

    import switchgear_db
    import switchgear_openai
    import switchgear_redis

    gear = Switchgear()
    clients = (
        switchgear_redis.guard(Redis(port=1), gear, name="cache"),
        switchgear_openai.guard(AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:1"), gear, name="llm"),
        switchgear_db.guard(create_async_engine("postgresql+asyncpg://127.0.0.1:1/none"), gear, name="db"),
    )

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("a scrape has called a backend")

    with monkeypatch.context() as patch:
        for name in ("connect", "connect_ex", "send", "sendto", "sendall"):
            patch.setattr(socket.socket, name, forbidden)
        patch.setattr("switchgear._group.BreakerGroup.acquire", forbidden)
        patch.setattr("switchgear._circuit.CircuitBreaker.acquire_probe", forbidden)
        text, _ = render(gear)
    assert len(clients) == 3
    assert "switchgear_redis_pool_max" in families(text)
    assert {sample.labels["service"] for sample in families(text)["switchgear_breaker_state"].samples} == {
        "cache", "llm", "db",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_the_format_is_the_one_asked_for(accept: str, content_type: str) -> None:
    """And either says the same."""
    board = busy()
    text, said = render(board.gear, accept)
    assert said.partition("; escaping")[0] == content_type
    parse = parse_openmetrics if "openmetrics" in said else parse_text
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }
    calls = "switchgear_breaker_calls_total"
    assert samples[calls, ("domain", "a"), ("service", "other"), ("verdict", "success")] == 1
    assert samples["switchgear_toy_hits_total", ("kind", 'with "quotes"\n'), ("service", "it")] == 1
    assert samples["switchgear_toy_wait_seconds_bucket", ("le", "1.0"), ("service", "it")] == 1
    assert samples["switchgear_toy_remaining", ("service", "it")] == float("inf")


@needs_promtool
def test_promtool_accepts_it() -> None:
    """Names, types, units and help texts are as Prometheus wants them."""
    text, _ = render(busy().gear)
    assert promtool("check", "metrics", stdin=text.decode()) == ""


def test_durations_are_a_histogram() -> None:
    """Cumulative, by operation and verdict, with count and sum; none without `durations`."""
    board = Board("it")
    PrometheusObserver(board.gear, registry=CollectorRegistry())
    for seconds in (0.001, 0.25, 0.5, 100.0):
        board.call(seconds=seconds)
    board.call(verdict=Verdict.FAILURE)
    samples = families(render(board.gear)[0])["switchgear_breaker_call_duration_seconds"].samples
    served = {sample.labels.get("le", sample.name[40:]): sample.value for sample in samples
              if sample.labels["verdict"] == "success"}  # fmt: skip
    assert (served["0.0005"], served["0.001"], served["0.25"], served["60.0"], served["+Inf"]) == (0, 1, 2, 3, 4)
    assert {sample.labels["operation"] for sample in samples} == {"toy.get"}
    board = Board("it")
    PrometheusObserver(board.gear, registry=CollectorRegistry(), durations=False)
    board.call()
    assert not families(render(board.gear)[0])["switchgear_breaker_call_duration_seconds"].samples


def in_trace(number: int, *, sampled: bool) -> Any:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else 0)
    context = trace.SpanContext(number, 2, is_remote=False, trace_flags=flags)
    return trace.use_span(trace.NonRecordingSpan(context))


def test_a_bucket_shows_a_traced_call() -> None:
    """In OpenMetrics: one that is sampled, of those since the last scrape, and where it stood in the bucket."""
    board = Board("it")
    PrometheusObserver(board.gear, registry=CollectorRegistry())
    board.call(seconds=0.25)
    with in_trace(1, sampled=False):
        board.call(seconds=0.25)
    for number in (2, 3):
        with in_trace(number, sampled=True):
            board.call(seconds=0.125)
    assert exemplars(board) == {"0.25": (f"{2:032x}", 0.125)}
    with in_trace(4, sampled=True):
        board.call(seconds=0.25)
    assert exemplars(board) == {"0.25": (f"{4:032x}", 0.25)}
    assert b"trace_id" not in render(board.gear)[0]


def exemplars(board: Board) -> dict[str, tuple[str, float]]:
    parsed: Any = parse_openmetrics
    text, _ = render(board.gear, OPENMETRICS)
    samples = [sample for family in parsed(text.decode()) for sample in family.samples]
    return {
        sample.labels["le"]: (sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for sample in samples
        if sample.exemplar
    }


def test_the_usual_registry_or_one_given() -> None:
    """Beside the application's own metrics; the endpoint then shows these, too."""
    from prometheus_client import REGISTRY, Counter

    board = Board("it")
    observer = PrometheusObserver(board.gear)
    try:
        assert "switchgear_breaker_state" in families(generate_latest(REGISTRY))
    finally:
        observer.close()
    assert "switchgear_breaker_state" not in families(generate_latest(REGISTRY))
    own = CollectorRegistry()
    Counter("orders", "Orders.", registry=own).inc()
    PrometheusObserver(board.gear, registry=own)
    assert {"orders", "switchgear_breaker_state"} <= families(render(board.gear)[0]).keys()


def test_a_registry_exports_one_gear() -> None:
    """Two would be one another's duplicates; the second is refused in words, and does not listen on."""
    own, first, second = CollectorRegistry(), Board("it"), Board("it")
    PrometheusObserver(first.gear, registry=own)
    with pytest.raises(ConfigurationError, match="exports another Switchgear"):
        PrometheusObserver(second.gear, registry=own)
    assert not any(isinstance(observer, PrometheusObserver) for observer in second.gear.observers)


def test_rendering_makes_one_observer() -> None:
    """The first time; and whoever renders later finds it."""
    board = Board("it", config=BreakerConfig())
    render(board.gear)
    render(board.gear)
    assert sum(isinstance(observer, PrometheusObserver) for observer in board.gear.observers) == 1
