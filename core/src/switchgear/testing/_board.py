"""The toxics in force on a proxy, shared by all its connections."""

from __future__ import annotations

import random
from dataclasses import dataclass

import anyio

from switchgear.testing.toxics import Direction, Toxic


@dataclass(frozen=True, eq=False)
class Applied:
    """A toxic in force. Removed and added again, it is another one: it strikes anew."""

    toxic: Toxic
    since: float


class Board:
    """Holds the toxics, wakes those who wait for a change, and counts."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.applied: tuple[Applied, ...] = ()
        self.bytes: dict[Direction, int] = {"upstream": 0, "downstream": 0}
        self._changed: anyio.Event | None = None

    def replace(self, *applied: Applied) -> None:
        self.applied = applied
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def change(self, within: float) -> None:
        """Waits for a change of toxics, or so many seconds."""
        if self._changed is None:
            self._changed = anyio.Event()
        with anyio.move_on_after(within):
            await self._changed.wait()
