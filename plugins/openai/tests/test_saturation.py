"""How full a client's connections are, while requests really hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import openai

from plugins.openai.tests.support import ANYIO, TLS, Witness, chat, connection, outcome, until
from switchgear_openai import BACKEND

if TYPE_CHECKING:
    from switchgear.testing import OpenAIServer

pytestmark = ANYIO

assert BACKEND.saturation
saturation: Callable[[Any], Mapping[str, float]] = BACKEND.saturation


def limited(base_url: str, most: int | None) -> openai.AsyncOpenAI:
    import httpx2

    http_client = openai.DefaultAsyncHttpx2Client(verify=TLS, limits=httpx2.Limits(max_connections=most))
    timeout = openai.Timeout(30.0, pool=0.05)
    return connection(base_url, http_client=http_client, timeout=timeout)


def is_saturated(client: openai.AsyncOpenAI, share: float) -> bool:
    return saturation(client) == {"pool": share}


async def test_a_pool_is_as_full_as_the_share_of_its_connections_that_requests_hold(
    llm: OpenAIServer, witness: Witness
) -> None:
    """From empty to full, where the next request finds no connection, and back. Nobody blames the API for that: it is
    the pool that the service says is full."""
    async with limited(llm.base_url, 2) as client:
        witness.guard(client)
        assert saturation(client) == {"pool": 0.0}
        await llm.fault("hang")
        async with anyio.create_task_group() as tasks:
            for held in (0.5, 1.0):
                tasks.start_soon(chat, client)
                await until(partial(is_saturated, client, held))
            assert "APITimeoutError" in (await outcome(chat(client))).raised
            assert witness.state() == "CLOSED"
            assert witness.gear.service("llm").saturations()["pool"] == 1
            await llm.heal()
        assert saturation(client) == {"pool": 0.0}


async def test_connections_without_a_limit_are_never_all_in_use(llm: OpenAIServer, witness: Witness) -> None:
    """There is no share to tell."""
    async with limited(llm.base_url, None) as client:
        await chat(witness.guard(client))
        assert saturation(client) == {}
