"""All checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from switchgear.cli._validate import _configured as configured
from switchgear.cli._validate import _connected as connected
from switchgear.cli._validate import _drills as drills
from switchgear.cli._validate import _processes as processes
from switchgear.cli._validate import _times as times
from switchgear.cli._validate._check import Check, Finding, Outcome, Result
from switchgear.cli._validate._facts import Facts


def alert_rules(facts: Facts) -> Iterator[Finding]:
    """Prometheus would load the alerting and recording rules."""
    for file, problem in facts.rules.items():
        yield Finding(file, problem, told="promtool takes them")


CHECKS = (
    Check(Outcome.FAIL, configured.configuration),
    Check(Outcome.FAIL, configured.plugins),
    Check(Outcome.WARN, configured.plugin_interface),
    Check(Outcome.WARN, configured.secrets),
    Check(Outcome.FAIL, configured.metrics),
    Check(Outcome.FAIL, configured.recovery),
    Check(Outcome.WARN, configured.capabilities),
    Check(Outcome.WARN, configured.critical_capability),
    Check(Outcome.FAIL, configured.reach),
    Check(Outcome.WARN, configured.unused_services),
    Check(Outcome.FAIL, connected.connection),
    Check(Outcome.WARN, connected.server_version),
    Check(Outcome.WARN, connected.first_latency),
    Check(Outcome.WARN, connected.active_check),
    Check(Outcome.WARN, connected.permissions),
    Check(Outcome.FAIL, connected.plugin_functions),
    Check(Outcome.FAIL, connected.gauges),
    Check(Outcome.FAIL, times.finite_timeouts),
    Check(Outcome.WARN, times.slow_before_timeout),
    Check(Outcome.WARN, times.tolerated_before_slow),
    Check(Outcome.WARN, times.probes_have_time),
    Check(Outcome.WARN, times.window_holds_timeouts),
    Check(Outcome.FAIL, times.own_retries),
    Check(Outcome.FAIL, times.bounded_pool),
    Check(Outcome.WARN, times.pool_size),
    Check(Outcome.FAIL, alert_rules),
    Check(Outcome.FAIL, processes.endpoints),
    Check(Outcome.FAIL, processes.events),
    Check(Outcome.WARN, processes.same_version),
    Check(Outcome.FAIL, processes.same_services),
    Check(Outcome.FAIL, processes.same_capabilities),
    Check(Outcome.FAIL, processes.exported_metrics),
    Check(Outcome.FAIL, drills.well_before_drill),
    Check(Outcome.FAIL, drills.isolation),
    Check(Outcome.FAIL, drills.levels_fall),
    Check(Outcome.WARN, drills.no_cascade),
    Check(Outcome.FAIL, drills.liveness),
    Check(Outcome.FAIL, drills.readiness),
    Check(Outcome.FAIL, drills.told_in_metrics),
    Check(Outcome.FAIL, drills.closing),
    Check(Outcome.FAIL, drills.levels_return),
)


def judge(facts: Facts) -> list[Result]:
    """What follows from the facts."""
    return [result for check in CHECKS for result in check.results(facts)]
