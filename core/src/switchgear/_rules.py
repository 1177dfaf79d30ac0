"""Recording and alerting rules for Prometheus, made of the registry of metrics.

Failures are counted of the calls that reached a backend, so an open breaker, which lets none through, makes the share
of failures look well: hence the alerts on breakers that stay open and on refusals. What another service is to blame for
raises no alert of its own; the alert of the one to mend is enough.

Sums are by job and service (or capability), over all processes of an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from switchgear import _metrics as metrics
from switchgear._errors import ConfigurationError
from switchgear._metrics import selector


class Recorded(NamedTuple):
    """A series that Prometheus computes."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`for_` is how long the condition has to hold. Severity "page" wakes somebody, "ticket" waits for the morning."""

    name: str
    expr: str
    for_: str = "0m"
    severity: str = "ticket"
    window: str = ""  # tells apart those of one name
    summary: str
    description: str

    @property
    def labels(self) -> dict[str, str]:
        """What Alertmanager routes by, beside the labels of the series."""
        return {"severity": self.severity, **({"window": self.window} if self.window else {})}


class Burn(NamedTuple):
    """A budget spent this many times too fast, over the long window and still over the short one."""

    times: float
    long: str
    short: str
    severity: str


#: As the SRE workbook has them: 2 % of a month's budget in an hour, 5 % in six, 10 % in a day, 10 % in three.
_BURNS = (
    Burn(14.4, "1h", "5m", "page"),
    Burn(6, "6h", "30m", "page"),
    Burn(3, "1d", "2h", "ticket"),
    Burn(1, "3d", "6h", "ticket"),
)
#: A share of fewer calls than this says nothing; it is what breakers wait for, too.
_ENOUGH = 20

_BY_SERVICE = "sum by (job, service)"
_BAD = 'verdict=~"failure|throttled|exhausted"'
_REACHED = 'verdict!="ignored"'


def _failures(window: str) -> str:
    """The name of the recorded share of calls that failed."""
    return f"job_service:switchgear_breaker_failures:ratio_rate{window}"


_REFUSALS = "job_service:switchgear_breaker_refusals:ratio_rate5m"

#: Services for whose troubles another one is to blame.
_NOT_INHIBITED = f"unless on (job, service)\n  max by (job, service) ({selector(metrics.INHIBITED)}) == 1"


def recorded() -> tuple[Recorded, ...]:
    """The shares of calls that failed, over every window that an alert looks at, and of those that were refused."""
    windows = sorted({window for burn in _BURNS for window in (burn.long, burn.short)}, key=_seconds)
    shares = [
        Recorded(
            _failures(window),
            f"{_BY_SERVICE} (rate({selector(metrics.CALLS, _BAD, window)}))\n"
            f"/\n{_BY_SERVICE} (rate({selector(metrics.CALLS, _REACHED, window)}))",
        )
        for window in windows
    ]
    # What an operator refuses is refused on purpose.
    itself = 'reason!="forced_open"'
    refused = f"{_BY_SERVICE} (rate({selector(metrics.NOT_PERMITTED, itself, '5m')}))"
    admitted = f"{_BY_SERVICE} (rate({selector(metrics.CALLS, window='5m')}))"
    return (*shares, Recorded(_REFUSALS, f"{refused}\n/\n(\n  {refused}\n  + {admitted}\n)"))


def alerts(objective: float) -> tuple[Alert, ...]:
    """All alerts. `objective` is the share of calls that have to be served, 0..1.

    Raises ConfigurationError for an objective that leaves no budget, or nothing else.
    """
    if not 0 < objective < 1:
        raise ConfigurationError(f"{objective!r} is no share of calls to serve. Give it like 0.99.", key="objective")
    budget = round(1 - objective, 9)
    return (*(_burning(burn, budget) for burn in _BURNS), *_OTHERS)


def _burning(burn: Burn, budget: float) -> Alert:
    limit = f"{burn.times:g} * {budget:g}"
    enough = f"{_BY_SERVICE} (increase({selector(metrics.CALLS, _REACHED, burn.long)})) >= {_ENOUGH}"
    return Alert(
        name="SwitchgearErrorBudgetBurn",
        expr=f"{_failures(burn.long)} > {limit}\nand {_failures(burn.short)} > {limit}\nand {enough}\n{_NOT_INHIBITED}",
        severity=burn.severity,
        window=burn.long,
        summary="{{ $labels.service }} fails {{ $value | humanizePercentage }} of its calls",
        description=f"Over {burn.long} and still over {burn.short} it spends its error budget {burn.times:g} times "
        "too fast. `switchgear explain {{ $labels.service }}` has the last causes.",
    )


def _in_state(states: str) -> str:
    matching = selector(metrics.STATE, f'state=~"{states}"')
    return f"sum by (job, service, domain) ({matching}) > 0"


