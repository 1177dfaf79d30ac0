"""The registry of metrics: every name, type, unit, help text, label and bucket that is exported, declared once.

Exporters, rules, dashboards and the docs are made from it. Core's own metrics are here, a plugin's in its
`Backend.metrics`; of a plugin's "hits" is exported switchgear_<backend>_hits, with the label `service`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from switchgear._spec import Backend, Metric

_PREFIX = "switchgear"
_UCUM = {"": "", "seconds": "s", "bytes": "By", "ratio": "1"}

#: Seconds, from a cache's fraction of a millisecond to a language model's minute.
_DURATIONS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

CALLS = Metric(
    name="breaker_calls",
    kind="counter",
    help="Outcomes of admitted calls, by what they say about the backend.",
    labels=("service", "domain", "verdict"),
)
CALL_DURATION = Metric(
    name="breaker_call_duration",
    kind="histogram",
    unit="seconds",
    help="Time from admission to outcome; of streams, to their head.",
    labels=("service", "operation", "verdict"),
    buckets=_DURATIONS,
)
STATE = Metric(
    name="breaker_state",
    kind="gauge",
    help="1 for the state that the breaker is in, 0 for the others.",
    labels=("service", "domain", "state"),
)
IN_FLIGHT = Metric(
    name="breaker_in_flight",
    kind="gauge",
    help="Admitted calls without an outcome yet.",
    labels=("service", "domain"),
)
TRANSITIONS = Metric(
    name="breaker_transitions",
    kind="counter",
    help="Changes of a breaker's state.",
    labels=("service", "domain", "from", "to", "reason"),
)
SUPPRESSED = Metric(
    name="breaker_suppressed_trips",
    kind="counter",
    help="Times that a breaker in METRICS_ONLY would have opened.",
    labels=("service", "domain", "reason"),
)
NOT_PERMITTED = Metric(
    name="breaker_not_permitted",
    kind="counter",
    help="Refused calls, by the state that refused them; closed: while ramping up.",
    labels=("service", "domain", "reason"),
)
RETRY_ATTEMPTS = Metric(
    name="retry_attempts",
    kind="counter",
    help="Attempts after the first one of a call.",
    labels=("service",),
)
RETRY_DENIED = Metric(
    name="retry_denied",
    kind="counter",
    help="Attempts, hedges among them, that the retry budget did not pay for.",
    labels=("service",),
)
RETRY_BUDGET = Metric(
    name="retry_budget",
    kind="gauge",
    unit="ratio",
    help="How much of the retry budget is left; below one attempt's worth nothing is tried again.",
    labels=("service",),
    merged="min",
)
HEDGES = Metric(
    name="hedge_attempts",
    kind="counter",
    help="Second attempts beside calls that took long.",
    labels=("service",),
)
HEDGES_WON = Metric(
    name="hedge_wins",
    kind="counter",
    help="Second attempts that answered first.",
    labels=("service",),
)
BULKHEAD_IN_FLIGHT = Metric(
    name="bulkhead_in_flight",
    kind="gauge",
    help="Calls inside the bulkhead, fixed or adaptive.",
    labels=("service", "strategy"),
)
BULKHEAD_WAITING = Metric(
    name="bulkhead_waiting",
    kind="gauge",
    help="Calls that wait for a place in the bulkhead.",
    labels=("service", "strategy"),
)
BULKHEAD_LIMIT = Metric(
    name="bulkhead_limit",
    kind="gauge",
    help="Calls that may be inside the bulkhead at once; an adaptive one finds it out.",
    labels=("service", "strategy"),
)
LIMIT_REFUSED = Metric(
    name="limit_refused",
    kind="counter",
    help="Calls that a limit on this side refused, by the strategy that limits.",
    labels=("service", "strategy"),
)
SHED = Metric(
    name="shed_calls",
    kind="counter",
    help="Calls refused under pressure since others matter more; without a service, requests that were not begun.",
    labels=("service", "criticality"),
)
FALLBACK_CALLS = Metric(
    name="fallback_calls",
    kind="counter",
    help="Calls that were answered from elsewhere: an earlier result, a function or a value.",
    labels=("service", "source"),
)
FALLBACK_FAILURES = Metric(
    name="fallback_failures",
    kind="counter",
    help="Fallback functions that failed as well.",
    labels=("service",),
)
CHAOS_INJECTIONS = Metric(
    name="chaos_injections",
    kind="counter",
    help="Calls that chaos interfered with, by what it did.",
    labels=("service", "injection"),
)
HEALTH_SCORE = Metric(
    name="health_score",
    kind="gauge",
    unit="ratio",
    help="Health of a service, a capability, or with neither label of the application; 1 is healthy.",
    labels=("service", "capability"),
    merged="min",
)
HEALTH_CONFIDENCE = Metric(
    name="health_confidence",
    kind="gauge",
    unit="ratio",
    help="How much is known of that health; at 0 a score of 1 means nothing.",
    labels=("service", "capability"),
    merged="min",
)
LEVEL = Metric(
    name="degradation_level",
    kind="gauge",
    help="How much of a capability is offered: 4 FULL, 3 REDUCED, 2 FALLBACK, 1 MINIMAL, 0 OFF.",
    labels=("capability",),
    merged="min",
)
LEVEL_CHANGES = Metric(
    name="degradation_level_changes",
    kind="counter",
    help="Changes of a capability's level.",
    labels=("capability", "from", "to", "reason"),
)
INHIBITED = Metric(
    name="degradation_inhibited",
    kind="gauge",
    help="1 while what impairs the service is another one, which it requires.",
    labels=("service",),
    merged="min",
)
SELF_SUSPECTED = Metric(
    name="degradation_self_suspected",
    kind="gauge",
    help="Services that broke at once, so that this process or its network is suspected.",
)
LAG = Metric(
    name="loop_lag",
    kind="gauge",
    unit="seconds",
    help="How late the event loop was at its last heartbeat.",
)
PLUGIN_STATUS = Metric(
    name="plugin_status",
    kind="gauge",
    help="1 for the state that the plugin is in, 0 for the others.",
    labels=("plugin", "state"),
    merged="min",
)
OVERFLOW = Metric(
    name="telemetry_overflow",
    kind="counter",
    help="Readings that found no series of their own in a full family, and went to __overflow__.",
    labels=("family",),
)

CORE = (
    CALLS, CALL_DURATION, STATE, IN_FLIGHT, TRANSITIONS, SUPPRESSED, NOT_PERMITTED, RETRY_ATTEMPTS, RETRY_DENIED,
    RETRY_BUDGET, HEDGES, HEDGES_WON, BULKHEAD_IN_FLIGHT, BULKHEAD_WAITING, BULKHEAD_LIMIT, LIMIT_REFUSED,
    SHED, FALLBACK_CALLS, FALLBACK_FAILURES, CHAOS_INJECTIONS, HEALTH_SCORE, HEALTH_CONFIDENCE, LEVEL, LEVEL_CHANGES,
    INHIBITED, SELF_SUSPECTED, LAG, PLUGIN_STATUS, OVERFLOW,
)  # fmt: skip


def of_backend(backend: Backend[Any, Any]) -> tuple[Metric, ...]:
    """What a plugin's backend declares, with the backend in the name and the service among the labels."""
    return tuple(
        replace(metric, name=f"{backend.name}_{metric.name}", labels=("service", *metric.labels))
        for metric in backend.metrics
    )


