"""A server of WebSockets that greets whoever connects, and what is asked of it and of those who watch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve

from plugins.openai.tests.support import MODEL, Witness
from switchgear import BreakerConfig, Verdict

if TYPE_CHECKING:
    import openai
    from websockets.http11 import Request, Response

#: Opens at the first failure, and stays open.
TOUCHY = BreakerConfig(consecutive_failures=1, wait_duration_in_open=60, ramp=None)
CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": {"type": "realtime", "id": "s"}})


class SocketServer:
    """Greets whoever connects, then does what `then` says; `refuse` answers the handshake in its place."""

    def __init__(self) -> None:
        self.then: Callable[[ServerConnection], Awaitable[Any]] = ServerConnection.wait_closed
        self.refuse: Callable[[ServerConnection, Request], Response] | None = None
        self.paths: list[str] = []

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return self.refuse(connection, request) if self.refuse else None

    async def _greet(self, connection: ServerConnection) -> None:
        await connection.send(CREATED)
        await self.then(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server: Server
        async with serve(self._greet, "127.0.0.1", 0, process_request=self._answer, close_timeout=0.2) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def realtime(client: openai.AsyncOpenAI, **options: Any) -> Any:
    return client.realtime.connect(model=MODEL, **options)


def calls(witness: Witness) -> list[tuple[str, str, Verdict]]:
    return [(event.operation, event.domain, event.verdict) for event in witness.settled]
