"""Budgets of tokens and money: what a call is let through for, what it is charged, and whom that keeps waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from plugins.openai.tests.support import ANYIO, MODEL, TEXT, chat, connection, embed, stream
from switchgear import ConfigurationError, LimitExceeded, Pipeline, RateLimit, Retry, Strategy, Switchgear
from switchgear.spi import Call, Operation
from switchgear.testing import VirtualClock
from switchgear_openai import BACKEND, Spend, Tokens

if TYPE_CHECKING:
    from switchgear.testing import OpenAIServer

pytestmark = ANYIO

CHAT = Operation(name="openai.chat.completions", klass="write")
#: What the server says of the calls of these tests, in tokens: of the prompt, and of the answer to it.
PROMPT, ANSWER = 6, 8


def call(operation: Operation = CHAT, domain: str = MODEL, **body: Any) -> Call:
    """One with that body, as the client hands it on."""
    return Call(Pipeline(), operation, domain, partial(chat, **body))


@asynccontextmanager
async def budgeted(llm: OpenAIServer, *strategies: Strategy) -> AsyncIterator[openai.AsyncOpenAI]:
    gear = Switchgear(clock=VirtualClock())
    async with connection(llm.base_url) as client:
        yield gear.guard(client, BACKEND, name="llm", pipeline=strategies)


def left(budget: RateLimit, model: str | None = MODEL) -> float:
    now = VirtualClock()()
    return budget.meter(now, model).bucket.left(now)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 30}, 10 + 30),
        ({"messages": [{"role": "user", "content": "x" * 40}], "max_completion_tokens": 7, "n": 3}, 10 + 21),
        ({"messages": [{"role": "user", "content": "x" * 40}] * 2}, 20 + 500),
        ({"messages": [{"content": [{"type": "text", "text": "x" * 40}, {"type": "image_url"}]}]}, 10 + 500),
        ({"input": "x" * 400, "max_output_tokens": 5}, 100 + 5),
        ({"prompt": ["x" * 40, "x" * 40]}, 20 + 500),
        ({}, 500),
    ],
)
def test_estimates(body: Any, expected: float) -> None:
    """Four characters a token, and as long an answer as it may be; with none said, the budget's own guess."""
    assert Tokens(30_000).estimate(call(**body)) == expected


def test_an_embedding_has_no_answer() -> None:
    """Nothing is made but what was asked about."""
    operation = Operation(name="openai.embeddings")
    assert Tokens(30_000).estimate(call(operation, input="x" * 40)) == 10


def test_prices() -> None:
    """Of a million tokens, by kind and model; what has no price costs as much as the dearest."""
    spend = Spend(5.0, prices={"small": (0.1, 0.4), "large": (2.0, 8.0)})
    assert spend.price("small", 1_000_000, 500_000) == pytest.approx(0.3)
    assert spend.price("large", 1_000_000, 500_000) == pytest.approx(6.0)
    assert spend.price("new", 1_000_000, 500_000) == pytest.approx(6.0)
    assert spend.describe() == "5 dollars in 3600 s"


def test_money_without_prices() -> None:
    """It is said where they belong."""
    with pytest.raises(ConfigurationError) as error:
        Spend(5.0)
    assert error.value.key == "prices"


async def test_a_call_is_charged_what_it_came_to(llm: OpenAIServer) -> None:
    """As its answer says."""
    tokens = Tokens(6000, burst=1000)
    async with budgeted(llm, tokens) as client:
        await chat(client)
        assert left(tokens) == pytest.approx(1000 - PROMPT - ANSWER)


async def test_an_answer_that_does_not_say_what_it_came_to(llm: OpenAIServer) -> None:
    """A stream without usage is charged what was thought."""
    tokens = Tokens(6000, burst=1000)
    async with budgeted(llm, tokens) as client:
        await stream(client)
        assert left(tokens) == pytest.approx(1000 - tokens.estimate(call(messages=TEXT)))


