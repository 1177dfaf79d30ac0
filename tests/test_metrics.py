"""The registry of metrics: one name, unit, help text and set of labels for each, by rules that hold for all."""

from __future__ import annotations

import re
from typing import Any

import pytest

from switchgear._histogram import Histogram
from switchgear._metrics import CORE, exported_name, of_backend, registry
from switchgear._plugins import FIRST_PARTY, Plugins
from switchgear._spec import CLOSED_LABELS, Metric
from switchgear.spi import Backend
from tests.backends import backend_of

BACKENDS: list[Backend[Any, Any]] = [backend for name in FIRST_PARTY for backend in Plugins().load(name)]
ALL = registry(BACKENDS)
#: Labels whose values come from calls.
OPEN_LABELS = {"domain", "operation"}


@pytest.mark.parametrize("metric", ALL, ids=exported_name)
def test_a_declaration_keeps_the_rules(metric: Metric) -> None:
    """A name without prefix, unit and suffix; a help text that is a sentence; buckets for histograms alone."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", metric.name)
    assert not metric.name.startswith("switchgear")
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket", "_seconds", "_ratio"))
    assert metric.unit in {"", "seconds", "bytes", "ratio", "tokens"}
    assert re.fullmatch(r"[A-Z0-9].*\.", metric.help)
    assert len(set(metric.labels)) == len(metric.labels)
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.merged == "sum" or metric.kind == "gauge"


#: What the design (9) names, of core and of each plugin.
NAMED = """
    breaker_calls_total breaker_call_duration_seconds breaker_state breaker_transitions_total
    breaker_not_permitted_total bulkhead_in_flight retry_attempts_total retry_budget_ratio health_score_ratio
    health_confidence_ratio degradation_level fallback_calls_total plugin_status
    redis_hits_total redis_misses_total redis_pool_in_use redis_pool_idle redis_pool_max redis_pipeline_commands
    s3_bytes_total s3_object_size_bytes s3_multipart_parts_total s3_uploads_in_progress
    openai_tokens_total openai_time_to_first_chunk_seconds openai_chunk_gap_seconds openai_remaining_requests
    openai_remaining_tokens
    db_pool_in_use db_pool_idle db_pool_max db_transactions_total db_rows_total
"""


@pytest.mark.parametrize("name", NAMED.split())
def test_what_the_design_names_is_there(name: str) -> None:
    """Operators are promised these: the origin's five of redis and six of S3 are among them, by service."""
    assert f"switchgear_{name}" in {exported_name(metric) for metric in ALL}


def test_names_are_told_apart() -> None:
    """By whichever of core and the four plugins they are declared."""
    names = [exported_name(metric) for metric in ALL]
    assert sorted(set(names)) == sorted(names)


def test_labels_of_core_are_closed_but_for_those_that_calls_bring() -> None:
    """So a full family keeps telling verdicts and states apart."""
    assert {label for metric in CORE for label in metric.labels} == CLOSED_LABELS | OPEN_LABELS


def test_a_plugin_is_in_the_name_and_the_service_in_the_labels() -> None:
    """Whatever the plugin is called, and without a word of it in its own declaration."""
    [metric] = of_backend(backend_of(name="toy"))
    assert exported_name(metric) == "switchgear_toy_hits_total"
    assert metric.labels == ("service",)
    for backend in BACKENDS:
        assert [metric.name for metric in backend.metrics if metric.name.startswith(backend.name)] == []


@pytest.mark.parametrize(
    ("kind", "unit", "name"),
    [
        ("counter", "", "switchgear_it_total"),
        ("counter", "bytes", "switchgear_it_bytes_total"),
        ("gauge", "", "switchgear_it"),
        ("gauge", "ratio", "switchgear_it_ratio"),
        ("histogram", "seconds", "switchgear_it_seconds"),
        ("gauge", "it", "switchgear_it"),
    ],
)
def test_units_and_suffixes_are_added_to_names(kind: str, unit: str, name: str) -> None:
    """The unit once, also where the name says it; then _total for what only grows."""
    metric = Metric(name="it", kind=kind, unit=unit, help="It.")  # type: ignore[arg-type]
    assert exported_name(metric) == name


def test_a_histogram_counts_by_size() -> None:
    """A bound belongs to its bucket, as Prometheus has it; a copy changes no more."""
    histogram = Histogram((1.0, 2.0))
    assert [histogram.observe(value) for value in (0.5, 1.0, 1.5, 2.0, 2.5)] == [0, 0, 1, 1, 2]
    copied = histogram.copy()
    histogram.add(copied)
    assert (copied.counts, copied.sum) == ([2, 2, 1], 7.5)
    assert (histogram.counts, histogram.sum) == ([4, 4, 2], 15.0)
