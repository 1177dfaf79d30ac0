"""Every fault that the stand-in server knows: the caller sees what he would see unguarded, the breaker its verdict."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from plugins.openai.tests.support import ANYIO, MODEL, WAYS, Witness, connection, outcome
from switchgear.spi import Verdict
from switchgear.testing import OpenAIServer

pytestmark = ANYIO

FAILURE, SUCCESS = Verdict.FAILURE, Verdict.SUCCESS
STREAMS = ("stream", "raw_stream")
PLAIN = tuple(way for way in WAYS if way not in STREAMS)

# fault -> what it takes, in which ways of calling it strikes, what the caller gets, the verdict
FAULTS: dict[str, tuple[str, dict[str, Any], tuple[str, ...], str, Verdict]] = {
    "none": ("slow", {"seconds": 0.01}, tuple(WAYS), "", SUCCESS),
    "rate limit": ("status", {"status": 429}, tuple(WAYS), "RateLimitError", Verdict.THROTTLED),
    "wait": ("status", {"status": 429, "retry_after": 2}, tuple(WAYS), "RateLimitError", Verdict.THROTTLED.after(2.0)),
    "quota": (
        "status",
        {"status": 429, "code": "insufficient_quota", "retry_after": 2},
        tuple(WAYS),
        "RateLimitError",
        Verdict.EXHAUSTED.everywhere(),
    ),
    "500": ("status", {"status": 500}, tuple(WAYS), "InternalServerError", FAILURE),
    "503": ("status", {"status": 503}, tuple(WAYS), "InternalServerError", FAILURE),
    "overloaded": ("status", {"status": 503, "code": "slow_down"}, ("chat",), "InternalServerError", Verdict.THROTTLED),
    "timeout": ("status", {"status": 408}, ("chat",), "APIStatusError", FAILURE),
    "401": ("status", {"status": 401}, tuple(WAYS), "AuthenticationError", Verdict.IGNORED),
    "403": ("status", {"status": 403}, ("chat",), "PermissionDeniedError", Verdict.IGNORED),
    "409": ("status", {"status": 409}, ("chat",), "ConflictError", Verdict.IGNORED),
    "400": ("status", {"status": 400}, tuple(WAYS), "BadRequestError", SUCCESS),
    "404": ("status", {"status": 404}, ("chat", "stream"), "NotFoundError", SUCCESS),
    "reset": ("reset", {}, tuple(WAYS), "APIConnectionError", FAILURE),
    "hang": ("hang", {}, ("chat", "stream"), "APITimeoutError", FAILURE),
    "web page": ("html", {}, ("chat", "embed", "raw"), "AttributeError", FAILURE),  # the SDK returns the page's text
    "web page for a stream": ("html", {}, STREAMS, "", FAILURE),
    "cut": ("cut", {"after": 1}, ("chat", "embed", "raw", "stream", "raw_stream"), "APIConnectionError", FAILURE),
    "cut under the caller": ("cut", {"after": 1}, ("streaming_response",), "ReadError", FAILURE),
    "short": ("truncate", {"after": 1}, ("chat", "embed", "raw"), "APIConnectionError", FAILURE),
    "truncated": ("truncate", {"after": 3}, STREAMS, "", FAILURE),
    "stall": ("stall", {"after": 1}, ("chat", "stream"), "APITimeoutError", FAILURE),
    "broken chunk": ("malformed", {"after": 2}, STREAMS, "JSONDecodeError", FAILURE),
    "broken answer": ("malformed", {"after": 0}, ("chat", "embed", "raw"), "JSONDecodeError", FAILURE),
    "error event": ("stream_error", {"after": 2}, STREAMS, "APIError", FAILURE),
}


@pytest.mark.parametrize(("fault", "way"), [(fault, way) for fault, row in FAULTS.items() for way in row[2]])
async def test_fault(fault: str, way: str, llm: OpenAIServer, witness: Witness) -> None:
    """The guarded caller's result or exception is the unguarded caller's, and the breaker hears one verdict."""
    kind, details, _, raised, verdict = FAULTS[fault]
    timeout = 0.25 if kind in {"hang", "stall"} else 5.0
    await llm.fault(kind, **details)  # type: ignore[arg-type]
    async with connection(llm.base_url, timeout=timeout) as bare, connection(llm.base_url, timeout=timeout) as client:
        expected = await outcome(WAYS[way](bare))
        seen = await outcome(WAYS[way](witness.guard(client)))
    assert raised in expected.raised
    assert bool(raised) == bool(expected.raised)
    assert seen == expected
    assert [(event.verdict, event.domain) for event in witness.settled] == [(verdict, MODEL)]


@pytest.mark.parametrize("way", WAYS)
async def test_dead_address(way: str, witness: Witness, server: OpenAIServer) -> None:
    """A refused connection is a failure of the whole service, and the SDK's usual error to the caller."""
    url = "http://127.0.0.1:9/v1"  # the discard port: nothing listens there
    async with connection(url) as bare, connection(url) as client:
        expected = await outcome(WAYS[way](bare))
        seen = await outcome(WAYS[way](witness.guard(client)))
    assert "APIConnectionError" in expected.raised
    assert seen == expected
    assert witness.verdicts == [FAILURE.everywhere()]


async def test_truncated_streams_are_counted(client: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness) -> None:
    """A stream that just stops is counted apart, as the caller hears nothing of it."""
    await WAYS["stream"](client)
    assert witness.count("truncated_streams") == 0
    await llm.fault("truncate", after=2)
    await WAYS["stream"](client)
    assert witness.count("truncated_streams") == 1


async def test_denied_credentials_are_counted(client: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness) -> None:
    """401 and 403 say nothing of the backend's health, and are counted for whoever watches credentials."""
    for status in (401, 403, 401):
        await llm.fault("status", status=status)
        with pytest.raises(openai.APIStatusError):
            await WAYS["chat"](client)
    assert (witness.count("auth_errors", status="401"), witness.count("auth_errors", status="403")) == (2, 1)
    assert witness.state() == "CLOSED"
