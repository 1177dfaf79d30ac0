"""The gear's own endpoints and live page, at a free port of the loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from switchgear._gear import Switchgear
from switchgear.asgi import create_app
from switchgear.asgi._running import running


@asynccontextmanager
async def watchable(gear: Switchgear) -> AsyncGenerator[str]:
    """Serves them while inside; what is yielded is the page's address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        async with running(create_app(gear, hosts={host, "localhost"}), listening):
            yield f"http://{host}:{port}/"
