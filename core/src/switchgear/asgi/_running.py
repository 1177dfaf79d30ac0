"""Serving the endpoints by uvicorn, from inside a process that does something else as well."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import anyio

from switchgear._errors import MissingDependency

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Server

#: Seconds that requests may take to end when the server is told to.
_LEAVE = 3


def server_of(app: ASGIApp, *, leave: int = _LEAVE) -> Server:
    """A server that says nothing of its own, believes no proxy, and gives requests `leave` seconds to end.

    Raises MissingDependency where uvicorn is not installed.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as exc:
        raise MissingDependency("uvicorn, which listens,", install="switchgear[http]") from exc
    config = uvicorn.Config(
        app, loop="asyncio", log_config=None, server_header=False, proxy_headers=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=leave,
    )  # fmt: skip
    config.access_log = False  # said at once, it would end that of an application which is served by uvicorn too
    return uvicorn.Server(config)


@asynccontextmanager
async def running(app: ASGIApp, listening: socket.socket) -> AsyncGenerator[None]:
    """Serves the application at a socket while inside. On leaving, requests have three seconds to end.

    Raises MissingDependency where uvicorn is not installed.
    """
    server = server_of(app)

    async def serve() -> None:
        # It ends when it is told to leave, and not before its clients have been.
        with anyio.CancelScope(shield=True):
            await server.serve(sockets=[listening])

    # Signals are for whoever runs the process, which is not this.
    setattr(server, "capture_signals", nullcontext)  # noqa: B010 - mypy would take it for a method

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        try:
            yield
        finally:
            server.should_exit = True
