"""What the breaker does with the verdicts, against a real server: it trips, refuses, spares the rest, and recovers."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import anyio
import httpx2
import openai
import pytest

from plugins.openai.tests.support import (
    ANYIO,
    MODEL,
    TLS,
    WAYS,
    Witness,
    chat,
    connection,
    outcome,
    stream,
    until,
)
from switchgear import BreakerConfig, CallNotPermitted, Reason, Switchgear
from switchgear.spi import Verdict
from switchgear.testing import Bandwidth, FaultProxy, OpenAIServer, VirtualClock
from switchgear_openai import BACKEND
from switchgear_openai._refusal import OpenAICallNotPermitted

pytestmark = ANYIO

FAILURE, SUCCESS = Verdict.FAILURE, Verdict.SUCCESS
QUICK = BreakerConfig(consecutive_failures=2, wait_duration_in_open=0.1, permitted_calls_in_half_open=1, ramp=None)


async def fail(client: openai.AsyncOpenAI, times: int, model: str = MODEL) -> None:
    for _ in range(times):
        with pytest.raises(openai.APIError):
            await chat(client, model)


async def test_killed_server(client: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness) -> None:
    """Killed: the breaker trips for all models, and refuses whatever is asked in under 5 ms."""
    await chat(client)
    await llm.kill()
    await fail(client, 5)
    assert (witness.state(), witness.main) == ("OPEN", "OPEN")
    took = []
    for way in WAYS.values():
        begun = perf_counter()
        with pytest.raises(OpenAICallNotPermitted):
            await way(client)
        took.append(perf_counter() - begun)
    assert median(took) < 0.1
    assert len(witness.refused) == len(took)


async def test_recovery(llm: OpenAIServer) -> None:
    """A restarted server is used again without anybody's help, at first by one probe."""
    witness = Witness(QUICK)
    async with connection(llm.base_url) as client:
        witness.guard(client)
        await llm.kill()
        await fail(client, 2)
        assert (witness.state(), witness.main) == ("OPEN", "OPEN")
        await llm.restart()
        await until(lambda: "OPEN" not in {witness.state(), witness.main})
        assert await chat(client)
        assert (witness.state(), witness.main) == ("CLOSED", "CLOSED")


async def test_quota(llm: OpenAIServer) -> None:
    """A used-up quota opens for all models at the first answer that says so, and stays until an operator resets it."""
    clock = VirtualClock()
    gear = Switchgear(clock=clock)
    async with connection(llm.base_url, max_retries=5) as client:
        gear.guard(client, BACKEND, name="llm")
        await llm.fault("status", status=429, code="insufficient_quota", count=1)
        before = await llm.requests()
        with pytest.raises(openai.RateLimitError) as raised:
            await chat(client)
        assert raised.value.code == "insufficient_quota"
        clock.advance(30 * 86400.0)
        for model in (MODEL, "other"):
            with pytest.raises(CallNotPermitted, match="exhausted") as refused:
                await chat(client, model)
            assert refused.value.retry_after is None
        assert await llm.requests() == before + 1
        gear.breaker("llm").reset()
        assert await chat(client)


async def test_rate_limit_with_a_wait(llm: OpenAIServer) -> None:
    """A 429 with Retry-After keeps that model quiet for so long and no longer, and the other models not at all."""
    clock = VirtualClock()
    gear = Switchgear(clock=clock)
    async with connection(llm.base_url) as client:
        gear.guard(client, BACKEND, name="llm")
        await llm.fault("status", status=429, retry_after=7, model=MODEL, count=1)
        await fail(client, 1)
        with pytest.raises(CallNotPermitted) as refused:
            await chat(client)
        assert refused.value.retry_after == pytest.approx(7.0)
        assert await chat(client, "other")
        clock.advance(6.9)
        with pytest.raises(CallNotPermitted):
            await chat(client)
        clock.advance(0.1)
        assert await chat(client)


async def test_slow_first_chunk(llm: OpenAIServer) -> None:
    """Streams whose first chunk is late count as slow, though they end well."""
    config = BreakerConfig(slow_call_duration_threshold={"stream": 0.05}, minimum_number_of_calls=2)
    witness = Witness(config)
    async with connection(llm.base_url) as client:
        witness.guard(client)
        await llm.fault("slow", seconds=0.1)
        await stream(client)
        await stream(client)
    assert witness.verdicts == [SUCCESS, SUCCESS]
    assert [event.reason for event in witness.moved] == [Reason.SLOW_CALL_RATE]


