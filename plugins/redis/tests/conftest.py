"""One Valkey for the tests that do it no harm, one of their own for those that do, and clients of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from plugins.redis.tests.support import Witness, bare
from switchgear.testing import ValkeyServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # redis.asyncio runs on nothing else


@pytest.fixture(scope="session")
def healthy() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def server(healthy: ValkeyServer) -> ValkeyServer:
    """A server in good health, with nothing in it."""
    async with bare(healthy.port) as client:
        await client.flushall()
    return healthy


@pytest.fixture
async def victim() -> AsyncIterator[ValkeyServer]:
    """A server that a test may hurt."""
    async with ValkeyServer() as server:
        yield server


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """`connect(server, **options)`: an unguarded client, closed at the end of the test."""
    async with AsyncExitStack() as stack:

        def connect(server: ValkeyServer, **options: Any) -> Any:
            client = bare(server.port, **options)
            stack.push_async_callback(client.aclose)
            return client

        yield connect


@pytest.fixture
def client(server: ValkeyServer, connect: Callable[..., Any], witness: Witness) -> Any:
    """A guarded client of the healthy server."""
    return witness.guard(connect(server, decode_responses=True))