def registry(backends: Iterable[Backend[Any, Any]] = ()) -> tuple[Metric, ...]:
    """Core's metrics and those of the backends."""
    return (*CORE, *(metric for backend in backends for metric in of_backend(backend)))


def dotted_name(metric: Metric) -> str:
    """The name under which OpenTelemetry knows it; its first word is a namespace. For Prometheus a Collector makes
    `exported_name` of it.
    """
    namespace, _, rest = metric.name.partition("_")
    return ".".join(filter(None, (_PREFIX, namespace, rest)))


def ucum(metric: Metric) -> str:
    """Its unit as OpenTelemetry writes it, by the code of that name; what is counted stands in braces there."""
    return _UCUM.get(metric.unit, f"{{{metric.unit}}}")


def exported_name(metric: Metric) -> str:
    """The name under which Prometheus knows it: prefix, name, unit, and _total for a counter."""
    named = f"{_PREFIX}_{metric.name}"
    if metric.unit and not named.endswith(f"_{metric.unit}"):
        named += f"_{metric.unit}"
    return f"{named}_total" if metric.kind == "counter" else named


def selector(metric: Metric, matchers: str = "", window: str = "") -> str:
    """Its series in a query of Prometheus: all, or those that match ('state="open"'), now or over a window ("5m")."""
    selected = exported_name(metric) + (f"{{{matchers}}}" if matchers else "")
    return f"{selected}[{window}]" if window else selected
