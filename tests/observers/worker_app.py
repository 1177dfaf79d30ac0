"""An application as one worker runs it: each has a gear of its own, and any of them answers for all."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from switchgear import Switchgear
from switchgear.observers.prometheus import PrometheusObserver, render
from tests.backends import Client, backend_of


async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """ASGI: GET /call, /isolate?pid=N, /metrics; all but the last answer with the worker's pid."""
    if scope["type"] == "lifespan":
        await receive()
        gear = Switchgear()
        client = gear.guard(Client(), backend_of(), name="it")
        PrometheusObserver(gear)
        async with gear:
            scope["state"].update(gear=gear, client=client)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    gear, client = scope["state"]["gear"], scope["state"]["client"]
    body, content_type = json.dumps(os.getpid()).encode(), "application/json"
    query = dict(parse_qsl(scope["query_string"].decode()))
    if scope["path"] == "/call":
        client.get()
    elif scope["path"] == "/isolate" and query["pid"] == str(os.getpid()):
        gear.breaker("it").force_open("a test")
    elif scope["path"] == "/metrics":
        body, content_type = render(gear)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type.encode())]})
    await send({"type": "http.response.body", "body": body})
