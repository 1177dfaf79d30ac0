"""Requests as OpenTelemetry's conventions for generative AI know them, but for streams: those last until they are read
to their end, and are timed here to their first chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchgear.spi import Convention

_OPERATIONS = {
    "openai.chat.completions": "chat",
    "openai.responses": "chat",
    "openai.completions": "text_completion",
    "openai.embeddings": "embeddings",
}
_PORTS = {"https": 443, "http": 80}


def _attributes(client: Any, operation: str, operation_class: str, domain: str) -> Mapping[str, str | int]:
    if operation not in _OPERATIONS or operation_class == "stream":
        return {}
    url = client.base_url
    return {
        "gen_ai.operation.name": _OPERATIONS[operation],
        "gen_ai.provider.name": "openai",  # which is also how those are known that are only compatible
        "gen_ai.request.model": domain,
        "server.address": url.host,
        "server.port": url.port or _PORTS.get(url.scheme, 0),
    }


CONVENTION: Convention[Any] = Convention(
    duration="gen_ai.client.operation.duration",
    attributes=_attributes,
    instrumentations=tuple(f"opentelemetry.instrumentation.{name}" for name in ("openai", "openai_v2", "genai.openai")),
)
