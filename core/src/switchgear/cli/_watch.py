"""The command `switchgear watch`."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from switchgear._document import Entry, State
from switchgear.cli._board import board
from switchgear.cli._options import json_option, url_option
from switchgear.cli._remote import Remote, RemoteError
from switchgear.cli._state import read_state

#: Seconds between two attempts to find the process again.
_PAUSE = 1.0
#: Of what has happened before, so much is kept: more than fits on any screen.
_KEPT = 200


@click.command()
@url_option()
@json_option
def watch(*, url: str, as_json: bool) -> None:
    """Show a running process live: its capabilities and services, and what happens to them.

    On a terminal the whole of it, drawn anew as it changes; elsewhere a line for each change, and with --json an object
    for each, the state of every second included. A process that goes away is waited for. Ctrl-C ends it.

    \b
    Examples:
      switchgear watch
      switchgear watch | tee changes.log
      switchgear watch --json | jq -c 'select(.event == "level") | .data'

    Exit codes: 0 ended, 2 there was nothing to watch.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    remote = Remote(url)
    entries = remote.get("/api/timeline", list[Entry])
    news = _news(remote, entries[-1].seq if entries else 0)  # from where they end, lest anything fall in between
    console = Console(markup=False, highlight=False)
    try:
        if as_json:
            _print_json(news)
        elif console.is_terminal and not console.is_dumb_terminal:
            _Screen(console, read_state(remote), entries).run(news)
        else:
            _print_lines(news, console)
    except KeyboardInterrupt:
        return


#: Kind and document of each piece; of "lost", while the process is away, why it is.
_News = Iterator[tuple[str, Any]]


def _news(remote: Remote, last: int) -> _News:
    """All that is told after the entry of that number."""
    while True:
        try:
            for kind, data in remote.events(after=last):
                last = data.get("seq", last)
                yield kind, data
        except RemoteError as error:
            yield "lost", str(error)
        time.sleep(_PAUSE)  # noqa: TID251 - there is no event loop here


def _print_json(news: _News) -> None:
    for kind, data in news:
        click.echo(data if kind == "lost" else json.dumps({"event": kind, "data": data}), err=kind == "lost")


def _print_lines(news: _News, console: Console) -> None:
    for kind, data in news:
        if kind == "lost":
            click.echo(data, err=True)
        elif kind != "state":
            console.print(_line(msgspec.convert(data, Entry)), soft_wrap=True)


class _Screen:
    """The whole of it, drawn anew with each piece of news."""

    def __init__(self, console: Console, state: State, entries: list[Entry]) -> None:
        self._console = console
        self._state = state
        self._entries = deque(entries, _KEPT)
        self._lost = ""

    def run(self, news: _News) -> None:
        """Until interrupted."""
        with Live(self._draw(), console=self._console, screen=True, auto_refresh=False) as live:
            for kind, data in news:
                self._lost = data if kind == "lost" else ""
                if kind == "state":
                    self._state = msgspec.convert(data, State)
                elif kind != "lost":
                    self._entries.append(msgspec.convert(data, Entry))
                live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        top: RenderableType = board(self._state)
        if self._lost:
            top = Group(Text(self._lost, style="bold red"), Text("This is how it was:", style="dim"), top)
        taken = len(self._console.render_lines(top)) + 1
        lines = [_line(entry) for entry in list(self._entries)[-max(self._console.height - taken, 1) :]]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(top, Rule(style="dim"), *lines)


def _line(entry: Entry) -> Text:
    """What happened, on a line."""
    name = f"{entry.name}[{entry.domain}]" if entry.domain else entry.name
    change = " -> ".join(filter(None, (entry.from_, entry.to))) or entry.kind
    said = f": {entry.detail}" if entry.detail else ""
    return Text.assemble(
        (f"{entry.at.astimezone():%H:%M:%S} ", "dim"), (name, "bold"), f" {change} ({entry.reason}){said}"
    )
