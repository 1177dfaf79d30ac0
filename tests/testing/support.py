from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens by itself; TimeoutError when it has not after 10 s."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.01)


def is_dead(pid: int) -> bool:
    """Gone, or dead and waiting for a parent to reap it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
