"""Names of services that nobody has named: what the configuration calls their address, or made of the address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from switchgear._errors import ConfigurationError
from switchgear._gear_config import ServiceConfig
from switchgear._spec import Backend

#: So many names are made of addresses at most: a tenant's host each must not become a series of metrics each.
_MOST = 100
_LONGEST = 80  # characters
#: What does not belong into the path of a URL or a variable of the environment.
_UNFIT = re.compile(r"[^A-Za-z0-9._:-]+")


class Names:
    """The names of one gear."""

    def __init__(self, configured: Sequence[ServiceConfig]) -> None:
        self._configured = configured
        self._addresses: dict[str, str | None] = {}
        self._made: set[str] = set()

    def of(self, backend: Backend[Any, Any], address: str) -> str:
        """The name of the service that clients of this address are."""
        for service in self._configured:
            if service.backend.name == backend.name and self._address(service) == address.lower():
                return service.name
        name = f"{backend.name}-{_UNFIT.sub('-', address).strip('-')}"[:_LONGEST]
        if name not in self._made and len(self._made) >= _MOST:
            return f"{backend.name}-others"
        self._made.add(name)
        return name

    def _address(self, service: ServiceConfig) -> str | None:
        """Where a configured service is. Found out when it is first asked for: by then the SDK has been imported."""
        if service.name not in self._addresses:
            self._addresses[service.name] = None
            with suppress(ConfigurationError):  # whoever connects it will say so
                instrument = service.backend.instrument
                found = instrument.address_in(service.settings) if instrument else None
                self._addresses[service.name] = found.lower() if found else None
        return self._addresses[service.name]
