"""What is configured, and the client that is made of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchgear_acme.client import Client


@dataclass(frozen=True, kw_only=True)
class AcmeSettings:
    """The keys of `[services.NAME.settings]`. A secret among them would be a `field(repr=False)`."""

    host: str = "127.0.0.1"
    port: int = 7070
    timeout: float = 5.0  #: seconds


@asynccontextmanager
async def connect(settings: AcmeSettings) -> AsyncGenerator[Client]:
    """A client with finite timeouts and without retries of its own."""
    from switchgear_acme.client import Client

    yield Client(settings.host, settings.port, timeout=settings.timeout)
