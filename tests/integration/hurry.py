"""An event loop in a hurry: all that waits in it waits a fraction of its time.

Levels rise after ten seconds each, and a scenario with a failure and a full recovery takes minutes; nearly all of that
is waiting. So in these tests time passes faster while the process waits: after 1/SPEED of a second a second of the
loop is over. While it works, time passes as it takes to work, which is how much of the processor was used, not how long
others kept us from it: a busy machine makes these tests longer, and the breakers see little of it.

The gear's clock is the loop's. So breakers, health, levels, the clients' timeouts, the toxics of the proxies and the
shop's customers all live in the same time, with the very settings that one would use in earnest; only the servers do
not. It is as if they were SPEED times slower, and whoever copes with that copes with the real ones. Times in these
tests are the loop's, unless they say otherwise.
"""

from __future__ import annotations

import asyncio
import selectors
import time

#: How many seconds of the loop pass in one second of waiting.
SPEED = 8


class HurriedLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop but for its sense of time."""

    def __init__(self) -> None:
        self._waits = _HurriedSelector()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.passed + time.process_time()


class _HurriedSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0  # seconds of the loop that were waited

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        ready = super().select(timeout if timeout is None else timeout / SPEED)
        waited = (time.monotonic() - began) * SPEED
        # Who is woken too late did not wait for longer.
        self.passed += waited if timeout is None else min(waited, max(timeout, 0.0))
        return ready
