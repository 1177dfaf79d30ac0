"""Connecting what is configured, once, to see who answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import anyio

from switchgear._clock import monotonic
from switchgear._errors import ConfigurationError, MissingDependency
from switchgear._gear import Switchgear
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._redact import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What came of one service."""

    ok: bool | None = None  #: None: it is connected, and its plugin cannot tell more
    server: str | None = None
    latency: float | None = None  #: of the probe, in seconds, on a connection that was open already
    error: str | None = None
    configured: bool = True  #: False: it is the configuration or the installation that is wrong, not the backend


async def probe_all(config: GearConfig) -> dict[str, Probed]:
    """All services at once, by name. Raises nothing for what is wrong with one of them."""
    probed: dict[str, Probed] = {}

    async def probe(service: ServiceConfig) -> None:
        probed[service.name] = await _probe(service)

    async with anyio.create_task_group() as tasks:
        for service in config.services:
            tasks.start_soon(probe, service)
    return probed


async def _probe(service: ServiceConfig) -> Probed:
    timeout = service.breaker.probe_timeout
    try:
        with anyio.move_on_after(timeout):
            alone = replace(service, requires=())
            async with Switchgear(GearConfig(services=(alone,))) as gear:
                return await _ask(service, gear.client(service.name))
        return Probed(ok=False, error=f"It did not answer within {timeout:g} s.")
    except (ConfigurationError, MissingDependency) as exc:
        return Probed(ok=False, error=str(exc), configured=False)
    except Exception as exc:  # noqa: BLE001 - whatever a client raises for a backend that is down
        return Probed(ok=False, error=": ".join(filter(None, describe(exc))))


async def _ask(service: ServiceConfig, client: Any) -> Probed:
    backend = service.backend
    server = unidentified = None
    if backend.identify is not None:
        try:
            server = await backend.identify(client)
        except Exception as exc:  # noqa: BLE001 - not everybody may ask a server who it is; the probe decides
            unidentified = exc
    if backend.probe is None:
        if unidentified is not None:
            raise unidentified
        return Probed(ok=server is not None or None, server=server)
    started = monotonic()
    told = await backend.probe(client, "")
    latency = monotonic() - started
    return Probed(ok=told or server is not None or None, server=server, latency=latency if told else None)
