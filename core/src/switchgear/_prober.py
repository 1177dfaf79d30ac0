"""The active checks: the plugin's own cheap calls, which find out whether an idle service is back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from switchgear._circuit import CircuitBreaker
from switchgear._service import Service
from switchgear._state import State

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

_log = logging.getLogger("switchgear")


class Prober:
    """Checks on the services whose configuration lets the plugin's check probe, each through one of its clients; None:
    it has none for that.
    """

    def __init__(self, watched: Callable[[], list[tuple[Service, Any]]]) -> None:
        self._watched = watched
        self._running: set[CircuitBreaker] = set()

    def tick(self) -> None:
        """Do what is due by now in all breakers."""
        for service, _ in self._watched():
            service.group.tick()

    def check(self, tasks: TaskGroup) -> bool:
        """Start the checks that are due; whether others may soon be."""
        refusing = list(self._refusing())
        for service, client, breaker in refusing:
            if breaker not in self._running and breaker.state is State.HALF_OPEN and not breaker.held:
                self._running.add(breaker)
                tasks.start_soon(self._check, service, client, breaker)
        return bool(refusing)

    def _refusing(self) -> Iterator[tuple[Service, Any, CircuitBreaker]]:
        for service, client in self._watched():
            group = service.group
            if client is not None and group.config.probe_with != "traffic" and service.backend.probe is not None:
                for breaker in (group.main, *group.branches.values()):
                    if breaker.machine_state in {State.OPEN, State.HALF_OPEN}:
                        yield service, client, breaker

    async def _check(self, service: Service, client: Any, breaker: CircuitBreaker) -> None:
        try:
            while breaker.state is State.HALF_OPEN and not breaker.held and await service.check(client, breaker):
                pass
        except Exception as exc:  # noqa: BLE001 - the breaker has judged it; a failing check is news, not a crash
            _log.debug("The active check of %s[%s] failed: %s", service.name, breaker.domain, type(exc).__name__)
        finally:
            self._running.discard(breaker)
