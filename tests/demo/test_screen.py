"""The live view fits the terminal and shows what the ledger knows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from switchgear.demo._ledger import Answer
from switchgear.demo._screen import Screen
from switchgear.demo._storefront import Kind
from tests.demo.support import Plant


async def serve(_product: int, _dice: float) -> Answer:
    return Answer.FULL


KINDS = (Kind("browse", 1, frozenset({"db"}), serve), Kind("order", 1, frozenset({"cache"}), serve))


class Terminal:
    def __init__(self, plant: Plant, width: int = 80, height: int = 24) -> None:
        self.file = io.StringIO()
        self.console = Console(width=width, height=height, file=self.file, markup=False)
        self.screen = Screen(self.console, plant.ledger, KINDS, "http://127.0.0.1:1/", duration=60, seed=7)

    def lines(self) -> list[str]:
        self.file.seek(0)
        self.file.truncate()
        self.console.print(self.screen.draw())
        return self.file.getvalue().splitlines()

    def line(self, start: str) -> str:
        [line] = [line for line in self.lines() if line.startswith(start)]
        return line


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 20)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    """However much has happened, and however long it took to tell."""
    plant = Plant()
    terminal = Terminal(plant, width, height)
    for number in range(100):
        plant.ledger.note("cache", f"number {number} " * 20)
        plant.clock.advance(1)
        terminal.lines()
    lines = terminal.lines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "number 99" in lines[-1]


def test_a_service_is_shown_with_its_state_and_its_past() -> None:
    """CLOSED, OPEN, and closing by a ramp; the strip has one bar for each second, as bad as the worst of it."""
    plant = Plant()
    terminal = Terminal(plant)
    assert terminal.line("cache").split() == ["cache", "CLOSED", "0", "0", "0", "▁"]
    plant.trip()
    assert terminal.line("cache").split()[:4] == ["cache", "OPEN", "1", "1"]
    plant.clock.advance(1)
    plant.pass_probes()
    assert terminal.line("cache").split()[1:3] == ["CLOSED", "10%"]
    plant.clock.advance(2)
    assert terminal.line("cache").split() == ["cache", "CLOSED", "1", "0", "0", "250", "ms", "█▃▃▁▁"]


def test_what_is_broken_stands_at_the_top() -> None:
    """From the fault to the recovery."""
    plant = Plant()
    terminal = Terminal(plant)
    assert terminal.lines()[1].strip() == "All backends are well."
    act = plant.ledger.strikes("cache", "is killed")
    plant.clock.advance(2)
    assert terminal.lines()[1].strip() == "cache is killed for 2.0 s"
    plant.ledger.healed(act, "is started again")
    assert terminal.lines()[1].strip() == "cache is started again: its breakers are finding out"
    plant.ledger.recovered(act)
    assert terminal.lines()[1].strip() == "All backends are well."


def test_requests_are_shown_with_what_became_of_them() -> None:
    """The share that was answered, and how much of that by a fallback."""
    plant = Plant()
    terminal = Terminal(plant)
    for answer in (Answer.FULL, Answer.FALLBACK, Answer.FAILED, Answer.FULL):
        plant.ledger.answered("browse", {"db"}, 0.0, answer)
    assert terminal.line("browse").split() == ["browse", "FULL", "db", "1", "75%", "25%"]
    assert terminal.line("order").split() == ["order", "FULL", "cache", "0", "100%", "0%"]
