"""What the strategies round a service's calls have counted, in the registry's names."""

from __future__ import annotations

from collections.abc import Iterator

from switchgear import _metrics as metrics
from switchgear._pipeline import Strategy
from switchgear._spec import Metric
from switchgear.observers._family import Labels

_BULKHEAD = {
    "in_flight": metrics.BULKHEAD_IN_FLIGHT,
    "waiting": metrics.BULKHEAD_WAITING,
    "limit": metrics.BULKHEAD_LIMIT,
    "refused": metrics.LIMIT_REFUSED,
}
#: What a strategy of ours calls it -> the metric. Those of a plugin's strategies are not known here.
_KNOWN: dict[str, dict[str, Metric]] = {
    "retry": {
        "retries": metrics.RETRY_ATTEMPTS,
        "denied": metrics.RETRY_DENIED,
        "budget": metrics.RETRY_BUDGET,
    },
    "hedge": {
        "hedges": metrics.HEDGES,
        "won": metrics.HEDGES_WON,
        "denied": metrics.RETRY_DENIED,
        "budget": metrics.RETRY_BUDGET,
    },
    "bulkhead": _BULKHEAD,
    "adaptive": _BULKHEAD,
    "ratelimit": {"refused": metrics.LIMIT_REFUSED},
    "throttle": {"refused": metrics.LIMIT_REFUSED},
    "fallback": {
        "stale": metrics.FALLBACK_CALLS,
        "function": metrics.FALLBACK_CALLS,
        "value": metrics.FALLBACK_CALLS,
        "failed": metrics.FALLBACK_FAILURES,
    },
    "chaos": dict.fromkeys(
        ("fault", "latency", "outcome", "behaviour", "stream_cut", "pool_starve"), metrics.CHAOS_INJECTIONS
    ),
}


def counted(strategy: Strategy, service: str) -> Iterator[tuple[Metric, Labels, float]]:
    """Metric, labels and value of all that one strategy has counted."""
    counts = strategy.counts()
    for what, metric in _KNOWN.get(strategy.name, {}).items():
        if what not in counts:
            continue
        if "strategy" in metric.labels:  # a service may have both a bulkhead and an adaptive one
            labels: Labels = service, strategy.name
        elif metric in {metrics.FALLBACK_CALLS, metrics.CHAOS_INJECTIONS}:
            labels = service, what
        else:
            labels = (service,)
        yield metric, labels, counts[what]
