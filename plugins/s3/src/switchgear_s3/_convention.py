"""Requests as OpenTelemetry's conventions for HTTP know them: to the head of the answer, whose body is read later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from switchgear.spi import Convention

_PORTS = {"https": 443, "http": 80}


def _attributes(client: Any, operation: str, _class: str, _domain: str) -> Mapping[str, str | int]:
    """None for what is no operation of the API: an active check."""
    name = client.meta.method_to_api_mapping.get(operation.removeprefix("s3."))
    if name is None:
        return {}
    method: str = client.meta.service_model.operation_model(name).http["method"]
    endpoint: str = client.meta.endpoint_url
    url = urlsplit(endpoint)
    port = url.port or _PORTS.get(url.scheme, 0)
    return {"http.request.method": method, "server.address": url.hostname or "", "server.port": port}


CONVENTION: Convention[Any] = Convention(
    duration="http.client.request.duration",
    attributes=_attributes,
    instrumentations=tuple(
        f"opentelemetry.instrumentation.{name}" for name in ("botocore", "aiobotocore", "aiohttp_client", "httpx")
    ),
)