_OTHERS = (
    Alert(
        name="SwitchgearBreakerOpen",
        expr=f"{_in_state('open|half_open')}\n{_NOT_INHIBITED}",
        for_="5m",
        severity="page",
        summary="{{ $labels.service }}[{{ $labels.domain }}] has been refusing calls for five minutes",
        description="In {{ $value }} processes, through all probes since. `switchgear explain {{ $labels.service }}` "
        "says why, and what will close it.",
    ),
    Alert(
        name="SwitchgearRefusals",
        expr=f"{_REFUSALS} > 0.5\n{_NOT_INHIBITED}",
        for_="2m",
        severity="page",
        summary="{{ $labels.service }} refuses {{ $value | humanizePercentage }} of its calls",
        description="Calls that are refused do not fail: its share of failures looks well while it is out.",
    ),
    Alert(
        name="SwitchgearBreakerFlapping",
        expr=f"""sum by (job, service, domain) (increase({selector(metrics.TRANSITIONS, 'to="open"', "15m")})) >= 5
{_NOT_INHIBITED}""",
        summary="{{ $labels.service }}[{{ $labels.domain }}] opens again and again",
        description="Five times or more in a quarter of an hour: it passes its probes and fails under load. A longer "
        "ramp or a lower limit of concurrency would keep it up.",
    ),
    Alert(
        name="SwitchgearRetryBudgetExhausted",
        expr=f"{_BY_SERVICE} (rate({selector(metrics.RETRY_DENIED, window='5m')})) > 0",
        for_="5m",
        summary="{{ $labels.service }} would retry more than its budget pays for",
        description="More than a fifth of its calls want another attempt; the budget keeps that from making it worse.",
    ),
    Alert(
        name="SwitchgearHealthLow",
        expr=f"""min by (job, service) ({selector(metrics.HEALTH_SCORE, 'service!=""')}) < 0.4\n{_NOT_INHIBITED}""",
        for_="5m",
        summary="{{ $labels.service }} is unhealthy ({{ $value | humanizePercentage }})",
        description="`switchgear health {{ $labels.service }}` says what limits it.",
    ),
    Alert(
        name="SwitchgearCapabilityLost",
        expr=f"min by (job, capability) ({selector(metrics.LEVEL)}) <= 1",
        for_="1m",
        severity="page",
        summary="Users get little or nothing of {{ $labels.capability }}",
        description="Its level is MINIMAL (1) or OFF (0): {{ $value }}. `switchgear explain {{ $labels.capability }}`.",
    ),
    Alert(
        name="SwitchgearCapabilityReduced",
        expr=f"min by (job, capability) ({selector(metrics.LEVEL)}) < 4",
        for_="30m",
        summary="Users have been doing without part of {{ $labels.capability }} for half an hour",
        description="Its level is below FULL (4): {{ $value }}. `switchgear explain {{ $labels.capability }}`.",
    ),
    Alert(
        name="SwitchgearOrderForgotten",
        expr=_in_state("forced_open|disabled|metrics_only"),
        for_="4h",
        summary="An operator's order still holds on {{ $labels.service }}[{{ $labels.domain }}]",
        description="For four hours in {{ $value }} processes. `switchgear close {{ $labels.service }}` ends it.",
    ),
    Alert(
        name="SwitchgearSelfSuspected",
        expr=f"max by (job, instance) ({selector(metrics.SELF_SUSPECTED)}) > 0",
        for_="1m",
        summary="{{ $labels.instance }} suspects itself",
        description="{{ $value }} of its services broke at once. Look at this process, its event loop and its network "
        "before the services.",
    ),
    Alert(
        name="SwitchgearPluginBroken",
        expr=f"""max by (job, plugin, state) ({selector(metrics.PLUGIN_STATUS, 'state!~"active|blocked"')}) > 0""",
        for_="5m",
        summary="The plugin {{ $labels.plugin }} is {{ $labels.state }}",
        description="`switchgear plugins` says why, and what to do.",
    ),
    Alert(
        name="SwitchgearSeriesOverflow",
        expr=f"max by (job, family) ({selector(metrics.OVERFLOW)}) > 0",
        summary="{{ $labels.family }} has more series than it may have",
        description="Readings of further domains or operations go to __overflow__; sums by service stay true.",
    ),
)


def as_yaml(objective: float) -> str:
    """A file of rules for Prometheus. Raises as `alerts` does."""
    lines = ["# Made by `switchgear rules`. To change them, make a file of your own beside it.", "groups:"]
    lines += ["  - name: switchgear_recorded", "    rules:"]
    for rule in recorded():
        lines += [f"      - record: {rule.name}", *_block("expr", rule.expr)]
    lines += ["  - name: switchgear_alerts", "    rules:"]
    for alert in alerts(objective):
        labels = ", ".join(f"{name}: {value}" for name, value in alert.labels.items())
        lines += [
            f"      - alert: {alert.name}",
            *_block("expr", alert.expr),
            f"        for: {alert.for_}",
            f"        labels: {{{labels}}}",
            "        annotations:",
            f"          summary: {_quoted(alert.summary)}",
            f"          description: {_quoted(alert.description)}",
        ]
    return "\n".join([*lines, ""])


def _block(key: str, text: str) -> list[str]:
    return [f"        {key}: |-", *(f"          {line}" for line in text.splitlines())]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _seconds(window: str) -> int:
    return int(window[:-1]) * {"m": 60, "h": 3600, "d": 86400}[window[-1]]
