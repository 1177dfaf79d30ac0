"""One task of the gear does what no caller does: it keeps time for breakers that nobody calls, so that calls which all
hang are noticed, and runs the active checks of open ones, so that idle services recover.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio

from switchgear._circuit import CircuitBreaker
from switchgear._events import Transition
from switchgear._service import Service
from switchgear._state import State

_log = logging.getLogger("switchgear")

#: How often to look while something is open, in seconds: it bounds how late a check can be.
_INTERVAL = 0.25
#: ... and while nothing is. When every caller waits for a backend that hangs, nobody is left to look at the clock.
_IDLE_INTERVAL = 1.0


class Prober:
    """Watches all services, and checks on those whose configuration lets the plugin's check probe."""

    def __init__(self, watched: Callable[[], list[tuple[Service, Any]]]) -> None:
        self._watched = watched
        self._thread = threading.get_ident()
        self._woken = anyio.Event()

    def on_transition(self, _event: Transition) -> None:
        if threading.get_ident() == self._thread:
            self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        running: set[CircuitBreaker] = set()
        async with anyio.create_task_group() as checks:
            while True:
                self._woken = anyio.Event()
                for service, _ in self._watched():
                    service.group.tick()
                refusing = list(self._refusing())
                for service, client, breaker in refusing:
                    if breaker not in running and breaker.state is State.HALF_OPEN:
                        running.add(breaker)
                        checks.start_soon(self._check, service, client, breaker, running)
                with anyio.move_on_after(_INTERVAL if refusing else _IDLE_INTERVAL):
                    await self._woken.wait()

    def _refusing(self) -> Iterator[tuple[Service, Any, CircuitBreaker]]:
        for service, client in self._watched():
            group = service.group
            if group.config.probe_with != "traffic" and service.backend.probe is not None:
                for breaker in (group.main, *group.branches.values()):
                    if breaker.machine_state in {State.OPEN, State.HALF_OPEN}:
                        yield service, client, breaker

    @staticmethod
    async def _check(service: Service, client: Any, breaker: CircuitBreaker, running: set[CircuitBreaker]) -> None:
        try:
            while breaker.state is State.HALF_OPEN and await service.check(client, breaker):
                pass
        except Exception as exc:  # noqa: BLE001 - the breaker has judged it; a failing check is news, not a crash
            _log.debug("The active check of %s[%s] failed: %s", service.name, breaker.domain, type(exc).__name__)
        finally:
            running.discard(breaker)
