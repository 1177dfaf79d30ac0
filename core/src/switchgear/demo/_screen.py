"""The live view: states, rates, refusals, latencies, what happened, and which fault is on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from switchgear._level import Level
from switchgear._state import State
from switchgear.demo._ledger import Ledger, Note

if TYPE_CHECKING:
    from switchgear.demo._storefront import Kind  # loads the clients' SDKs

_REDRAW = 0.2  # s
_HISTORY_COLUMN = 62  # where the column of the history begins
_FIXED_LINES = 17  # all but the list of what happened

_STYLES = {State.CLOSED: "green", State.HALF_OPEN: "yellow", State.OPEN: "bold red"}
_RAMPING = "cyan"
#: By how bad it is, told by height as well as by colour.
_BARS = (("▁", "green"), ("▃", _RAMPING), ("▅", "yellow"), ("█", "red"))


class Screen:
    """Draws what the ledger knows, a few times a second."""

    def __init__(
        self, console: Console, ledger: Ledger, kinds: Sequence[Kind], address: str, *, duration: float, seed: int
    ) -> None:
        self._console = console
        self._address = address
        self._ledger = ledger
        self._kinds = kinds
        self._duration = duration
        self._seed = seed
        self._history: dict[str, list[int]] = {name: [] for name in ledger.accounts}  # the worst of each second

    async def run(self) -> None:
        """Until cancelled."""
        with Live(console=self._console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(self.draw(), refresh=True)
                await anyio.sleep(_REDRAW)

    def draw(self) -> RenderableType:
        """All of it, as of now."""
        now = self._ledger.clock()
        for name in self._ledger.accounts:
            self._remember(name, int(now - self._ledger.began))
        return Group(
            self._head(now),
            Rule(style="dim"),
            self._services(now),
            Text(),
            self._requests(now),
            Rule(style="dim"),
            self._notes(),
        )

    def _head(self, now: float) -> RenderableType:
        elapsed = now - self._ledger.began
        head = Table.grid(expand=True, padding=(0, 2, 0, 0))
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, justify="right")
        title = Text("switchgear demo", style="bold")
        bar = ProgressBar(total=self._duration, completed=min(elapsed, self._duration))
        head.add_row(title, bar, Text(f"{elapsed:.0f} of {self._duration:.0f} s, seed {self._seed}", style="dim"))
        return Group(head, self._fault(now), Text(f"The live page: {self._address}", style="dim"))

    def _fault(self, now: float) -> Text:
        on = [act for act in self._ledger.acts if act.recovered is None]
        if not on:
            return Text("All backends are well.", style="green")
        act = on[-1]
        if act.healed is None:
            return Text.assemble((f"{act.service} {act.what}", "bold red"), f" for {now - act.struck:.1f} s")
        return Text(f"{act.service} {act.what}: its breakers are finding out", style="yellow")

    def _services(self, now: float) -> Table:
        table = _table(("service", 7), ("state", 11), ("calls/s", -7), ("failed/s", -8), ("refused/s", -9), ("p95", -7))
        table.add_column("the last seconds", no_wrap=True)
        width = max(self._console.width - _HISTORY_COLUMN, 10)
        for name, account in self._ledger.accounts.items():
            recent = account.recent
            slowest = recent.slowest(now)
            table.add_row(
                Text(name, style="bold"),
                self._state(name),
                f"{recent.rate(now, 'served', 'failed'):.0f}",
                _alarming(recent.rate(now, "failed")),
                _alarming(recent.rate(now, "refused")),
                "" if slowest is None else f"{1000 * slowest:.0f} ms",
                Text.assemble(*(_BARS[worst] for worst in self._history[name][-width:])),
            )
        return table

    def _state(self, name: str) -> Text:
        account = self._ledger.accounts[name]
        state, share = account.state, account.share()
        if state is State.CLOSED and share < 1:
            return Text(f"CLOSED {share:4.0%}", style=_RAMPING)
        return Text(str(state), style=_STYLES.get(state, "magenta"))

    def _remember(self, name: str, second: int) -> None:
        account, history = self._ledger.accounts[name], self._history[name]
        bad = {State.CLOSED: int(account.share() < 1), State.HALF_OPEN: 2}.get(account.state, 3)
        history.extend([bad] * (second + 1 - len(history)))
        history[second] = max(history[second], bad)

    def _requests(self, now: float) -> Table:
        table = _table(
            ("requests", 8), ("level", 8), ("need", 5), ("a second", -9), ("answered", -9), ("by a fallback", -14)
        )
        for kind in self._kinds:
            recent = self._ledger.requests[kind.name]
            rate = recent.rate(now, "full", "fallback", "failed")
            answered = recent.rate(now, "full", "fallback") / rate if rate else 1
            fallback = recent.rate(now, "fallback") / rate if rate else 0
            table.add_row(
                Text(kind.name, style="bold"),
                _level(self._ledger.levels[kind.name][-1][1]),
                Text(", ".join(kind.requires), style=self._worst_style(kind.requires)),
                f"{rate:.0f}",
                Text(f"{answered:.0%}", style="green" if answered == 1 else "bold red"),
                Text(f"{fallback:.0%}", style="yellow" if fallback else "dim"),
            )
        return table

    def _worst_style(self, services: Collection[str]) -> str:
        well = all(self._ledger.accounts[service].state is State.CLOSED for service in services)
        return "green" if well else "bold red"

    def _notes(self) -> RenderableType:
        room = max(self._console.height - _FIXED_LINES, 1)
        return Group(*map(line, self._ledger.notes[-room:]))


def line(note: Note) -> Text:
    """What happened, on one line."""
    style = "bold" if note.state is None else _STYLES.get(note.state, "")
    text = Text.assemble((f"{note.at:5.1f} ", "dim"), f"{note.service:8}", (note.text, style))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _table(*columns: tuple[str, int]) -> Table:
    """A table of columns with a heading and a width, negative for numbers. Fixed, lest they jump about."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, width in columns:
        table.add_column(heading, min_width=abs(width), justify="right" if width < 0 else "left", no_wrap=True)
    return table


def _level(level: Level) -> Text:
    return Text(str(level), style={Level.FULL: "green", Level.OFF: "bold red"}.get(level, "yellow"))


def _alarming(rate: float) -> Text:
    return Text(f"{rate:.0f}", style="red" if rate else "")
