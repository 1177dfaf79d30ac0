"""The commands `switchgear status` and `switchgear health`."""

from __future__ import annotations

import click
from rich.console import Console

from switchgear._document import Report
from switchgear.cli._board import board, in_words
from switchgear.cli._options import json_option, print_json, url_option
from switchgear.cli._remote import Remote
from switchgear.cli._state import find, read_state

_EXIT_CODES = {"HEALTHY": 0, "UNKNOWN": 0, "DEGRADED": 1, "UNHEALTHY": 3}


def _exit(report: Report) -> click.exceptions.Exit:
    return click.exceptions.Exit(_EXIT_CODES[report.status])


@click.command()
@url_option()
@json_option
def status(*, url: str, as_json: bool) -> None:
    """Show how a running process is: its capabilities, its services, and the root causes of what is wrong.

    \b
    Examples:
      switchgear status
      switchgear status --url http://127.0.0.1:8000/switchgear
      switchgear status --json | jq '.capabilities[] | {name, level}'

    Exit codes: 0 the application is healthy, or nothing is known yet, 1 it is degraded, 2 it could not be asked,
    3 it is unhealthy.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    state = read_state(Remote(url))
    if as_json:
        print_json(state)
    else:
        Console(markup=False, highlight=False).print(board(state))
    raise _exit(state.app)


@click.command()
@click.argument("name", required=False)
@url_option()
@json_option
def health(*, name: str | None, url: str, as_json: bool) -> None:
    """Say in a line how healthy the application is, or one of its capabilities or services.

    For scripts, and for container health checks that only report. Let nothing restart a process because a backend of
    its is down: what does should ask /livez.

    \b
    Examples:
      switchgear health
      switchgear health checkout
      switchgear health db --json

    Exit codes: 0 it is healthy, or nothing is known yet, 1 it is degraded, 2 it could not be asked, 3 it is unhealthy.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    state = read_state(Remote(url))
    report = state.app if name is None else find(state, name)
    if as_json:
        print_json(report)
    else:
        Console(markup=False, highlight=False).print(in_words(report), soft_wrap=True)
    raise _exit(report)