# -- the SDK's own retries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["chat", "stream", "raw", "streaming_response"])
async def test_retries_stop_when_it_opens(way: str, llm: OpenAIServer) -> None:
    """Each attempt is evidence. The one that opens the breaker is the last, and the caller gets its real error."""
    witness = Witness(QUICK)
    await llm.fault("status", status=500, retry_after=0.01)
    async with connection(llm.base_url, max_retries=5) as client, connection(llm.base_url) as bare:
        expected = await outcome(WAYS[way](bare))
        before = await llm.requests()
        assert await outcome(WAYS[way](witness.guard(client))) == expected
    assert await llm.requests() == before + 2
    assert witness.verdicts == [FAILURE, FAILURE]
    assert witness.refused == []


@pytest.mark.parametrize("kind", ["reset", "hang", "cut", "truncate"])
async def test_retries_stop_after_a_broken_connection(kind: str, llm: OpenAIServer) -> None:
    """So it is where there is no answer, or only half of one: the SDK's own exception, with httpx's as its cause."""
    witness = Witness(BreakerConfig(consecutive_failures=1))
    await llm.fault(kind)  # type: ignore[arg-type]
    async with (
        connection(llm.base_url, max_retries=5, timeout=0.2) as client,
        connection(llm.base_url, timeout=0.2) as bare,
    ):
        expected = await outcome(chat(bare))
        before = await llm.requests()
        assert await outcome(chat(witness.guard(client))) == expected
    assert expected.raised.startswith("openai.")
    assert await llm.requests() == before + 1


async def test_retries_stop_at_a_dead_address(server: OpenAIServer) -> None:
    """A dead address costs one attempt more than the breaker needs, not the client's full count with its waits."""
    witness = Witness(BreakerConfig(consecutive_failures=1))
    async with connection("http://127.0.0.1:9/v1", max_retries=5) as client:
        with pytest.raises(openai.APIConnectionError) as raised:
            await chat(witness.guard(client))
    assert type(raised.value) is openai.APIConnectionError
    assert isinstance(raised.value.__cause__, httpx2.ConnectError)
    assert raised.value.__cause__.request is raised.value.request
    assert len(witness.settled) == 1


async def test_retries_go_on_while_closed(llm: OpenAIServer, witness: Witness) -> None:
    """As long as the breaker is closed, the client retries as it always did."""
    await llm.fault("status", status=503, retry_after=0.01, count=2)
    async with connection(llm.base_url, max_retries=2) as client:
        assert await chat(witness.guard(client))
    assert witness.verdicts == [FAILURE, FAILURE, SUCCESS]


async def test_a_retry_that_the_server_asked_to_wait_is_the_probe(llm: OpenAIServer, witness: Witness) -> None:
    """A 429 with Retry-After opens the breaker for as long as the SDK waits, whose retry is let through then."""
    await llm.fault("status", status=429, retry_after=0.2, count=1)
    async with connection(llm.base_url, max_retries=1) as client:
        assert await chat(witness.guard(client))
    assert witness.verdicts == [Verdict.THROTTLED.after(0.2), SUCCESS]
    assert [event.reason for event in witness.moved][:2] == [Reason.THROTTLED, Reason.WAIT_ELAPSED]
    assert witness.refused == []


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "inf"}, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m"}],
    ids=["for ever", "until the limit is reset"],
)
async def test_a_retry_before_the_breaker_lets_it_stops(headers: dict[str, str], witness: Witness) -> None:
    """The breaker waits as it is asked to, the SDK does not: it would only be refused, and does not try."""
    error = {"message": "too fast", "type": "requests", "code": "rate_limit_exceeded"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(429, headers=headers, json={"error": error}))
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="k", base_url="http://api.test", max_retries=1, http_client=http) as client:
        with pytest.raises(openai.RateLimitError):
            await chat(witness.guard(client))
    assert [verdict.name for verdict in witness.verdicts] == ["THROTTLED"]
    assert witness.refused == []


