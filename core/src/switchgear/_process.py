"""The gear of a process: of the clients that nobody has given to another one."""

from __future__ import annotations

import os
from threading import RLock
from typing import TypeVar

from switchgear._config import is_configured, read_environment
from switchgear._gear import Switchgear
from switchgear._gear_config import GearConfig
from switchgear._heartbeat import Heartbeat
from switchgear._lock import fork_safe
from switchgear._pulse import Pulse
from switchgear._service import Service

ClientT = TypeVar("ClientT")


class ProcessGear(Switchgear):
    """Nobody enters it: it connects nothing, lives as long as its process, and beats where that runs an event loop."""

    def __init__(self, config: GearConfig | None = None) -> None:
        super().__init__(config)
        self._pulse = Pulse(self._begin)

    def _join(self, client: ClientT, service: Service) -> ClientT:
        guarded = super()._join(client, service)
        self._pulse.expect(service)
        return guarded

    def _begin(self) -> Heartbeat:
        self._heartbeat = self._make_heartbeat()
        return self._heartbeat


_making = fork_safe(RLock())
_made: list[Switchgear] = []


def process_gear() -> Switchgear:
    """The gear of this process, made when it is first asked for: its services are the clients that
    `switchgear.instrument()` finds, and engines of SQLAlchemy whose URL has `?plugin=switchgear`.

    Configured by the environment as Switchgear.from_env() is, if that names anything; its clients then become the
    services that are configured for their addresses. Nothing is connected by it, and it need not be entered.

    Raises ConfigurationError and MissingDependency as Switchgear.from_env does.
    """
    with _making:
        if not _made:
            _made.append(ProcessGear(read_environment() if is_configured(os.environ) else None))
        return _made[0]
