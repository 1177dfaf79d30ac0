"""Event loops in which time passes only while everybody sleeps, and then at once: an hour of waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from trio.testing import MockClock

from tests import tasks

T = TypeVar("T")

BACKENDS = ("asyncio", "trio")

each_backend = pytest.mark.parametrize("backend", BACKENDS)


class _Selector(selectors.SelectSelector):
    """Where the loop would sleep, its time jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("Everybody waits for somebody else: this would hang for ever.")
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _Selector()
        super().__init__(self.jumping)
        self._clock_resolution = 1e-9  # else timers of the next microseconds ring too early

    def time(self) -> float:
        return self.jumping.now


def run(main: Callable[..., Awaitable[T]], *args: object, backend: str) -> T:
    """`anyio.run` in virtual time, which `anyio.current_time` tells; give that to pipelines as their clock."""
    options: dict[str, Any] = {"loop_factory": _Loop}
    if backend == "trio":
        options = {"clock": MockClock(autojump_threshold=0)}
    return tasks.run(main, *args, backend=backend, options=options)
