"""The one task of an entered gear. It does what no caller does: it keeps time for breakers that nobody calls, so that
calls which all hang are noticed; it looks at the health of all; and it starts the active checks that are due.
"""

from __future__ import annotations

import threading

import anyio

from switchgear._bus import Bus
from switchgear._clock import Clock
from switchgear._events import Beat, Transition
from switchgear._manager import DegradationManager
from switchgear._prober import Prober

#: How often to look while something is open, in seconds: it bounds how late a check can be.
_INTERVAL = 0.25
#: ... and while nothing is. When every caller waits for a backend that hangs, nobody is left to look at the clock.
_IDLE_INTERVAL = 1.0


class Heartbeat:
    """Beats until cancelled, and at once when a breaker has moved."""

    def __init__(self, prober: Prober, degradation: DegradationManager, clock: Clock, bus: Bus) -> None:
        self._prober = prober
        self._degradation = degradation
        self._clock = clock
        self._bus = bus
        self._thread = threading.get_ident()
        self._woken = anyio.Event()
        #: The clock's time at the last beat; None: there was none yet.
        self.at: float | None = None

    def on_transition(self, _event: Transition) -> None:
        if threading.get_ident() == self._thread:
            self._woken.set()

    def beat(self, lag: float) -> None:
        """Do what is due. `lag` is by how many seconds it comes too late."""
        self._degradation.lag = lag
        self.at = self._clock()
        self._prober.tick()
        self._degradation.look()
        self._bus.publish(Beat(lag=lag, at=self.at))

    async def run(self) -> None:
        """Until cancelled."""
        lag = 0.0
        async with anyio.create_task_group() as checks:
            while True:
                self._woken = anyio.Event()
                self.beat(lag)
                interval = _INTERVAL if self._prober.check(checks) else _IDLE_INTERVAL
                due = anyio.current_time() + interval
                with anyio.move_on_after(interval):
                    await self._woken.wait()
                # How late this task runs again is how late all others do.
                lag = 0.0 if self._woken.is_set() else max(0.0, anyio.current_time() - due)
