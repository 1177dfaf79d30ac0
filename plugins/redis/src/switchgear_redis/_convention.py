"""Commands as OpenTelemetry's conventions for databases know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchgear.spi import Convention
from switchgear_redis._commands import CONNECT, OPERATIONS, OTHER

_KNOWN = {operation.name for operation in OPERATIONS} - {CONNECT.operation.name, OTHER.operation.name}


def _attributes(_client: Any, operation: str, _class: str, domain: str) -> Mapping[str, str | int]:
    """None for what is no command: taking a connection, an active check."""
    if operation not in _KNOWN:
        return {}
    command = operation.removeprefix("redis.").upper()
    host, _, port = domain.rpartition("/")[0].rpartition(":")
    address = {"server.address": host, "server.port": port} if port.isdigit() else {}  # else it is a Unix socket
    return {"db.system.name": "redis", "db.operation.name": command, **address}


CONVENTION: Convention[Any] = Convention(
    duration="db.client.operation.duration",
    attributes=_attributes,
    instrumentations=("opentelemetry.instrumentation.redis",),
)
