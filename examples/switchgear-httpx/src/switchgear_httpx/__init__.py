"""The switchgear plugin for httpx: guards every request of an AsyncClient, with a breaker for each host.

    client = switchgear_httpx.guard(httpx.AsyncClient(), gear, name="partners")

Importing it does not import httpx.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from switchgear.spi import (
    Backend,
    BreakerConfig,
    ConfigurationError,
    Convention,
    HealthConfig,
    Operation,
    Service,
    hookimpl,
)
from switchgear_httpx._classify import classify

if TYPE_CHECKING:
    from httpx import AsyncClient

    from switchgear import Switchgear

__all__ = ["BACKEND", "HttpxSettings", "guard", "register_backends"]

ClientT = TypeVar("ClientT", bound="AsyncClient")

#: By method. A PUT may be repeated by what HTTP says; but its body may be a stream, which can be sent once.
OPERATIONS = {
    "GET": Operation(name="httpx.get", klass="read", idempotent=True),
    "HEAD": Operation(name="httpx.head", klass="read", idempotent=True),
    "OPTIONS": Operation(name="httpx.options", klass="read", idempotent=True),
    "DELETE": Operation(name="httpx.delete", klass="write", idempotent=True),
    "PUT": Operation(name="httpx.put", klass="write"),
    "POST": Operation(name="httpx.post", klass="write"),
    "PATCH": Operation(name="httpx.patch", klass="write"),
}


@dataclass(frozen=True, kw_only=True)
class HttpxSettings:
    """How to connect. Times are in seconds."""

    #: What relative URLs are relative to.
    base_url: str = ""
    #: Sent with every request. They may hold credentials, where the URL may not.
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    #: How long an answer, or the next piece of one, may take; and a connection out of the pool.
    timeout: float = 5.0
    connect_timeout: float = 2.0
    max_connections: int = 100


@asynccontextmanager
async def _connect(settings: HttpxSettings) -> AsyncGenerator[AsyncClient]:
    import httpx

    base_url = httpx.URL(settings.base_url)
    if base_url.userinfo:  # it would be shown wherever the host is
        raise ConfigurationError("Credentials do not belong into the URL: give them in `headers`.", key="base_url")
    async with httpx.AsyncClient(
        base_url=base_url,
        headers=settings.headers,
        timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
        limits=httpx.Limits(max_connections=settings.max_connections),
    ) as client:
        yield client


def _guard(client: AsyncClient, service: Service) -> AsyncClient:
    from switchgear_httpx._guard import guard

    return guard(client, service)


def _owner(client: Any) -> Service | None:
    return getattr(client._transport, "switchgear_service", None)  # noqa: SLF001 - as in `_guard`


async def _probe(client: AsyncClient, domain: str) -> bool:
    """Whether the host answers, by the head of a page; what it says of the page is all the same."""
    url = domain or str(client.base_url)
    if not url:
        return False
    response = await client.head(url)
    if response.is_server_error:
        response.raise_for_status()
    return True


def _attributes(_client: AsyncClient, operation: str, _klass: str, domain: str) -> Mapping[str, str | int]:
    scheme, _, address = domain.partition("://")
    host, _, port = address.partition(":")
    method = operation.removeprefix("httpx.").upper()
    return {
        "http.request.method": method if method in OPERATIONS else "_OTHER",
        "url.scheme": scheme,
        "server.address": host,
        "server.port": int(port or (443 if scheme == "https" else 80)),
    }


BACKEND: Backend[Any, HttpxSettings] = Backend(
    name="httpx",
    settings=HttpxSettings,
    connect=_connect,
    guard=_guard,
    owner=_owner,
    classify=classify,
    operations=tuple(OPERATIONS.values()),
    probe=_probe,
    convention=Convention(
        duration="http.client.request.duration",
        attributes=_attributes,
        instrumentations=("opentelemetry.instrumentation.httpx",),
    ),
    health=HealthConfig(tolerated={"read": 0.5, "write": 1.0}),
    recommended=BreakerConfig(slow_call_duration_threshold={"read": 2.0, "write": 4.0}, consecutive_failures=5),
    sdk="httpx>=0.27",
)


def guard(client: ClientT, gear: Switchgear, *, name: str) -> ClientT:
    """Guard an existing client in place, as the service `name`, and return it. Raises ConfigurationError."""
    guarded: ClientT = gear.guard(client, BACKEND, name=name)
    return guarded


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """The clients of httpx."""
    return [BACKEND]
