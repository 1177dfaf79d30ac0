"""Where clients come from, where they go, and whose they are. Asked when there is a client, so the SDK is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from switchgear.spi import Instrument, Service
from switchgear_openai._connect import OpenAISettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_DEFAULT = "https://api.openai.com/v1"
_PORTS = {"http": 80, "https": 443}


def owner(client: AsyncOpenAI) -> Service | None:
    """The service that guards a client, or the connections that it shares with others."""
    from switchgear_openai._guard import guard_of

    guard = guard_of(client)
    return None if guard is None else guard.service


def _address(client: AsyncOpenAI) -> str:
    return client.base_url.netloc.decode("ascii")


def _address_in(settings: OpenAISettings) -> str | None:
    url = urlsplit(settings.base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT)
    if url.hostname is None:
        return None
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return host if url.port in {None, _PORTS.get(url.scheme)} else f"{host}:{url.port}"


INSTRUMENT: Instrument[AsyncOpenAI, OpenAISettings] = Instrument(
    # OpenAI, too: it blocks and cannot be guarded, of which the log is told.
    made_by=("openai:AsyncOpenAI.__init__", "openai:OpenAI.__init__"),
    address=_address,
    address_in=_address_in,
)
