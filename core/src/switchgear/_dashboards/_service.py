"""One service: how it is, what its breakers do, what stands round its calls, and what its plugin tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from switchgear import _metrics as metrics
from switchgear._dashboards._overview import JOBS
from switchgear._dashboards._panels import (
    HEALTH,
    JOB,
    Dashboard,
    Panel,
    Query,
    Row,
    Unit,
    Variable,
    gauge,
    quantile,
    rate,
    times,
)
from switchgear._metrics import of_backend, selector
from switchgear._spec import Backend, Metric

_THIS = 'service="$service"'
_UNITS: dict[str, Unit] = {"seconds": "s", "ratio": "percentunit", "bytes": "bytes"}


def service(backends: Iterable[Backend[Any, Any]]) -> Dashboard:
    """The board of one service. A backend's row has values where the service is of that backend."""
    return Dashboard(
        uid="switchgear-service",
        title="Switchgear: one service",
        help="A service, over all processes of an application.",
        variables=(JOBS, Variable("service", "service", selector(metrics.STATE, JOB))),
        rows=(_HEALTH, _CALLS, _BREAKERS, _PIPELINE, *map(_of_backend, backends)),
    )


def _lines(
    title: str, *queries: tuple[str, str], unit: Unit = "short", about: str = "", most: float | None = None
) -> Panel:
    return Panel(title=title, queries=tuple(Query(*query) for query in queries), unit=unit, help=about, most=most)


_HEALTH = Row(
    "Health",
    (
        Panel(
            title="Health",
            queries=(Query(gauge(metrics.HEALTH_SCORE, _THIS), ""),),
            kind="number",
            unit="percentunit",
            colours=HEALTH,
            width=4,
        ),
        Panel(
            title="Confidence",
            queries=(Query(gauge(metrics.HEALTH_CONFIDENCE, _THIS), ""),),
            kind="number",
            unit="percentunit",
            help="How much is known; without calls, nothing is.",
            width=4,
        ),
        Panel(
            title="Suffers from another service",
            queries=(Query(gauge(metrics.INHIBITED, _THIS, of="max"), ""),),
            kind="number",
            words={0: "no", 1: "yes"},
            width=4,
        ),
        Panel(
            title="Health over time",
            queries=(
                Query(gauge(metrics.HEALTH_SCORE, _THIS), "health"),
                Query(gauge(metrics.HEALTH_CONFIDENCE, _THIS), "confidence"),
            ),
            unit="percentunit",
            most=1.0,
            width=12,
        ),
    ),
)

_CALLS = Row(
    "Calls",
    (
        _lines("Outcomes", (rate(metrics.CALLS, _THIS, by="verdict"), "{{verdict}}"), unit="ops"),
        _lines("Refused", (rate(metrics.NOT_PERMITTED, _THIS, by="reason"), "{{reason}}"), unit="ops"),
        _lines("In flight", (gauge(metrics.IN_FLIGHT, _THIS, by="domain"), "[{{domain}}]")),
        _lines(
            "Latency",
            *(
                (quantile(share, metrics.CALL_DURATION, f'{_THIS}, verdict="success"'), f"{share:.0%}")
                for share in (0.5, 0.95, 0.99)
            ),
            unit="s",
            about="Of calls that were served; of streams, to their head.",
        ),
        _lines(
            "95 % take at most",
            (quantile(0.95, metrics.CALL_DURATION, _THIS, by="operation"), "{{operation}}"),
            unit="s",
        ),
    ),
)

_BREAKERS = Row(
    "Breakers",
    (
        _lines(
            "Not closed",
            (gauge(metrics.STATE, f'{_THIS}, state!="closed"', by="domain, state"), "[{{domain}}] {{state}}"),
            about="In how many processes. Without a domain: the service as a whole.",
        ),
        _lines(
            "Transitions",
            (
                times(metrics.TRANSITIONS, _THIS, by="domain, from, to, reason"),
                "[{{domain}}] {{from}} to {{to}}: {{reason}}",
            ),
        ),
        _lines(
            "Would have opened",
            (times(metrics.SUPPRESSED, _THIS, by="domain, reason"), "[{{domain}}] {{reason}}"),
            about="While METRICS_ONLY.",
        ),
    ),
)

_PIPELINE = Row(
    "Round the calls",
    (
        _lines(
            "Further attempts",
            (rate(metrics.RETRY_ATTEMPTS, _THIS), "retries"),
            (rate(metrics.HEDGES, _THIS), "hedges"),
            (rate(metrics.HEDGES_WON, _THIS), "hedges that won"),
            (rate(metrics.RETRY_DENIED, _THIS), "not paid for"),
            unit="ops",
        ),
        _lines("Retry budget left", (gauge(metrics.RETRY_BUDGET, _THIS), "budget"), unit="percentunit", most=1.0),
        _lines(
            "Bulkhead",
            (gauge(metrics.BULKHEAD_IN_FLIGHT, _THIS, by="strategy"), "{{strategy}}: inside"),
            (gauge(metrics.BULKHEAD_WAITING, _THIS, by="strategy"), "{{strategy}}: waiting"),
            (gauge(metrics.BULKHEAD_LIMIT, _THIS, by="strategy"), "{{strategy}}: limit"),
        ),
        _lines(
            "Refused by limits",
            (rate(metrics.LIMIT_REFUSED, _THIS, by="strategy"), "{{strategy}}"),
            (rate(metrics.SHED, _THIS, by="criticality"), "shed: {{criticality}}"),
            unit="ops",
        ),
        _lines(
            "Answered from elsewhere",
            (rate(metrics.FALLBACK_CALLS, _THIS, by="source"), "{{source}}"),
            (rate(metrics.FALLBACK_FAILURES, _THIS), "failed, too"),
            unit="ops",
        ),
        _lines("Chaos", (rate(metrics.CHAOS_INJECTIONS, _THIS, by="injection"), "{{injection}}"), unit="ops"),
    ),
    folded=True,
)


def _of_backend(backend: Backend[Any, Any]) -> Row:
    return Row(f"Plugin: {backend.name}", tuple(_of_metric(metric) for metric in of_backend(backend)), folded=True)


def _of_metric(metric: Metric) -> Panel:
    """What a plugin's metric is, as its declaration says."""
    labels = metric.labels[1:]
    name = metric.name.partition("_")[2].replace("_", " ")
    by, legend = ", ".join(labels), " ".join(f"{{{{{label}}}}}" for label in labels) or name
    title, unit = name.capitalize(), _UNITS.get(metric.unit, "short")
    if metric.kind == "gauge":
        return _lines(title, (gauge(metric, _THIS, by=by), legend), unit=unit, about=metric.help)
    if metric.kind == "counter":
        rated = rate(metric, _THIS, by=by), legend
        return _lines(title, rated, unit="Bps" if unit == "bytes" else "ops", about=metric.help)
    shares = ((quantile(share, metric, _THIS, by=by), f"{legend} {share:.0%}") for share in (0.5, 0.95))
    return _lines(title, *shares, unit=unit, about=metric.help)