# -- the active check --------------------------------------------------------------------------------------------------


async def test_active_check(llm: OpenAIServer) -> None:
    """The plugin's check closes the service's main breaker again; of a single model it says that it cannot tell."""
    witness = Witness(QUICK)
    async with connection(llm.base_url) as client:
        witness.guard(client)
        service, group = witness.gear.service("llm"), witness.gear.breaker("llm")
        await llm.kill()
        await fail(client, 2)
        await until(lambda: str(group.main.state) == "HALF_OPEN")
        with pytest.raises(openai.APIConnectionError):
            await service.check(client, group.main)
        assert witness.main == "OPEN"
        await llm.restart()
        await until(lambda: str(group.main.state) == "HALF_OPEN")
        assert await service.check(client, group.main) is True
        assert witness.main == "CLOSED"
        await until(lambda: witness.state() == "HALF_OPEN")
        before = await llm.requests()
        assert await service.check(client, group.branch(MODEL)) is False
        assert await llm.requests() == before
        assert witness.state() == "HALF_OPEN"


# -- networks ----------------------------------------------------------------------------------------------------------


async def test_a_narrow_link_is_no_slow_stream(llm: OpenAIServer) -> None:
    """Streams are judged by their first chunk: one that takes long after that is not slow, whoever is at fault."""
    slow = 1.0  # seconds
    witness = Witness(
        BreakerConfig(slow_call_duration_threshold={"stream": slow}, minimum_number_of_calls=1, ramp=None)
    )
    messages: Any = [{"role": "user", "content": "many words " * 100}]
    async with FaultProxy("127.0.0.1", llm.port) as proxy, connection(f"http://127.0.0.1:{proxy.port}/v1") as client:
        witness.guard(client)
        proxy.add(Bandwidth(15_000))
        began = anyio.current_time()
        chunks = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        assert len([chunk async for chunk in chunks]) > 100
        assert anyio.current_time() - began > slow
        read = proxy.statistics().bytes_downstream
    assert read > 15_000 * slow
    assert witness.verdicts == [SUCCESS]
    assert witness.settled[0].duration < slow
    assert (witness.state(), witness.moved) == ("CLOSED", [])


async def test_a_name_that_leads_to_a_dead_address_for_a_while(llm: OpenAIServer, names: dict[str, str]) -> None:
    """The host's name flips to an address where nobody listens: refused there, the service opens; flipped back, the
    first probe finds the way again, since each new connection asks for the address anew."""
    names["llm.test"] = "127.0.0.1"
    witness = Witness(QUICK)
    limits = httpx2.Limits(max_keepalive_connections=0)
    http = openai.DefaultAsyncHttpx2Client(verify=TLS, limits=limits)
    async with connection(f"http://llm.test:{llm.port}/v1", http_client=http) as client:
        witness.guard(client)
        assert await chat(client)
        names["llm.test"] = "127.0.0.2"
        await fail(client, 2)
        assert (witness.state(), witness.main) == ("OPEN", "OPEN")
        names["llm.test"] = "127.0.0.1"
        with anyio.fail_after(20):
            while (await outcome(chat(client))).raised:
                await anyio.sleep(0.02)  # the pace of the traffic
    assert witness.verdicts[:4] == [SUCCESS, FAILURE.everywhere(), FAILURE.everywhere(), SUCCESS]
    assert (witness.state(), witness.main) == ("CLOSED", "CLOSED")


# -- pages -------------------------------------------------------------------------------------------------------------


async def test_a_listing_that_never_ends() -> None:
    """A server that has the same page for ever: the SDK asks for ever, and each page is a call that can be refused."""
    page = {"object": "list", "data": [{"id": "f", "object": "file"}], "has_more": True, "last_id": "f"}
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params.get("after"))
        return httpx2.Response(200, json=page)

    witness = Witness(QUICK)
    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with connection("http://api.test/v1", http_client=http_client) as client:
        files = aiter(witness.guard(client).files.list())
        for _ in range(7):
            assert (await anext(files)).id == "f"
        witness.gear.breaker("llm").force_open("a test")
        with pytest.raises(CallNotPermitted):
            await anext(files)
    assert asked == [None, *["f"] * 6]
    assert witness.verdicts == [SUCCESS] * 7
