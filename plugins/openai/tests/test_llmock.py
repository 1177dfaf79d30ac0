"""The same, judged by llmock: a server that is not ours, whose faults were made for other clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from plugins.openai.tests.support import ANYIO, MODEL, TEXT, Witness, chat, connection, outcome, stream
from switchgear import BreakerConfig, CallNotPermitted
from switchgear.spi import Verdict
from switchgear_openai import BACKEND

pytestmark = [*ANYIO, pytest.mark.llmock]

FAILURE, SUCCESS, THROTTLED = Verdict.FAILURE, Verdict.SUCCESS, Verdict.THROTTLED

# name -> how llmock is asked for it, the call, what the caller gets, the verdict
FAULTS: dict[str, tuple[Callable[[Any], Any], Any, str, Verdict]] = {
    "500": (lambda llmock: llmock.fail(500, times=2), chat, "InternalServerError", FAILURE),
    "outage": (lambda llmock: llmock.outage(), stream, "InternalServerError", FAILURE),
    "rate limit": (
        lambda llmock: llmock.rate_limit(times=2, retry_after=3),
        chat,
        "RateLimitError",
        THROTTLED.after(3.0),
    ),
    "quota": (
        lambda llmock: llmock.fail(429, code="insufficient_quota", times=2),
        chat,
        "RateLimitError",
        Verdict.EXHAUSTED.everywhere(),
    ),
    "too long": (lambda llmock: llmock.context_overflow(times=2), chat, "BadRequestError", SUCCESS),
    "key": (lambda llmock: llmock.fail(401, times=2), chat, "AuthenticationError", Verdict.IGNORED),
    "disconnect": (lambda llmock: llmock.disconnect(after_chunks=3, times=2), stream, "APIConnectionError", FAILURE),
    "truncate": (lambda llmock: llmock.truncate(after_chunks=3, times=2), stream, "", FAILURE),
    "corrupt": (lambda llmock: llmock.corrupt(after_chunks=3, times=2), stream, "JSONDecodeError", FAILURE),
    "stall": (lambda llmock: llmock.stall(after_chunks=2, seconds=2, times=2), stream, "APITimeoutError", FAILURE),
    "slow": (lambda llmock: llmock.slow_first_token(0.05, times=2), stream, "", SUCCESS),
    "none": (lambda llmock: llmock, chat, "", SUCCESS),
}


@pytest.fixture
async def guarded(llmock: Any, witness: Witness) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connection(llmock.base_url()) as client:
        yield witness.guard(client)


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault(fault: str, llmock: Any, witness: Witness) -> None:
    """The guarded caller sees what the unguarded one sees, and the verdict is the one of our own server's fault."""
    ask, call, raised, verdict = FAULTS[fault]
    ask(llmock)
    timeout = 0.3 if fault == "stall" else 5.0
    url = llmock.base_url()
    async with connection(url, timeout=timeout) as bare, connection(url, timeout=timeout) as client:
        expected = await outcome(call(bare))
        assert await outcome(call(witness.guard(client))) == expected
    assert raised in expected.raised
    assert bool(raised) == bool(expected.raised)
    assert witness.verdicts == [verdict]


async def test_real_limits(guarded: openai.AsyncOpenAI, llmock: Any, witness: Witness) -> None:
    """A real quota: what is left is known from the headers, and when it is used up the model rests until it refills."""
    llmock.limits(rpm=2, tpm=100_000)
    assert BACKEND.gauges is not None
    assert BACKEND.saturation is not None
    await chat(guarded)
    assert BACKEND.gauges(guarded)["remaining_requests"] == 1
    assert BACKEND.gauges(guarded)["remaining_tokens"] < 100_000
    assert BACKEND.saturation(guarded)["requests_quota"] == 0.5
    assert 0 < BACKEND.saturation(guarded)["tokens_quota"] < 0.01
    await chat(guarded)
    assert BACKEND.saturation(guarded)["requests_quota"] == 1.0
    assert witness.gear.service("llm").saturations()["requests_quota"] == 1.0
    with pytest.raises(openai.RateLimitError):
        await chat(guarded)
    with pytest.raises(CallNotPermitted) as refused:
        await chat(guarded)
    assert 20 < (refused.value.retry_after or 0) <= 30
    assert len(llmock.requests) == 3


async def test_retries_are_vetoed(llmock: Any) -> None:
    """Llmock counts the attempts of one call: the guarded client stops when its breaker opens, and never storms."""
    llmock.fail(500, times=None, retry_after=0.01)
    async with connection(llmock.base_url(), max_retries=8) as client:
        Witness(BreakerConfig(consecutive_failures=3)).guard(client)
        with pytest.raises(openai.InternalServerError):
            await chat(client)
    assert len(llmock.requests) == 3
    llmock.assert_resilient()


async def test_tool_calls(guarded: openai.AsyncOpenAI, llmock: Any, witness: Witness) -> None:
    """A streamed tool call ends well; cut within its arguments, it does not."""
    llmock.call_tool("search", {"query": 'a "{" in a text', "error": {"code": 500}}, times=2)
    tools: Any = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
    for _ in range(2):
        async for _chunk in await guarded.chat.completions.create(model=MODEL, messages=TEXT, tools=tools, stream=True):
            pass
        llmock.truncate(after_chunks=3)
    assert witness.verdicts == [SUCCESS, FAILURE]


async def test_responses(guarded: openai.AsyncOpenAI, llmock: Any, witness: Witness) -> None:
    """The Responses API, which ends its streams in its own way: whole, cut short, and plain."""
    assert (await guarded.responses.create(model=MODEL, input="hello")).output_text
    tokens = witness.count("tokens", kind="completion")
    assert tokens > 0
    for _ in range(2):
        async for _event in await guarded.responses.create(model=MODEL, input="hello", stream=True):
            pass
        llmock.truncate(after_chunks=3)
    assert witness.verdicts == [SUCCESS, SUCCESS, FAILURE]
    assert witness.count("tokens", kind="completion") > tokens
    assert {event.operation for event in witness.settled} == {"openai.responses"}


async def test_the_rest_of_the_api(guarded: openai.AsyncOpenAI, witness: Witness) -> None:
    """Embeddings, models and pictures pass the guard too, each as its own operation."""
    await guarded.embeddings.create(model=MODEL, input=["a", "b"])
    await guarded.models.list()
    await guarded.images.generate(model=MODEL, prompt="a breaker")
    assert witness.verdicts == [SUCCESS] * 3
    assert [event.operation for event in witness.settled] == [
        "openai.embeddings",
        "openai.models",
        "openai.images.generations",
    ]
