"""Writes the parts of the docs that are drawn from the code: `python -m docs.generate`, or `--check` for drift."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from docs.hooks import plugin_interface
from switchgear import Reason, State
from switchgear._metrics import CORE, exported_name, of_backend
from switchgear._plugins import FIRST_PARTY, Plugins
from switchgear._rules import Alert, alerts
from switchgear._spec import Metric
from switchgear.cli._app import app
from switchgear.cli._validate._table import CHECKS
from switchgear.lowlevel import OPERATIONS, TRANSITIONS

DOCS = Path(__file__).parent

WHY = {
    Reason.FAILURE_RATE: "the share of bad calls in the window has reached its threshold",
    Reason.SLOW_CALL_RATE: "the share of slow calls has, those in flight for too long included",
    Reason.CONSECUTIVE_FAILURES: "so many calls in a row have failed",
    Reason.THROTTLED: "the backend asked to wait for a time",
    Reason.EXHAUSTED: "the backend will not serve until a moment, known or not",
    Reason.RELAPSE: "a rule was broken again at the foot of the ramp",
    Reason.WAIT_ELAPSED: "the wait, or an operator's time limit, is over",
    Reason.PROBES_PASSED: "the probes still to come cannot fail the round any more",
    Reason.PROBES_FAILED: "the probes still to come cannot save the round any more",
    Reason.PROBES_OVERDUE: "`max_wait_in_half_open` is over without a decision",
    Reason.MAJORITY: "most of the service's active domains are not closed",
    Reason.SERVICE_WIDE: "one outcome spoke for all domains of the service",
    Reason.OPERATOR: "somebody said so",
}


def state_machine() -> str:
    """The page on states: a diagram and a table, both from the table that the machine runs on."""
    arrows: dict[tuple[State, State], list[str]] = {}
    rows = []
    for came_from, reasons in TRANSITIONS.items():
        for reason, to in reasons.items():
            arrows.setdefault((came_from, to), []).append(str(reason))
            rows.append(f"| {came_from} | {to} | `{reason}` | {WHY[reason]} |")
    drawn = [f"    {came_from} --> {to}: {'<br>'.join(why)}" for (came_from, to), why in arrows.items()]
    operated = [f"| `{operation}` | {to} |" for operation, to in OPERATIONS.items()]
    return "\n".join([
        "# The states of a breaker",
        "",
        "This page is drawn from `TRANSITIONS` and `OPERATIONS` in `switchgear/_breaker.py` by `python3 dev.py docs`.",
        "What is not here cannot happen.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {State.CLOSED}",
        *drawn,
        "```",
        "",
        "| from | to | reason | when |",
        "|---|---|---|---|",
        *rows,
        "",
        "An operator moves a breaker from any state; the reason is `operator`:",
        "",
        "| operation | to |",
        "|---|---|",
        *operated,
        "",
        "In METRICS_ONLY whatever would have led to OPEN is told as a suppressed trip, and the state stays. A relapse",
        "higher up the ramp halves the share of admitted calls, and the state stays CLOSED.",
        "[How the breaker decides](breaker.md) says more.",
        "",
    ])  # fmt: skip


_COMMAND_LINE = """\
# The command line

This page is made of what `switchgear COMMAND --help` prints, by `python3 dev.py docs`.

`pip install "switchgear[cli]"` brings it. Commands print text for people, and with `--json` an object for programs;
colours are for terminals. What went wrong is one paragraph on standard error.

| exit code | meaning |
|---|---|
| 0 | all is well; of health: HEALTHY, or nothing is known yet |
| 1 | what was looked at is not well; of health: DEGRADED |
| 2 | it could not be done, or not be asked |
| 3 | of health: UNHEALTHY |
| 130 | interrupted |

## A running process

`status`, `health`, `explain`, `watch` and the orders `isolate`, `close`, `disable`, `override`, `chaos` ask the
endpoints of a process: `switchgear serve`, or an application that mounts `switchgear.asgi`. `--url` or `SWITCHGEAR_URL`
says where they are, with the path that they are mounted at. Orders need the token that the process was started with, in
`SWITCHGEAR_TOKEN` or a file; it is never an argument, for these are seen by everybody on the machine.

```sh
switchgear health checkout || notify "checkout: $(switchgear explain checkout)"
```

An orchestrator that restarts by a health check should ask `/livez`: a restart mends no backend.
"""

_VALIDATE = """\
## What `validate` checks

A check that finds something is a failure or a warning; one whose facts are not known says nothing. The last ones are of
a process (`--url`), and of a drill (`--drill`).

| check | finds a | proves |
|---|---|---|
"""


def command_line() -> str:
    """The page on the commands: the help of each, and the checks of `validate` from their table."""
    commands = [_help(name, command) for name, command in app.loaded().items()]
    checks = [f"| {check.name} | {check.severity} | {check.proves} |\n" for check in CHECKS]
    return "".join([_COMMAND_LINE, *commands, "\n", _VALIDATE, *checks])


def _help(name: str, command: click.Command) -> str:
    program = click.Context(app, info_name="switchgear", terminal_width=100, color=False, **app.context_settings)
    context = click.Context(command, program, info_name=name)
    return f"\n## `switchgear {name}`\n\n```text\n{command.get_help(context)}\n```\n"


_METRICS = """# Metrics

This page is drawn from the registry, that is `switchgear/_metrics.py` and each plugin's `Backend.metrics`, by
`python3 dev.py docs`. `switchgear metrics` prints the same for the plugins that are installed, a third party's among
them. The names are those that Prometheus knows. [Telemetry](telemetry.md) says how they get there.
"""

_ALERTS = """
## Alerts

`switchgear rules` prints these, with the recording rules that they stand on. A service that suffers from another one
that it requires raises none of its own.

| alert | severity | after |
|---|---|---|
"""


def metrics() -> str:
    """The page on metrics: the registry, and the alerts that are made of it."""
    sections: dict[str, tuple[Metric, ...]] = {"Of every gear": CORE}
    for name in FIRST_PARTY:
        for backend in Plugins().load(name):
            sections[f"Of the {name} plugin"] = of_backend(backend)
    tables = [
        f"\n## {title}\n\n| metric | kind | labels | |\n|---|---|---|---|\n" + "".join(map(_row, declared))
        for title, declared in sections.items()
    ]
    told = [f"| {alert.name} | {_told(alert)} | {alert.for_} |\n" for alert in alerts(0.99)]
    return "".join([_METRICS, *tables, _ALERTS, *told])


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{exported_name(metric)}` | {metric.kind} | {labels} | {metric.help} |\n"


def _told(alert: Alert) -> str:
    return f"{alert.severity}, over {alert.window}" if alert.window else alert.severity


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": command_line,
    "hooks.md": plugin_interface,
    "metrics.md": metrics,
    "state-machine.md": state_machine,
}


def main(arguments: list[str]) -> int:
    """Write all pages, or with --check name those that have drifted; 1 if there are any."""
    drifted = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if path.is_file() and path.read_text() == text:
            continue
        if "--check" in arguments:
            drifted.append(name)
        else:
            path.write_text(text)
            print(f"wrote docs/{name}")
    if drifted:
        print(f"Drifted from the code: {', '.join(drifted)}. Run: python3 dev.py docs", file=sys.stderr)
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
