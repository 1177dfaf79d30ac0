"""Asking services that nobody calls: one plugin's check after another, so that there is something to know."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import anyio

from switchgear._breaker_config import Backoff, BreakerConfig
from switchgear._gear import Switchgear
from switchgear._gear_config import GearConfig
from switchgear._service import Service
from switchgear._state import State

_log = logging.getLogger("switchgear")

#: Checks that fail in a row until a service is taken for down.
_FAILURES = 3
#: Seconds from one round of checks of a service that is down to the next.
_LONGEST_WAIT = 15.0


def for_watching(config: GearConfig, interval: float) -> GearConfig:
    """The same services for a process that makes no calls but checks, one each `interval` seconds: their breakers open
    after three that failed in a row, and stay open for no longer than a person would wait to see it mended.
    """
    wait = Backoff(initial=interval, max=max(interval, _LONGEST_WAIT), jitter=0.0)

    def watched(breaker: BreakerConfig) -> BreakerConfig:
        failures = min(breaker.consecutive_failures or _FAILURES, _FAILURES)
        return replace(
            breaker, consecutive_failures=failures, wait_duration_in_open=wait, ramp=None, probe_with="health"
        )

    services = tuple(replace(service, breaker=watched(service.breaker)) for service in config.services)
    return replace(config, services=services)


async def check_all(gear: Switchgear, interval: float) -> None:
    """Check each service over and over, until cancelled. The gear itself checks on those whose breakers are open."""
    async with anyio.create_task_group() as tasks:
        for name, service in gear.services.items():
            if service.backend.probe is not None:
                tasks.start_soon(_check, service, gear.client(name), interval)


async def _check(service: Service, client: Any, interval: float) -> None:
    breaker = service.group.branch("")
    while True:
        if breaker.state is State.CLOSED:
            try:
                await service.check(client, breaker)
            except Exception as exc:  # noqa: BLE001 - the breaker has judged it; a failing check is news, not a crash
                _log.debug("The check of %s failed: %s", service.name, type(exc).__name__)
        await anyio.sleep(interval)
