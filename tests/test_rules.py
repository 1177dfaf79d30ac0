"""Alerts: made of the registry, accepted by Prometheus, and raised for the service that is to be mended, not for its
children.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from switchgear import ConfigurationError
from switchgear._metrics import CORE, exported_name
from switchgear._rules import alerts, as_yaml, recorded
from tests.observers.promtool import needs_promtool, promtool

OBJECTIVE = 0.99
EXPORTED = {exported_name(metric): set(metric.labels) for metric in CORE}
#: What Prometheus adds to every series.
ADDED = {"job", "instance"}


@pytest.mark.parametrize(
    "expr",
    [*(rule.expr for rule in recorded()), *(alert.expr for alert in alerts(OBJECTIVE))],
    ids=lambda expr: expr.splitlines()[0][:60],
)
def test_rules_use_what_is_exported(expr: str) -> None:
    """Names and labels alike, or series that a rule before them has recorded."""
    known = EXPORTED | {rule.name: {"service"} for rule in recorded()}
    used = re.findall(r"\b((?:job_service:)?switchgear_[\w:]+)(?:\{([^}]*)\})?", expr)
    assert used
    for name, matchers in used:
        assert set(re.findall(r"(\w+)[=!]", matchers)) <= known[name]
    labels = set().union(*(known[name] for name, _ in used)) | ADDED
    for listed in re.findall(r"(?:by|on) \(([^)]*)\)", expr):
        assert set(listed.split(", ")) <= labels


def test_an_objective_has_to_leave_a_budget() -> None:
    """And no more than all."""
    for objective in (0.0, 1.0, 99.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError, match="objective: "):
            as_yaml(objective)
    assert "> 14.4 * 0.001\n" in as_yaml(0.999)


@needs_promtool
def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    """As a file, with every expression and every template in it."""
    file = tmp_path / "rules.yml"
    file.write_text(as_yaml(OBJECTIVE))
    assert f"SUCCESS: {len(recorded()) + len(alerts(OBJECTIVE))} rules found" in promtool("check", "rules", str(file))


# -- what they say ---------------------------------------------------------------------------------------------------


_FIRING = 'ALERTS{alertstate="firing"}'


class Scenario:
    """Series, one value a minute, and which alerts are told at which minute; all of them, and no others."""

    def __init__(self, tmp_path: Path) -> None:
        self._directory = tmp_path
        self._series: list[dict[str, str]] = []
        self._expected: list[dict[str, Any]] = []

    def series(self, name: str, values: str, **labels: str) -> None:
        assert set(labels) == EXPORTED[name]
        selector = ", ".join(
            f'{label}="{value}"' for label, value in {"job": "shop", "instance": "a", **labels}.items()
        )
        self._series.append({"series": f"{name}{{{selector}}}", "values": values})

    def breaker(self, service: str, values: str) -> None:
        """1 while it is open."""
        self.series("switchgear_breaker_state", values, service=service, domain="", state="open")

    def inhibited(self, service: str, values: str) -> None:
        """1 while another one is to blame."""
        self.series("switchgear_degradation_inhibited", values, service=service)

    def calls(self, service: str, verdict: str, values: str) -> None:
        self.series("switchgear_breaker_calls_total", values, service=service, domain="", verdict=verdict)

    def fires(self, minute: int, *told: str) -> None:
        """Each as "Alert severity service", or whatever it is about."""
        whom = f'label_join({_FIRING}, "whom", "", "service", "capability", "plugin", "family")'
        self._expected.append({
            "eval_time": f"{minute}m",
            "expr": f'count by (told) (label_join({whom}, "told", " ", "alertname", "severity", "whom")) * 0',
            "exp_samples": [{"labels": f'{{told="{one}"}}', "value": 0} for one in told],
        })  # fmt: skip

    def check(self) -> None:
        (self._directory / "rules.yml").write_text(as_yaml(OBJECTIVE))
        scenario = self._directory / "scenario.yml"
        test = {"interval": "1m", "input_series": self._series, "promql_expr_test": self._expected}
        scenario.write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}))
        promtool("test", "rules", str(scenario))


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path)


@needs_promtool
def test_of_two_open_breakers_the_root_cause_is_told(scenario: Scenario) -> None:
    """Search requires the database: while that is to blame, search is not told of, and after it, if it stays open."""
    scenario.breaker("db", "0x4 1x20 0x40")
    scenario.breaker("search", "0x4 1x40 0x20")
    scenario.inhibited("db", "0x64")
    scenario.inhibited("search", "0x4 1x20 0x40")
    scenario.fires(8)
    scenario.fires(11, "SwitchgearBreakerOpen page db")
    scenario.fires(24, "SwitchgearBreakerOpen page db")
    scenario.fires(26)
    scenario.fires(31, "SwitchgearBreakerOpen page search")
    scenario.fires(50)
    scenario.check()


@needs_promtool
def test_a_breaker_that_probes_in_vain_is_open(scenario: Scenario) -> None:
    """Half-open and open again, minute by minute: it has refused all the time."""
    scenario.breaker("db", "0 1 0 1 0 1 0 1 0 1 0 1")
    scenario.series("switchgear_breaker_state", "0 0 1 0 1 0 1 0 1 0 1 0", service="db", domain="", state="half_open")
    scenario.fires(5)
    scenario.fires(7, "SwitchgearBreakerOpen page db")
    scenario.check()


@needs_promtool
def test_refusals_do_not_hide_an_outage(scenario: Scenario) -> None:
    """Few calls reach a service that refuses nearly all: its share of failures is well, and it is told of all the
    same; another one that an operator has isolated is not.
    """
    for service, reason in (("db", "open"), ("files", "forced_open")):
        scenario.calls(service, "success", "0+10x30")
        scenario.calls(service, "failure", "0x30")
        scenario.series("switchgear_breaker_not_permitted_total", "0+600x30", service=service, domain="", reason=reason)
    scenario.fires(1)
    scenario.fires(5, "SwitchgearRefusals page db")
    scenario.check()


@needs_promtool
def test_a_burning_budget_pages(scenario: Scenario) -> None:
    """A fifth of the calls of two services fails; one is to blame, and the page is for it. A third is too quiet to say
    anything of.
    """
    for service in ("db", "search"):
        scenario.calls(service, "success", "0+80x400")
        scenario.calls(service, "failure", "0+20x60 1200x340")
    scenario.calls("rare", "failure", "0+1x10 10x390")
    scenario.inhibited("search", "1x400")
    scenario.fires(30, "SwitchgearErrorBudgetBurn page db", "SwitchgearErrorBudgetBurn ticket db")
    scenario.fires(70, "SwitchgearErrorBudgetBurn page db", "SwitchgearErrorBudgetBurn ticket db")
    scenario.fires(300, "SwitchgearErrorBudgetBurn ticket db")
    scenario.check()


@needs_promtool
def test_what_else_is_told(scenario: Scenario) -> None:
    """Flapping, retry budgets, low health, lost capabilities, broken plugins, full families, forgotten orders."""
    every = "0x9 1x400"
    scenario.series("switchgear_breaker_transitions_total", "0x9 0+1x400", service="db", domain="",
                    **{"from": "closed", "to": "open", "reason": "failure_rate"})  # fmt: skip
    scenario.series("switchgear_retry_denied_total", "0x9 0+5x400", service="db")
    scenario.series("switchgear_health_score_ratio", "1x9 0.3x400", service="db", capability="")
    scenario.series("switchgear_degradation_level", "4x9 1x400", capability="shop")
    scenario.series("switchgear_plugin_status", every, plugin="redis", state="broken")
    scenario.series("switchgear_plugin_status", every, plugin="acme", state="blocked")  # as somebody wanted it
    scenario.series("switchgear_telemetry_overflow_total", every, family="f")
    scenario.series("switchgear_breaker_state", every, service="db", domain="", state="disabled")
    scenario.fires(9)
    soon = (
        "SwitchgearBreakerFlapping ticket db",
        "SwitchgearRetryBudgetExhausted ticket db",
        "SwitchgearHealthLow ticket db",
        "SwitchgearCapabilityLost page shop",
        "SwitchgearPluginBroken ticket redis",
        "SwitchgearSeriesOverflow ticket f",
    )
    scenario.fires(30, *soon)
    scenario.fires(300, *soon, "SwitchgearCapabilityReduced ticket shop", "SwitchgearOrderForgotten ticket db")
    scenario.check()
