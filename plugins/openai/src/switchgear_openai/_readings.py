"""What a guarded client shows of itself, without I/O. Loads the SDK."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from switchgear_openai._guard import guard_of, transport_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def gauges(client: AsyncOpenAI) -> Mapping[str, float]:
    """Requests and tokens left, as the last answer that said so."""
    guard = guard_of(client)
    return {f"remaining_{kind}": left for kind, left in guard.limits.remaining.items()} if guard else {}


def saturation(client: AsyncOpenAI) -> Mapping[str, float]:
    """The shares in use of the API's limits, as its answers say, until those are reset; and of the connections that the
    client may have, where it is httpx that keeps them, and in HTTP/1.1 each carries one request.
    """
    guard = guard_of(client)
    shares = {f"{kind}_quota": share for kind, share in guard.limits.used().items()} if guard else {}
    pool: Any = getattr(transport_of(client), "_pool", None)
    most: int = getattr(pool, "_max_connections", sys.maxsize)
    if most < sys.maxsize:
        busy = sum(not (connection.is_idle() or connection.is_closed()) for connection in pool.connections)
        shares["pool"] = busy / most
    return shares
