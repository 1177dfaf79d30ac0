from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from plugins.openai.tests.sockets.server import SocketServer
from plugins.openai.tests.support import Witness, connection

if TYPE_CHECKING:
    import openai


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # websockets runs on nothing else


@pytest.fixture
async def sockets() -> AsyncIterator[SocketServer]:
    server = SocketServer()
    async with server.running():
        yield server


@pytest.fixture
async def client(sockets: SocketServer, witness: Witness) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connection(sockets.base_url) as made:
        yield witness.guard(made)
