"""Connecting what is configured, once, to see who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
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


#: What else to find out of a service, given its client. It raises nothing.
Inspect = Callable[[ServiceConfig, Any], Awaitable[None]]


class _Start:
    """Where each waits for the last to be connected. Loading an SDK takes a second in which the event loop hears of no
    answer, and some backends are not given much longer.
    """

    def __init__(self, runners: int) -> None:
        self._missing = runners
        self._gone = anyio.Event()

    def ready(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._gone.set()

    async def go(self) -> None:
        await self._gone.wait()


async def probe_all(config: GearConfig, inspect: Inspect | None = None) -> dict[str, Probed]:
    """All services at once, by name. Raises nothing for what is wrong with one of them."""
    probed: dict[str, Probed] = {}
    start = _Start(len(config.services))

    async def probe(service: ServiceConfig) -> None:
        probed[service.name] = await _probe(service, start, inspect)

    async with anyio.create_task_group() as tasks:
        for service in config.services:
            tasks.start_soon(probe, service)
    return probed


async def _probe(service: ServiceConfig, start: _Start, inspect: Inspect | None) -> Probed:
    timeout = service.breaker.probe_timeout
    alone = replace(service, requires=())
    connected = False
    try:
        with anyio.move_on_after(timeout) as patience:
            async with Switchgear(GearConfig(services=(alone,))) as gear:
                connected, patience.deadline = True, inf
                start.ready()
                await start.go()
                patience.deadline = anyio.current_time() + timeout
                if inspect is not None:
                    await inspect(service, gear.client(service.name))
                return await _ask(service, gear.client(service.name))
        return Probed(ok=False, error=f"It did not answer within {timeout:g} s.")
    except (ConfigurationError, MissingDependency) as exc:
        return Probed(ok=False, error=str(exc), configured=False)
    except Exception as exc:  # noqa: BLE001 - whatever a client raises for a backend that is down
        kind, text = describe(exc)
        return Probed(ok=False, error=f"{kind}: {text or 'it said no more'}")
    finally:
        if not connected:
            start.ready()


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
