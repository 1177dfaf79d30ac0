"""One capability: what users get of it, and what may be to blame."""

from __future__ import annotations

from switchgear import _metrics as metrics
from switchgear._dashboards._overview import JOBS
from switchgear._dashboards._panels import (
    HEALTH,
    JOB,
    LEVEL_WORDS,
    LEVELS,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    gauge,
    rate,
    times,
)
from switchgear._metrics import selector

_THIS = 'capability="$capability"'
_LEVEL = gauge(metrics.LEVEL, _THIS)
_SCORE = gauge(metrics.HEALTH_SCORE, _THIS)
_CONFIDENCE = gauge(metrics.HEALTH_CONFIDENCE, _THIS)
_SERVICES = gauge(metrics.HEALTH_SCORE, 'service!=""', by="service")
_INHIBITED = gauge(metrics.INHIBITED, "", by="service", of="max")


def capability() -> Dashboard:
    """The board of one capability, with all services that are impaired: which it needs is no metric."""
    return Dashboard(
        uid="switchgear-capability",
        title="Switchgear: one capability",
        help="What users get, over all processes of an application; of several, the least.",
        variables=(JOBS, Variable("capability", "capability", selector(metrics.LEVEL, JOB))),
        rows=(_OFFERED, _TO_BLAME),
    )


_OFFERED = Row(
    "What users get",
    (
        Panel(title="Level", queries=(Query(_LEVEL, ""),), kind="number", colours=LEVELS, words=LEVEL_WORDS, width=4),
        Panel(title="Health", queries=(Query(_SCORE, ""),), kind="number", unit="percentunit", colours=HEALTH, width=4),
        Panel(
            title="Level over time",
            queries=(Query(_LEVEL, "level"),),
            kind="bands",
            colours=LEVELS,
            words=LEVEL_WORDS,
            width=16,
        ),
        Panel(
            title="Health over time",
            queries=(Query(_SCORE, "health"), Query(_CONFIDENCE, "confidence")),
            unit="percentunit",
            most=1.0,
            width=12,
        ),
        Panel(
            title="Changes of its level",
            queries=(
                Query(
                    times(metrics.LEVEL_CHANGES, _THIS, by="from, to, reason"),
                    "{{from}} to {{to}}: {{reason}}",
                ),
            ),
            width=12,
        ),
    ),
)

_TO_BLAME = Row(
    "Services that are impaired",
    (
        Panel(
            title="Health",
            queries=(Query(f"{_SERVICES} < 0.9", "{{service}}"),),
            kind="bands",
            unit="percentunit",
            colours=HEALTH,
            help="All that are not HEALTHY; `switchgear explain` says which of them limit it, and how.",
            width=12,
        ),
        Panel(
            title="... and to blame",
            queries=(Query(f"{_SERVICES} < 0.9 unless on (service) {_INHIBITED} == 1", "{{service}}"),),
            kind="bands",
            unit="percentunit",
            colours=HEALTH,
            help="Without those that suffer from another one.",
            width=12,
        ),
        Panel(
            title="Answered from elsewhere",
            queries=(Query(rate(metrics.FALLBACK_CALLS, "", by="service, source"), "{{service}}: {{source}}"),),
            unit="ops",
            width=12,
        ),
    ),
)
