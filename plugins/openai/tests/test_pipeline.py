"""A service's strategies hold for its guarded clients, as the server sees it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import openai
import pytest

from plugins.openai.tests.support import ANYIO, MODEL, TEXT, WAYS, Witness, chat, connection, embed, outcome, until
from switchgear import (
    CallTimedOut,
    Chaos,
    Fallback,
    InjectedFault,
    LimitExceeded,
    Retry,
    State,
    Strategy,
    Switchgear,
    Timeout,
)
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import VirtualClock
from switchgear_openai import BACKEND
from switchgear_openai._operations import planned_of
from switchgear_openai._refusal import OpenAICallNotPermitted

if TYPE_CHECKING:
    from switchgear import Service
    from switchgear.testing import OpenAIServer

pytestmark = ANYIO

#: Never opens.
PATIENT = replace(
    BACKEND.recommended, failure_rate_threshold=None, slow_call_rate_threshold=None, consecutive_failures=None
)


@asynccontextmanager
async def piped(
    witness: Witness, llm: OpenAIServer, *strategies: Strategy, **options: Any
) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connection(llm.base_url, **options) as client:
        yield witness.gear.guard(client, BACKEND, name="llm", breaker=PATIENT, pipeline=strategies)


@pytest.mark.parametrize("way", WAYS)
async def test_a_bulkhead_bounds_what_the_server_sees(way: str, llm: OpenAIServer, witness: Witness) -> None:
    """In whatever way the API is called, and through copies of the client: of five calls at once two reach the server
    while three wait for a place. When it answers, all are served."""
    bulkhead = Bulkhead(2, queue=8)
    async with piped(witness, llm, bulkhead) as client:
        expected, before = await WAYS[way](client), await llm.requests()
        results: list[Any] = []

        async def one() -> None:
            results.append(await WAYS[way](client))

        await llm.fault("hang")
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(one)
            await until(lambda: bulkhead.waiting == 3)
            while await llm.requests() < before + 2:
                await anyio.sleep(0.005)
            assert await llm.requests() == before + 2
            await llm.heal()
        assert results == [expected] * 5
        assert await llm.requests() == before + 5


async def test_a_configured_bulkhead_bounds_what_the_server_sees(llm: OpenAIServer, tmp_path: Path) -> None:
    """Two keys of a file are enough."""
    file = tmp_path / "switchgear.toml"
    file.write_text(
        f"""
        [services.llm]
        plugin = "openai"
        settings = {{ base_url = "{llm.base_url}", api_key = "key" }}
        pipeline.bulkhead = {{ limit = 2, queue = 8 }}
        """
    )
    async with Switchgear.from_toml(file) as gear:
        before = await llm.requests()
        await llm.fault("hang")
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(chat, gear.client("llm"))
            while await llm.requests() < before + 2:
                await anyio.sleep(0.005)
            pipeline = gear.service("llm").pipeline
            assert pipeline is not None
            assert pipeline.saturations()["bulkhead"] == 1
            assert await llm.requests() == before + 2
            await llm.heal()


async def test_without_a_bulkhead_the_server_sees_all(llm: OpenAIServer, witness: Witness) -> None:
    """So it was the bulkhead."""
    async with piped(witness, llm) as client:
        before = await llm.requests()
        await llm.fault("hang")
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(chat, client)
            while await llm.requests() < before + 5:
                await anyio.sleep(0.005)
            await llm.heal()


async def test_who_finds_no_place_gets_the_sdks_own_error(llm: OpenAIServer, witness: Witness) -> None:
    """As a refusal of the breaker is. The breaker's own check of the API needs no place; and who reads a stream has
    given his back."""
    bulkhead = Bulkhead(1)
    async with piped(witness, llm, bulkhead) as client:
        chunks = await client.chat.completions.create(model=MODEL, messages=TEXT, stream=True)
        assert bulkhead.in_flight == 0
        bulkhead.in_flight = 1  # as a call does
        with pytest.raises(openai.APIConnectionError) as caught:
            await chat(client)
        assert isinstance(caught.value, LimitExceeded)
        assert isinstance(caught.value, OpenAICallNotPermitted)
        assert (caught.value.domain, caught.value.strategy) == (MODEL, "bulkhead")
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
        service: Service = witness.gear.service("llm")
        assert await service.check(client, service.group.main)


async def test_attempts_do_not_multiply(llm: OpenAIServer, witness: Witness) -> None:
    """A client with five retries of its own leaves trying again to the pipeline: two attempts, and not twelve, of which
    the breaker judges each. The error is the SDK's, as ever."""
    async with piped(witness, llm, Retry(attempts=2, initial=0.001), max_retries=5) as client:
        await llm.fault("status", status=500)
        before = await llm.requests()
        assert "InternalServerError" in (await outcome(chat(client))).raised
        assert await llm.requests() == before + 2
        assert [verdict.name for verdict in witness.verdicts] == ["FAILURE", "FAILURE"]


async def test_a_failed_generation_is_made_again(llm: OpenAIServer, witness: Witness) -> None:
    """Its caller sees the answer and nothing else; one that the API keeps is not made twice."""
    async with piped(witness, llm, Retry(attempts=3, initial=0.001)) as client:
        expected = await chat(client)
        await llm.fault("status", status=503, count=2)
        assert await chat(client) == expected
        await llm.fault("status", status=500, count=2)
        with pytest.raises(openai.InternalServerError):
            await client.responses.create(model=MODEL, input="text")


