"""Cancelling a call wherever it waits, one place after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any

import anyio


class CancelledAt:
    """Awaits something, and cancels it at its nth suspension, on asyncio and trio alike."""

    def __init__(self, awaitable: Awaitable[Any], at: int) -> None:
        self._awaitable = awaitable
        self._at = at
        self._scope = anyio.CancelScope()
        self._suspensions = 0

    @property
    def cancelled(self) -> bool:
        """False: it was over before it could be."""
        return self._suspensions >= self._at

    async def run(self) -> None:
        """Raises what the awaited raises, if that is an Exception."""
        with self._scope:
            await self

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Any = self._awaitable.__await__()
        go, value = inner.send, None
        while True:
            try:
                signal = go(value)
            except StopIteration as end:
                return end.value
            self._suspensions += 1
            if self._suspensions == self._at:
                self._scope.cancel()  # it strikes where the task waits next: here
            try:
                value = yield signal
                go = inner.send
            except BaseException as exc:  # noqa: BLE001 - a cancellation is not ours to judge
                go, value = inner.throw, exc
