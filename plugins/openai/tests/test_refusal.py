"""A refusal is the SDK's own error for an unreachable API, to everybody who looks."""

from __future__ import annotations

import pickle

import openai
import pytest

from plugins.openai.tests.support import ANYIO, KEY, MODEL, WAYS, Witness, chat, connection
from switchgear import CallNotPermitted, State
from switchgear.testing import OpenAIServer
from switchgear_openai._refusal import OpenAICallNotPermitted

pytestmark = ANYIO


@pytest.fixture
def refusing(witness: Witness, client: openai.AsyncOpenAI) -> openai.AsyncOpenAI:
    witness.gear.breaker("llm").force_open("maintenance until noon")
    return client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("caught", [CallNotPermitted, openai.APIConnectionError, openai.APIError, openai.OpenAIError])
async def test_existing_clauses_hold(way: str, caught: type[Exception], refusing: openai.AsyncOpenAI) -> None:
    """It is caught as switchgear's refusal and as each of the SDK's errors above it, from every kind of call."""
    with pytest.raises(caught, match="maintenance until noon") as refused:
        await WAYS[way](refusing)
    assert type(refused.value) is OpenAICallNotPermitted


async def test_neither_retried_nor_wrapped(llm: OpenAIServer, witness: Witness) -> None:
    """A client with retries left passes it on at once, as it is, and the server hears nothing."""
    async with connection(llm.base_url, max_retries=5) as client:
        witness.guard(client)
        witness.gear.breaker("llm").force_open("a test")
        before = await llm.requests()
        with pytest.raises(OpenAICallNotPermitted) as refused:
            await chat(client)
    assert refused.value.__cause__ is None
    assert len(witness.refused) == 1
    assert await llm.requests() == before


async def test_fields(refusing: openai.AsyncOpenAI) -> None:
    """It has the fields of both its parents."""
    with pytest.raises(OpenAICallNotPermitted) as raised:
        await chat(refusing)
    refusal = raised.value
    assert (refusal.breaker, refusal.state) == ("llm", State.FORCED_OPEN)
    assert refusal.request.url.path == "/v1/chat/completions"
    assert refusal.message == str(refusal)
    assert (refusal.body, refusal.code, refusal.param, refusal.type) == (None, None, None, None)


async def test_pickled(refusing: openai.AsyncOpenAI) -> None:
    """It pickles, and leaves the request with its key and prompt behind."""
    with pytest.raises(OpenAICallNotPermitted) as raised:
        await chat(refusing)
    pickled = pickle.dumps(raised.value)
    assert KEY.encode() not in pickled
    assert b"three four" not in pickled
    copy = pickle.loads(pickled)
    assert (type(copy), str(copy), copy.args) == (OpenAICallNotPermitted, str(raised.value), raised.value.args)


async def test_no_secrets(refusing: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness) -> None:
    """Neither key nor prompt is in a refusal, in an explanation or in a counter."""
    witness.gear.breaker("llm").reset()
    await llm.fault("status", status=500)
    raised = []
    for _ in range(6):
        with pytest.raises(openai.APIError) as caught:
            await chat(refusing)
        raised.append(str(caught.value))
    told = f"{raised}{witness.gear.breaker('llm', MODEL).explain()}{witness.gear.service('llm').counts()}"
    assert "HTTP 500 server_error" in told
    assert KEY not in told
    assert "three four" not in told