async def test_a_fallback_takes_the_place_of_the_answer(llm: OpenAIServer, witness: Witness) -> None:
    """Of another model, asked for the same through the same client: strategies stand round what the caller gets."""

    async def other(**body: Any) -> Any:
        return await client.chat.completions.create(**{**body, "model": "other"})

    async with piped(witness, llm, Fallback(function=other)) as client:
        await llm.fault("status", status=500, model=MODEL)
        answer = await client.chat.completions.create(model=MODEL, messages=TEXT)
        assert answer.model == "other"
        assert (answer.choices[0].message.content or "").endswith(TEXT[0]["content"])


@pytest.mark.parametrize(
    ("fault", "cut"), [({"status": 429}, True), ({"status": 400}, False), ({"status": 404}, False)]
)
async def test_less_please_lowers_an_adaptive_limit(fault: Any, cut: bool, llm: OpenAIServer) -> None:
    """THROTTLED is a drop for it, though the breaker stays closed; answers that say no are none."""
    clock, adaptive = VirtualClock(), Adaptive(limit=4)
    gear = Switchgear(clock=clock)
    async with connection(llm.base_url) as made:
        client = gear.guard(made, BACKEND, name="llm", breaker=PATIENT, pipeline=[adaptive])
        await llm.fault("status", **fault)
        for _ in range(40):
            with suppress(openai.APIStatusError):
                await chat(client)
            clock.advance(0.1)
    assert (adaptive.limit < 4) is cut
    assert gear.breaker("llm").state is State.CLOSED


async def test_strategies_hear_what_answers_say_of_limits(llm: OpenAIServer, witness: Witness) -> None:
    """Of each attempt, good or bad, with its model: the SDK's results do not show headers."""
    heard: list[tuple[str, int, str]] = []

    class Ear(Retry):
        def heard(self, domain: str, answer: Any, now: float, /) -> None:
            heard.append((domain, answer.status_code, answer.headers.get("retry-after", "")))

    async with piped(witness, llm, Ear(attempts=2, initial=0.001)) as client:
        await llm.fault("status", status=429, retry_after=0.001, count=1)
        await chat(client)
    assert heard == [(MODEL, 429, "0.001"), (MODEL, 200, "")]


async def test_a_piped_client_stays_what_it_was(llm: OpenAIServer, witness: Witness) -> None:
    """The same object, an instance of its class under the same name, as its copies are; and one that was given other
    connections is nobody's."""
    bulkhead = Bulkhead(1)
    async with connection(llm.base_url) as client, connection(llm.base_url) as other:
        kind = type(client)
        guarded = witness.gear.guard(client, BACKEND, name="llm", breaker=PATIENT, pipeline=[bulkhead])
        assert guarded is client
        for one in (client, client.with_options(timeout=3.0)):
            assert isinstance(one, kind)
            assert (type(one).__name__, type(one).__module__) == (kind.__name__, kind.__module__)
        assert type(witness.gear.guard(other, BACKEND, name="llm")) is type(client)
        free = client.with_options(http_client=openai.DefaultAsyncHttpx2Client())
        bulkhead.in_flight = 1
        assert await embed(free)
        await free.close()
        with pytest.raises(LimitExceeded):
            await embed(client.with_options(timeout=3.0))


def request(path: str, **options: Any) -> Any:
    from openai._models import FinalRequestOptions

    return FinalRequestOptions.construct(method="post", url=path, **options)


@pytest.mark.parametrize(
    ("options", "streamed", "name", "klass", "idempotent", "domain"),
    [
        (request("/chat/completions", json_data={"model": "m"}), False, "openai.chat.completions", "write", True, "m"),
        (request("/chat/completions", json_data={"model": "m"}), True, "openai.chat.completions", "stream", True, "m"),
        (request("/responses", json_data={"model": "m"}), False, "openai.responses", "write", False, "m"),
        (
            request("/audio/transcriptions", files={"file": b""}),
            False,
            "openai.audio.transcriptions",
            "write",
            False,
            "",
        ),
        (request("/uploads/1/parts", content=b"x"), False, "openai.uploads", "write", False, ""),
        (request("/embeddings?x=1", json_data={"model": 7}), False, "openai.embeddings", "read", True, ""),
        (
            request("/embeddings", headers={"X-Stainless-Raw-Response": "stream"}),
            False,
            "openai.embeddings",
            "stream",
            True,
            "",
        ),
    ],
)
def test_a_request_is_known_before_it_is_made(
    options: Any, streamed: bool, name: str, klass: str, idempotent: bool, domain: str
) -> None:
    """As at the transport; but what is read from files, which can be done only once, is not to be repeated."""
    operation, found = planned_of(options, streamed, b"home", b"home")
    assert (operation.name, operation.klass, operation.idempotent, found) == (name, klass, idempotent, domain)
    assert planned_of(options, streamed, b"other", b"home")[1] == f"other/{domain}".rstrip("/")


async def test_lack_of_time_and_chaos_have_the_clients_own_errors(llm: OpenAIServer, witness: Witness) -> None:
    """A call that takes too long raises what the client does, and so does a fault of chaos: `except` clauses are put to
    the test by it. Both cross processes.
    """
    chaos = Chaos()
    async with piped(witness, llm, Timeout({"read": 0.05, "write": 0.05}), chaos) as client:
        chaos.switch_on(Chaos.Latency(60), rate=1, for_=60, reason="a test")
        with pytest.raises(openai.APITimeoutError) as late:
            await chat(client)
        assert isinstance(late.value, CallTimedOut)
        assert str(pickle.loads(pickle.dumps(late.value))) == str(late.value)
        chaos.switch_off()
        chaos.switch_on(Chaos.Fault(), rate=1, for_=60, reason="a test")
        with pytest.raises(openai.APIConnectionError) as fault:
            await chat(client)
        assert isinstance(fault.value, InjectedFault)
        assert str(pickle.loads(pickle.dumps(fault.value))) == str(fault.value)
