"""All services of an application: is it well, what do users get, and which service is to blame."""

from __future__ import annotations

from switchgear import _metrics as metrics
from switchgear._dashboards._panels import (
    HEALTH,
    JOB,
    LEVEL_WORDS,
    LEVELS,
    NONE,
    Colours,
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
from switchgear._metrics import selector

_BAD = 'verdict=~"failure|throttled|exhausted"'
_REACHED = 'verdict!="ignored"'
_REFUSING = 'state=~"open|half_open|forced_open"'

#: The processes of an application; on every board.
JOBS = Variable("job", "job", selector(metrics.HEALTH_SCORE), several=True)


def overview() -> Dashboard:
    """The board to begin with."""
    return Dashboard(
        uid="switchgear-overview",
        title="Switchgear: overview",
        help="All services and capabilities of an application, over all its processes.",
        variables=(JOBS,),
        rows=(_NOW, _OFFERED, _SERVICES, _ITSELF),
    )


def _number(title: str, expr: str, *, unit: Unit = "short", colours: Colours | None = None) -> Panel:
    return Panel(title=title, queries=(Query(expr, ""),), kind="number", unit=unit, width=4, colours=colours or {})


_NOW = Row(
    "Now",
    (
        _number("Health", gauge(metrics.HEALTH_SCORE, 'service="", capability=""'), unit="percentunit", colours=HEALTH),
        _number(
            "Capabilities not FULL",
            f"count({gauge(metrics.LEVEL, '', by='capability')} < 4) or vector(0)",
            colours=NONE,
        ),
        _number(
            "Breakers that refuse",
            f"count({gauge(metrics.STATE, _REFUSING, by='service, domain')} > 0) or vector(0)",
            colours=NONE,
        ),
        _number("Calls", rate(metrics.CALLS, ""), unit="ops"),
        _number("Failed", f"{rate(metrics.CALLS, _BAD)} / {rate(metrics.CALLS, _REACHED)}", unit="percentunit"),
        _number("Refused", rate(metrics.NOT_PERMITTED, ""), unit="ops"),
    ),
)

_OFFERED = Row(
    "What users get",
    (
        Panel(
            title="Levels",
            queries=(Query(gauge(metrics.LEVEL, "", by="capability"), "{{capability}}"),),
            kind="bands",
            colours=LEVELS,
            words=LEVEL_WORDS,
            help="How much of each capability is offered; of several processes, the least.",
            width=12,
        ),
        Panel(
            title="Health of services",
            queries=(Query(gauge(metrics.HEALTH_SCORE, 'service!=""', by="service"), "{{service}}"),),
            kind="bands",
            unit="percentunit",
            colours=HEALTH,
            width=12,
        ),
        Panel(
            title="Suffers from another service",
            queries=(Query(gauge(metrics.INHIBITED, "", by="service", of="max"), "{{service}}"),),
            kind="bands",
            colours={None: "transparent", 1.0: "purple"},
            words={0: "no", 1: "yes"},
            help="What impairs it is a service that it requires: mend that one.",
            width=12,
        ),
        Panel(
            title="Changes of levels",
            queries=(Query(times(metrics.LEVEL_CHANGES, "", by="capability, to"), "{{capability}} to {{to}}"),),
            width=12,
        ),
    ),
)

_SERVICES = Row(
    "Services",
    (
        Panel(title="Calls", queries=(Query(rate(metrics.CALLS, "", by="service"), "{{service}}"),), unit="ops"),
        Panel(
            title="Failed",
            queries=(
                Query(
                    f"{rate(metrics.CALLS, _BAD, by='service')} / {rate(metrics.CALLS, _REACHED, by='service')}",
                    "{{service}}",
                ),
            ),
            unit="percentunit",
            most=1.0,
            help="Of the calls that reached the backend. An open breaker lets none through: see also what is refused.",
        ),
        Panel(
            title="Refused",
            queries=(
                Query(rate(metrics.NOT_PERMITTED, "", by="service"), "{{service}}"),
                Query(rate(metrics.SHED, "", by="service, criticality"), "{{service}} shed: {{criticality}}"),
            ),
            help="By breakers, and under pressure since others matter more; without a service, requests not begun.",
            unit="ops",
        ),
        Panel(
            title="95 % of calls take at most",
            queries=(Query(quantile(0.95, metrics.CALL_DURATION, "", by="service"), "{{service}}"),),
            unit="s",
        ),
        Panel(
            title="Breakers that are not closed",
            queries=(
                Query(
                    gauge(metrics.STATE, 'state!="closed"', by="service, domain, state"),
                    "{{service}}[{{domain}}] {{state}}",
                ),
            ),
            help="In how many processes.",
        ),
        Panel(
            title="Transitions",
            queries=(
                Query(
                    times(metrics.TRANSITIONS, "", by="service, to, reason"),
                    "{{service}} to {{to}}: {{reason}}",
                ),
            ),
        ),
    ),
)

_ITSELF = Row(
    "The processes themselves",
    (
        Panel(
            title="Event loop late by",
            queries=(Query(f"max by (instance) ({selector(metrics.LAG, JOB)})", "{{instance}}"),),
            unit="s",
        ),
        Panel(
            title="Suspect themselves",
            queries=(Query(f"max by (instance) ({selector(metrics.SELF_SUSPECTED, JOB)})", "{{instance}}"),),
            help="How many services broke at once there, so that the process or its network may be the cause.",
        ),
        Panel(
            title="Plugins that are not active",
            queries=(
                Query(
                    gauge(metrics.PLUGIN_STATUS, 'state!="active"', by="plugin, state", of="max"),
                    "{{plugin}} {{state}}",
                ),
            ),
        ),
        Panel(
            title="Readings without a series of their own",
            queries=(Query(times(metrics.OVERFLOW, "", by="family"), "{{family}}"),),
            help="Families with more than 200 series; what comes later is counted together.",
        ),
    ),
    folded=True,
)
