"""The command `switchgear dashboards`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from switchgear._dashboards import dashboards as made
from switchgear._dashboards import model
from switchgear._errors import SwitchgearError
from switchgear._plugins import Plugins


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to write the files; it is made if it is not there.",
)
def dashboards(*, out: Path) -> None:
    """Write dashboards for Grafana: an overview, one service, one capability.

    Import the files in Grafana, or let it provision the directory. Each asks for its Prometheus, and is about one
    application, several or all (the label `job`). A service's has a row for each plugin that is installed here.

    \b
    Examples:
      switchgear dashboards --out /etc/grafana/dashboards/switchgear
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
        backends = Plugins().backends()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for dashboard in made(backends):
            file = out / f"{dashboard.uid}.json"
            file.write_text(json.dumps(model(dashboard), indent=2) + "\n")
            click.echo(file)
    except OSError as exc:
        raise SwitchgearError(f"The dashboards cannot be written: {exc}. Give another directory.") from exc