async def test_a_stream_is_charged_at_its_end(llm: OpenAIServer) -> None:
    """With the usage that its last chunk tells."""
    tokens = Tokens(6000, burst=1000)
    async with budgeted(llm, tokens) as client:
        chunks = await client.chat.completions.create(
            model=MODEL, messages=TEXT, stream=True, stream_options={"include_usage": True}
        )
        assert left(tokens) < 500
        async for _ in chunks:
            pass
        assert left(tokens) == pytest.approx(1000 - PROMPT - ANSWER)


async def test_embeddings_are_charged(llm: OpenAIServer) -> None:
    """They have usage, too."""
    tokens = Tokens(6000, burst=1000)
    async with budgeted(llm, tokens) as client:
        await embed(client)
        assert 990 < left(tokens) < 1000


async def test_both_budgets_of_one_call(llm: OpenAIServer) -> None:
    """Money is one budget for all models; tokens are each model's own."""
    tokens, spend = Tokens(6000, burst=1000), Spend(3.6, burst=1.0, prices={MODEL: (1000.0, 10_000.0)})
    async with budgeted(llm, spend, tokens) as client:
        await client.chat.completions.create(model=MODEL, messages=TEXT, max_tokens=20)
        assert left(tokens) == pytest.approx(1000 - PROMPT - ANSWER)
        assert left(spend, None) == pytest.approx(1.0 - 0.001 * PROMPT - 0.01 * ANSWER)
        assert left(tokens, "other") == 1000


async def test_each_attempt_costs(llm: OpenAIServer) -> None:
    """A failed one as much as was thought, for nobody knows whether it was billed."""
    tokens = Tokens(6000, burst=1000, answer=100)
    async with budgeted(llm, Retry(attempts=2, initial=0, max=0), tokens) as client:
        await llm.fault("status", status=500, count=1)
        await chat(client)
        assert left(tokens) == pytest.approx(1000 - PROMPT - ANSWER - tokens.estimate(call(messages=TEXT)))


async def test_who_cannot_pay_is_refused_in_the_sdks_words(llm: OpenAIServer) -> None:
    """Before the API is asked; and is told when to come again."""
    tokens = Tokens(60, burst=1, answer=60, max_wait=0)
    async with budgeted(llm, tokens) as client:
        await chat(client)  # one that costs more than a full bucket holds is let through when it is full
        before = await llm.requests()
        with pytest.raises(openai.APIConnectionError) as refused:
            await chat(client)
        assert await llm.requests() == before
        assert isinstance(refused.value, LimitExceeded)
        assert refused.value.strategy == "openai.tokens"
        assert refused.value.retry_after == pytest.approx(PROMPT + ANSWER)


async def test_retry_after_holds_the_model(llm: OpenAIServer) -> None:
    """A 429 says when; until then nothing of that model is sent, of others all."""
    limit = RateLimit(100, max_wait=0, by="domain")
    async with budgeted(llm, limit) as client:
        await llm.fault("status", status=429, retry_after=7, count=1)
        with pytest.raises(openai.RateLimitError):
            await chat(client)
        with pytest.raises(LimitExceeded) as refused:
            await chat(client)
        assert refused.value.retry_after == pytest.approx(7)
        assert await chat(client, "other")


def test_in_a_configuration(tmp_path: Path) -> None:
    """Both are the plugin's strategies, by name."""
    file = tmp_path / "switchgear.toml"
    file.write_text("""
        [services.llm]
        plugin = "openai"
        settings = { api_key = "sk-made-up" }
        [services.llm.pipeline]
        "openai.tokens" = { rate = 30000, answer = 100 }
        "openai.spend" = { rate = 5.0, prices = { "gpt-4o" = [2.5, 10.0] } }
    """)
    [service] = Switchgear.from_toml(file)._config.services  # type: ignore[union-attr]
    said = {each.name: each.describe() for each in service.pipeline or ()}
    assert said["openai.tokens"] == "30000 tokens in 60 s for each domain"
    assert said["openai.spend"] == "5 dollars in 3600 s"
