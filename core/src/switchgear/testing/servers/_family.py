"""A process and all that descend from it, as the kernel lists them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio

_TICK = 0.01  # s between two looks at a process; a look costs some microseconds
_HAS_PROC = Path("/proc/self/stat").exists()


def _state(pid: int) -> tuple[str, int]:
    """State letter and parent of a process; ("X", 0) once it is gone."""
    try:
        # The command's name stands in parentheses and may hold any character, ")" too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def family(root: int) -> set[int]:
    """`root` and all its descendants. Without a /proc (macOS): `root` alone."""
    entries = [int(path.name) for path in Path("/proc").glob("[0-9]*")] if _HAS_PROC else []
    parents = {pid: _state(pid)[1] for pid in entries}
    members, found = {root}, {root}
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - members
        members |= found
    return members


def send_signal(number: signal.Signals, pids: set[int]) -> None:
    """To those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def until(condition: Callable[[], bool]) -> None:
    """Looks at something again and again until it is so."""
    while not condition():  # noqa: ASYNC110  a process that changes state sends no event
        await anyio.sleep(_TICK)


async def until_all(states: str, pids: set[int]) -> None:
    """Waits until all are in one of the states: T stopped, t traced, Z dead but not yet reaped, X gone."""
    if _HAS_PROC:
        await until(lambda: all(_state(pid)[0] in states for pid in pids))
