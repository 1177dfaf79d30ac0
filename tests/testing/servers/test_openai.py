from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import openai
import pytest
from openai import AsyncOpenAI

from switchgear.testing import OpenAIServer
from switchgear.testing.servers._wire import http
from tests.testing.support import until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # on trio the client leaves generators of its streams unfinished, which trio warns of


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
async def server(running: OpenAIServer) -> OpenAIServer:
    if not running.running:
        await running.start()
    await running.heal()
    return running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0, timeout=5) as client:
        yield client


async def chat(client: AsyncOpenAI, model: str = "m", **changes: Any) -> str:
    answer: Any = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "a b"}], **changes
    )
    return f"{answer.choices[0].message.content}|{answer.choices[0].finish_reason}"


async def stream(client: AsyncOpenAI, seen: list[str | None]) -> None:
    """Adds to `seen` what each chunk brings: a word, or why it ends."""
    chunks = await client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "a b"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async with chunks:
        async for chunk in chunks:
            if chunk.usage is not None:
                seen.append(f"{chunk.usage.prompt_tokens}+{chunk.usage.completion_tokens}")
            else:
                seen.append(chunk.choices[0].finish_reason or chunk.choices[0].delta.content)


class TestWell:
    async def test_models_are_listed(self, client: AsyncOpenAI) -> None:
        """The cheapest request, for a probe."""
        assert [model.id async for model in client.models.list()]

    async def test_chat_echoes(self, client: AsyncOpenAI) -> None:
        """The answer is known beforehand, and a limit of tokens is kept and told."""
        assert await chat(client) == "You said: a b|stop"
        assert await chat(client, max_completion_tokens=2) == "You said:|length"

    async def test_chat_streams_with_usage(self, client: AsyncOpenAI) -> None:
        """A word a chunk, the reason of the end, and the tokens last."""
        seen: list[str | None] = []
        await stream(client, seen)
        assert seen == ["", "You ", "said: ", "a ", "b ", "stop", "2+4"]

    async def test_embeddings_tell_texts_apart(self, client: AsyncOpenAI) -> None:
        """Equal texts have equal vectors of length 1, in both encodings that the client may ask for."""
        default = await client.embeddings.create(model="m", input=["a", "b", "a"])
        plain = await client.embeddings.create(model="m", input="a", encoding_format="float")
        a, b, again = (item.embedding for item in default.data)
        assert a == again != b
        assert plain.data[0].embedding == pytest.approx(a)
        assert sum(number * number for number in a) == pytest.approx(1)

    async def test_bad_requests_are_told_apart(self, client: AsyncOpenAI) -> None:
        """A caller's mistake is OpenAI's 400 or 404, as no breaker should count it."""
        with pytest.raises(openai.BadRequestError, match="messages"):
            await client.chat.completions.create(model="m", messages=[])
        with pytest.raises(openai.BadRequestError, match="input"):
            await client.embeddings.create(model="m", input=[])
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("m")

    async def test_requests_are_counted(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """Good and bad ones count, control requests do not: it proves that a refused call never came."""
        before = await server.requests()
        await server.fault("status")
        with pytest.raises(openai.InternalServerError):
            await chat(client)
        await server.heal()
        await chat(client)
        assert await server.requests() == before + 2


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "code", "error", "told"),
        [
            (429, "", openai.RateLimitError, "rate_limit_exceeded"),
            (429, "insufficient_quota", openai.RateLimitError, "insufficient_quota"),
            (500, "", openai.InternalServerError, "server_error"),
            (503, "", openai.InternalServerError, "overloaded"),
            (401, "", openai.AuthenticationError, "invalid_api_key"),
            (400, "", openai.BadRequestError, None),
        ],
    )
    async def test_status(
        self,
        server: OpenAIServer,
        client: AsyncOpenAI,
        status: int,
        code: str,
        error: type[openai.APIStatusError],
        told: str | None,
    ) -> None:
        """Each status is the client's own error for it, with OpenAI's code and the Retry-After header."""
        await server.fault("status", status=status, code=code, retry_after=2.5)
        with pytest.raises(error) as caught:
            await chat(client)
        assert (caught.value.status_code, caught.value.code) == (status, told)
        assert caught.value.response.headers["retry-after"] == "2.5"

    async def test_healed_it_is_well(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """`heal` ends what `fault` began."""
        await server.fault("status")
        await server.heal()
        assert await chat(client) == "You said: a b|stop"

    async def test_it_strikes_so_many_times(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """After `count` requests the fault is over by itself."""
        await server.fault("status", count=2)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                await chat(client)
        assert await chat(client) == "You said: a b|stop"

    async def test_it_strikes_one_model(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """The other models serve; a model's own fault goes before the one for all."""
        await server.fault("status", status=503, model="sick")
        assert await chat(client, "well") == "You said: a b|stop"
        await server.fault("status", status=401)
        with pytest.raises(openai.InternalServerError):
            await chat(client, "sick")
        with pytest.raises(openai.AuthenticationError):
            await chat(client, "well")

    async def test_hang(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """No answer until healed: a client without patience times out, one with it is served, and goes on to use the
        connection that it has waited on."""
        await server.fault("hang")
        with pytest.raises(openai.APITimeoutError):
            await chat(client.with_options(timeout=0.2))
        answers: list[str] = []
        before = await server.requests()

        async def ask() -> None:
            answers.append(await chat(client))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            with anyio.fail_after(5):
                while await server.requests() == before:
                    await anyio.sleep(0.01)
            assert answers == []
            await server.heal()
        assert answers == ["You said: a b|stop"]
        pool: Any = client._client._transport
        waited = list(pool._pool.connections)
        assert await chat(client) == "You said: a b|stop"
        assert pool._pool.connections == waited

    async def test_slow(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """A good answer, `seconds` late."""
        await server.fault("slow", seconds=0.2)
        started = anyio.current_time()
        assert await chat(client) == "You said: a b|stop"
        assert anyio.current_time() - started >= 0.2

    async def test_reset(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """The connection is reset before a byte of the answer."""
        await server.fault("reset")
        with pytest.raises(openai.APIConnectionError):
            await chat(client)

    async def test_html(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """Status 200 with a web page: the client raises nothing and hands back the page, a str for an answer."""
        await server.fault("html")
        answer: object = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
        assert isinstance(answer, str)
        assert answer.startswith("<html>")

    async def test_cut(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """After so many chunks the connection is reset, which the client notices."""
        await server.fault("cut", after=3)
        seen: list[str | None] = []
        with pytest.raises(openai.APIConnectionError):
            await stream(client, seen)
        assert len(seen) <= 3  # a reset may overtake what the client has not read

    async def test_truncate(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """A stream that ends in good order but too early raises nothing: only its missing end tells."""
        await server.fault("truncate", after=3)
        seen: list[str | None] = []
        await stream(client, seen)
        assert seen == ["", "You ", "said: "]

    async def test_stall(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """After so many chunks nothing more comes: a read timeout in the middle of the stream."""
        await server.fault("stall", after=3)
        seen: list[str | None] = []
        with pytest.raises(openai.APITimeoutError):
            await stream(client.with_options(timeout=0.2), seen)
        assert seen == ["", "You ", "said: "]

    async def test_a_stalled_stream_goes_on_when_healed(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """The rest arrives after `heal`."""
        await server.fault("stall", after=3)
        seen: list[str | None] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream, client, seen)
            await until(lambda: len(seen) == 3)
            await server.heal()
        assert seen[-2:] == ["stop", "2+4"]

    async def test_malformed(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """Broken JSON in a chunk is a bare JSONDecodeError, none of the client's own errors."""
        await server.fault("malformed", after=2)
        seen: list[str | None] = []
        with pytest.raises(json.JSONDecodeError):
            await stream(client, seen)
        assert seen == ["", "You "]

    async def test_stream_error(self, server: OpenAIServer, client: AsyncOpenAI) -> None:
        """An error that comes as a chunk, after a status of 200."""
        await server.fault("stream_error", after=2)
        seen: list[str | None] = []
        with pytest.raises(openai.APIError) as caught:
            await stream(client, seen)
        assert not isinstance(caught.value, openai.APIStatusError)
        assert seen == ["", "You "]

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("cut", openai.APIConnectionError),
            ("truncate", openai.APIConnectionError),
            ("malformed", json.JSONDecodeError),
            ("stream_error", openai.InternalServerError),
        ],
    )
    async def test_within_a_plain_answer(
        self, server: OpenAIServer, client: AsyncOpenAI, kind: str, error: type[Exception]
    ) -> None:
        """What strikes within a stream strikes an answer in one piece too."""
        await server.fault(kind)  # type: ignore[arg-type]
        with pytest.raises(error):
            await chat(client)

    async def test_nonsense_is_refused(self, server: OpenAIServer) -> None:
        """A wrong kind, status or count is an error here and at the control endpoint, and changes nothing."""
        nonsense: list[dict[str, Any]] = [
            {"kind": "no such"},
            {"kind": "status", "status": 200},
            {"kind": "slow", "seconds": -1},
        ]
        for wrong in nonsense:
            with pytest.raises(ValueError, match="fault"):
                await server.fault(**wrong)
            answer = await http(server.port, "/_fault", method="POST", body=json.dumps(wrong).encode())
            assert answer.status == 400
        with pytest.raises(ValueError, match="at least once"):
            await server.fault("hang", count=0)

    async def test_control_fails_loudly(self, server: OpenAIServer) -> None:
        """A fault for a server that is down is not lost in silence."""
        await server.kill()
        with pytest.raises(OSError, match="connect"):
            await server.fault("hang")


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_control_works_on_both_loops() -> None:
    """Start, fault and heal need no particular event loop."""
    async with OpenAIServer() as server:
        await server.fault("status", status=503)
        assert (await http(server.port, "/v1/models")).status == 503
        await server.heal()
        assert (await http(server.port, "/v1/models")).status == 200
        assert await server.requests() == 2
        assert server.version
