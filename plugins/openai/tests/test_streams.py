"""Streams settle once, at their end, whatever becomes of them on the way."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from plugins.openai.tests.support import ANYIO, MODEL, TEXT, Witness, chat, connection, outcome, until
from switchgear import Switchgear
from switchgear.spi import Verdict
from switchgear.testing import OpenAIServer, VirtualClock
from switchgear_openai import BACKEND

if TYPE_CHECKING:
    import openai

pytestmark = ANYIO

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED


async def begin(client: openai.AsyncOpenAI, **options: Any) -> openai.AsyncStream[Any]:
    stream: openai.AsyncStream[Any] = await client.chat.completions.create(
        model=MODEL, messages=TEXT, stream=True, **options
    )
    return stream


async def test_verdict_waits_for_the_end(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Nothing is settled while the stream goes on; its end settles it once, as a success."""
    seen = [len(witness.settled) async for _ in await begin(client)]
    assert len(seen) > 5
    assert set(seen[:-1]) == {0}
    assert witness.verdicts == [SUCCESS]


async def test_latency_is_the_time_to_the_first_chunk(llm: OpenAIServer) -> None:
    """A consumer who takes a minute over each chunk does not make the call a slow one."""
    clock = VirtualClock()
    witness = Witness()
    witness.gear = Switchgear(clock=clock)
    witness.gear.subscribe(witness)
    async with connection(llm.base_url) as client:
        witness.gear.guard(client, BACKEND, name="llm")
        async for _ in await begin(client):
            clock.advance(60.0)
    assert [(event.verdict, event.duration) for event in witness.settled] == [(SUCCESS, 0.0)]
    observed = witness.gear.service("llm").histograms()
    assert sum(observed["time_to_first_chunk", ()].counts) == 1
    assert 0 < observed["time_to_first_chunk", ()].sum < 5
    assert sum(observed["chunk_gap", ()].counts) >= 1


async def test_left_early(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Who leaves before the end gives the permit back: neither success nor failure."""
    async with await begin(client) as stream:
        async for _ in stream:
            break
    assert witness.verdicts == [IGNORED]


async def test_left_after_the_last_word(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Who leaves at the finish_reason, before [DONE], has been served."""
    async with await begin(client) as stream:
        async for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    assert witness.verdicts == [SUCCESS]


async def test_never_read(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """A stream that is closed without having been read gives its permit back."""
    await (await begin(client)).close()
    assert witness.verdicts == [IGNORED]


# The collector takes the chain of the SDK's generators in any order, and not all of them bear that.
forgetful = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning"
)


@forgetful
async def test_forgotten(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """A stream that is just forgotten gives its permit back once."""
    stream = await begin(client)
    assert witness.verdicts == []
    del stream
    gc.collect()
    assert witness.verdicts == [IGNORED]
    await chat(client)
    assert witness.verdicts == [IGNORED, SUCCESS]
    assert witness.gear.breaker("llm", MODEL).snapshot().in_flight == 0


@forgetful
async def test_forgotten_half_read(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """So does one that is forgotten half read."""
    stream = await begin(client)
    await anext(stream)
    del stream
    gc.collect()
    await until(lambda: gc.collect() == 0)  # the SDK's generators are closed one by one, each in the loop
    await chat(client)
    assert sorted(map(str, witness.verdicts)) == ["Verdict.IGNORED", "Verdict.SUCCESS"]


async def test_cancelled_half_read(client: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness) -> None:
    """Cancelling the reader of a stream gives the permit back once, and the cancellation goes on."""
    await llm.fault("stall", after=2)
    reading = anyio.Event()
    went_on = False

    async def read() -> None:
        nonlocal went_on
        async for _ in await begin(client):
            reading.set()
        went_on = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await reading.wait()
        tasks.cancel_scope.cancel()
    assert not went_on
    assert witness.verdicts == [IGNORED]
    snapshot = witness.gear.breaker("llm", MODEL).snapshot()
    assert (snapshot.in_flight, snapshot.late) == (0, 0)


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
async def test_cancelled_before_the_answer(
    streamed: bool, client: openai.AsyncOpenAI, llm: OpenAIServer, witness: Witness
) -> None:
    """Cancelling the wait for an answer gives the permit back once."""
    await llm.fault("hang")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin if streamed else chat, client)
        breaker = witness.gear.breaker("llm", MODEL)
        await until(lambda: breaker.snapshot().in_flight == 1)
        tasks.cancel_scope.cancel()
    assert witness.verdicts == [IGNORED]


async def test_connection_is_kept(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """The SDK's second iteration, which drains the body after [DONE], still works: the connection is used again."""
    for _ in range(3):
        async for _chunk in await begin(client):
            pass
    pool = client._client._transport._pool  # type: ignore[attr-defined]
    assert len(pool.connections) == 1
    assert witness.verdicts == [SUCCESS] * 3


async def test_bytes_read_by_the_caller(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """With with_streaming_response the caller reads the bytes: to the end is a success, less says nothing."""
    create = client.chat.completions.with_streaming_response.create
    async with create(model=MODEL, messages=TEXT, stream=True) as answer:
        body = b"".join([chunk async for chunk in answer.iter_bytes()])
    assert body.endswith(b"data: [DONE]\n\n")
    async with create(model=MODEL, messages=TEXT, stream=True) as answer:
        chunks: AsyncIterator[bytes] = answer.iter_bytes()
        assert await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
    assert witness.verdicts == [SUCCESS, IGNORED]


async def test_tokens_are_counted(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Tokens are counted from plain answers, embeddings, and streams that carry their usage."""
    await chat(client)
    assert (witness.count("tokens", kind="prompt"), witness.count("tokens", kind="completion")) == (6, 8)
    await client.embeddings.create(model=MODEL, input="a b c")
    assert witness.count("tokens", kind="prompt") == 9
    async for _ in await begin(client):
        pass
    assert witness.count("tokens", kind="prompt") == 9
    async for _ in await begin(client, stream_options={"include_usage": True}):
        pass
    assert (witness.count("tokens", kind="prompt"), witness.count("tokens", kind="completion")) == (15, 16)


async def test_stream_helper(client: openai.AsyncOpenAI, bare: openai.AsyncOpenAI, witness: Witness) -> None:
    """The SDK's own stream manager works, and settles."""

    async def helped(used: openai.AsyncOpenAI) -> Any:
        async with used.chat.completions.stream(model=MODEL, messages=TEXT) as stream:
            return (await stream.get_final_completion()).choices[0].message.content

    assert await outcome(helped(client)) == await outcome(helped(bare))
    assert witness.verdicts == [SUCCESS]
