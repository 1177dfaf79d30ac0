from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from plugins.openai.tests.support import Witness, connection
from switchgear.testing import OpenAIServer

if TYPE_CHECKING:
    import openai


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "llmock: judged by llmock, a server that is not ours")


@pytest.fixture(scope="module")
async def server(anyio_backend: object) -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def llm(server: OpenAIServer) -> AsyncIterator[OpenAIServer]:
    """The server, in good health before and after."""
    yield server
    if not server.running:
        await server.restart()
    await server.heal()


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def client(llm: OpenAIServer, witness: Witness) -> AsyncIterator[openai.AsyncOpenAI]:
    """A guarded client without retries."""
    async with connection(llm.base_url) as made:
        yield witness.guard(made)


@pytest.fixture
async def bare(llm: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same client, not guarded."""
    async with connection(llm.base_url) as made:
        yield made
