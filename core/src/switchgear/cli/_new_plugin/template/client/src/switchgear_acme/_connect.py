"""What is configured, and the client that is made of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AcmeSettings:
    """The keys of `[services.NAME.settings]`. A secret among them would be a `field(repr=False)`."""

    url: str = "http://127.0.0.1:7070"
    timeout: float = 5.0  #: seconds


@asynccontextmanager
async def connect(settings: AcmeSettings) -> AsyncGenerator[Any]:
    """A client with finite timeouts and without retries of its own."""
    import acme_client

    # FILL IN, for instance: async with acme_client.Client(settings.url, timeout=settings.timeout) as client:
    raise NotImplementedError(f"connect() is to be filled in: make a client of {acme_client.__name__}, and yield it.")
    yield
