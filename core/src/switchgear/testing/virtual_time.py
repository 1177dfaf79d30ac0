"""Event loops in which time passes only while everybody sleeps, and then at once: an hour of waiting takes no time.

For code that waits by anyio, asyncio or trio. Not for real I/O: who waits for the network is not asleep.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


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


def virtual(backend: str) -> tuple[str, dict[str, Any]]:
    """The backend ("asyncio", "trio") in virtual time, as anyio's pytest plugin takes it.

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(request):
        return virtual(request.param)
    """
    if backend != "trio":
        return backend, {"loop_factory": _Loop}
    from trio.testing import MockClock

    return backend, {"clock": MockClock(autojump_threshold=0)}


def stall(seconds: float) -> None:
    """Time passes while nobody runs, as in an event loop that is blocked: whoever sleeps is woken too late.

    To be called inside of such a loop.
    """
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        clock: Any = trio.lowlevel.current_clock()
        clock.jump(seconds)
    else:
        loop.jumping.now += seconds


def run(main: Callable[..., Awaitable[T]], *args: object, backend: str = "asyncio") -> T:
    """`anyio.run` in virtual time, which `anyio.current_time` tells: the clock for gears and pipelines inside."""
    name, options = virtual(backend)
    return anyio.run(main, *args, backend=name, backend_options=options)
