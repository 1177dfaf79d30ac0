"""`switchgear watch` shows a running process live: as a screen, as lines, or as objects."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from tests.cli.serving import Shop, serving
from tests.cli.support import PROGRAM, environment

#: Seconds that a test waits for what has to come.
PATIENCE = 20.0


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


@contextmanager
def watching(shop: Shop, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [PROGRAM, "watch", "--url", shop.url, *arguments]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(PYTHONUNBUFFERED="1"), text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def line(stream: IO[str] | None, fits: Callable[[str], bool] = bool) -> str:
    """The next line that fits."""
    assert stream is not None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if fits(read := stream.readline()):
            return read
    raise TimeoutError


def stopped(running: subprocess.Popen[str]) -> int:
    """Ctrl-C, and how it ends."""
    running.send_signal(signal.SIGINT)
    return running.wait(PATIENCE)


def test_programs_get_an_object_for_each_event(shop: Shop) -> None:
    """The state again and again, and at once what happens; Ctrl-C is its regular end."""
    with watching(shop, "--json") as running:
        first = json.loads(line(running.stdout))
        assert first["event"] == "state"
        assert first["data"]["app"]["name"] == "app"
        shop.fails("db")
        told = json.loads(line(running.stdout, lambda text: '"transition"' in text))
        assert (told["data"]["name"], told["data"]["from"], told["data"]["to"]) == ("db", "CLOSED", "OPEN")
        assert json.loads(line(running.stdout, lambda text: '"level"' in text))["data"]["name"] == "checkout"
        assert stopped(running) == 0


def test_in_a_pipe_there_is_a_line_for_each_change(shop: Shop) -> None:
    """With the time of day, who, from what to what, by which rule with which numbers."""
    with watching(shop) as running:
        until(shop.watched)
        shop.fails("db")
        told = line(running.stdout)
        assert (
            told.rstrip()[9:] == "db[shard-1] CLOSED -> OPEN (failure_rate): failure rate 1.00 of 4 calls (limit 0.5)"
        )
        told = line(running.stdout)
        assert told[9:].startswith("checkout FULL -> OFF (worsened): score 10.0, checkout <- db <- ")
        assert stopped(running) == 0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def test_a_process_that_goes_away_is_waited_for(shop: Shop) -> None:
    """It is said on standard error; when it is back, what happened meanwhile is told, and it goes on."""
    with watching(shop, "--json") as running:
        line(running.stdout)
        shop.hang_up()
        assert shop.url in line(running.stderr)
        shop.fails("cache")
        assert json.loads(line(running.stdout, lambda text: '"transition"' in text))["data"]["name"] == "cache"


def test_on_a_terminal_the_whole_is_drawn_anew() -> None:
    """A breaker that opens is seen at once, in the table and in the timeline; Ctrl-C leaves the terminal clean."""
    ours, theirs = pty.openpty()
    with serving() as shop:
        command = [PROGRAM, "watch", "--url", shop.url]
        env = environment(TERM="xterm", COLUMNS="120", LINES="40")
        running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        try:
            drawn = until_drawn(ours, "checkout")
            assert "\x1b[?1049h" in drawn
            shop.fails("db")
            until_drawn(ours, "CLOSED -> OPEN (failure_rate)")
            running.send_signal(signal.SIGINT)
            assert "\x1b[?1049l" in until_drawn(ours, "\x1b[?1049l")
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()
            running.wait()
            os.close(ours)


def until_drawn(terminal: int, text: str) -> str:
    drawn = ""
    deadline = time.monotonic() + PATIENCE
    while text not in drawn:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, drawn[-2000:]
        drawn += os.read(terminal, 65_536).decode(errors="replace")
    return drawn
