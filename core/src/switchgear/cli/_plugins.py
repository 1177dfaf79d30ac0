"""The command `switchgear plugins`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from switchgear._plugins import PluginInfo, Plugins, PluginState

_STYLES = {PluginState.ACTIVE: "green", PluginState.BLOCKED: "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of a table.")
@click.option("--traceback", is_flag=True, help="Print where a BROKEN plugin raised its error.")
def plugins(*, as_json: bool, traceback: bool) -> None:
    """List the installed plugins. Each is imported to see whether it works; none can stop the others.

    \b
    ACTIVE         it works
    BLOCKED        it is not on the allow-list SWITCHGEAR_PLUGINS
    CONFLICT       two distributions offer this name, and the configuration has to say which is meant
    INCOMPATIBLE   it is written for another version of switchgear
    BROKEN         it raised an error

    \b
    Examples:
      switchgear plugins
      switchgear plugins --json | jq '.[] | select(.state != "ACTIVE")'
      SWITCHGEAR_PLUGINS=redis,db switchgear plugins
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
        infos = Plugins().infos()
    if as_json:
        click.echo(json.dumps([_as_json(info) for info in infos], indent=2))
        return
    console = Console(markup=False, highlight=False)
    if not infos:
        console.print('No plugins are installed. To install one: pip install "switchgear-redis"')
        return
    console.print(_table(infos))
    for info in infos:
        if traceback and info.traceback:
            console.print(f"\n{info.name} ({info.dist} {info.version})\n{info.traceback}", soft_wrap=True)


def _as_json(info: PluginInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "dist": info.dist,
        "version": info.version,
        "spi": info.spi,
        "operations": list(info.operations),
        "state": info.state.name,
        "error": info.error,
    }


def _table(infos: list[PluginInfo]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "dist", "version", "SPI"):
        table.add_column(heading, no_wrap=True)
    table.add_column("operations", justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("error")
    for info in infos:
        state = Text(info.state.name, style=_STYLES.get(info.state, "red"))
        operations = str(len(info.operations)) if info.state is PluginState.ACTIVE else ""
        table.add_row(info.name, info.dist, info.version, info.spi or "", operations, state, info.error or "")
    return table
