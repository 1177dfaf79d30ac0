"""The command `switchgear metrics`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding

from switchgear._metrics import CORE, exported_name, of_backend
from switchgear._plugins import Plugins
from switchgear._spec import Metric


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of tables.")
def metrics(*, as_json: bool) -> None:
    """List all metrics: switchgear's own, and those of the installed plugins.

    The names are those that Prometheus knows. Each metric of a plugin has the label `service`. A family has 200 series
    at most; what comes later is counted under __overflow__, and switchgear_telemetry_overflow_total says so.

    \b
    Examples:
      switchgear metrics
      switchgear metrics --json | jq -r '.[] | select(.kind == "histogram").name'
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
        sources = {"switchgear": CORE, **{backend.name: of_backend(backend) for backend in Plugins().backends()}}
    if as_json:
        listed = [_as_json(source, metric) for source, declared in sources.items() for metric in declared]
        click.echo(json.dumps(listed, indent=2))
        return
    console = Console(markup=False, highlight=False)
    for source, declared in sources.items():
        console.print(source, style="bold")
        for metric in declared:
            labels = f"{{{', '.join(metric.labels)}}}" if metric.labels else ""
            console.print(f"  {exported_name(metric)}{labels}  {metric.kind}", soft_wrap=True)
            console.print(Padding(metric.help, (0, 0, 0, 6), expand=False), style="dim")


def _as_json(source: str, metric: Metric) -> dict[str, Any]:
    return {
        "name": exported_name(metric),
        "source": source,
        "kind": metric.kind,
        "unit": metric.unit,
        "labels": list(metric.labels),
        "buckets": list(metric.buckets),
        "help": metric.help,
    }
