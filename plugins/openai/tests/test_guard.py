"""The guard hangs on a client's connections, of whatever make, and changes nothing else about it."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import anyio
import httpx
import httpx2
import openai
import pytest

import switchgear_openai
from plugins.openai.tests.support import ANYIO, KEY, MODEL, TLS, WAYS, Witness, chat, connection, outcome, stream
from switchgear import CallNotPermitted, ConfigurationError, Switchgear
from switchgear.spi import Verdict
from switchgear.testing import OpenAIServer

pytestmark = ANYIO

FAILURE, SUCCESS = Verdict.FAILURE, Verdict.SUCCESS
CHAT = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}  # fmt: skip
ERROR = {"error": {"message": "no", "type": "insufficient_quota", "code": "insufficient_quota"}}


def transport_of(client: openai.AsyncOpenAI) -> Any:
    return client._client._transport


def mocked(handler: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> openai.AsyncOpenAI:
    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return connection("http://api.test/v1", http_client=http_client, **options)


# -- makes of clients --------------------------------------------------------------------------------------------------


async def test_own_client(llm: OpenAIServer, witness: Witness) -> None:
    """A client as the SDK makes it stays the same object, with the same transport of the same type."""
    async with openai.AsyncOpenAI(base_url=llm.base_url, api_key=KEY) as client:
        transport = transport_of(client)
        assert witness.guard(client) is client
        assert transport_of(client) is transport
        assert type(transport) is httpx2.AsyncHTTPTransport
        assert await chat(client)
    assert witness.verdicts == [SUCCESS]


async def test_legacy_httpx(llm: OpenAIServer, witness: Witness) -> None:
    """A client on legacy httpx is guarded too: answers, streams, errors and refusals."""
    async with connection(llm.base_url, http_client=cast("Any", httpx.AsyncClient(verify=TLS))) as client:
        witness.guard(client)
        assert await chat(client) == (await stream(client)).rstrip()
        await llm.fault("status", status=500)
        assert (await outcome(chat(client))).status == 500
        await llm.fault("reset")
        assert "APIConnectionError" in (await outcome(stream(client))).raised
        witness.gear.breaker("llm").force_open("a test")
        with pytest.raises(openai.APIConnectionError, match="a test"):
            await chat(client)
    assert witness.verdicts == [SUCCESS, SUCCESS, FAILURE, FAILURE]


async def test_aiohttp(llm: OpenAIServer, witness: Witness, anyio_backend_name: str) -> None:
    """A client on aiohttp is guarded too."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    if anyio_backend_name == "trio":
        return  # aiohttp knows only asyncio
    async with connection(llm.base_url, http_client=openai.DefaultAioHttpClient()) as client:
        witness.guard(client)
        assert await chat(client) == (await stream(client)).rstrip()
        await llm.fault("cut", after=1)
        assert "APIConnectionError" in (await outcome(stream(client))).raised
        await llm.fault("reset")
        assert "APITimeoutError" in (await outcome(chat(client))).raised  # so the SDK's transport calls it
        await llm.kill()
        assert "APITimeoutError" in (await outcome(chat(client))).raised
    assert witness.verdicts == [SUCCESS, SUCCESS, FAILURE, FAILURE, FAILURE.everywhere()]


@pytest.mark.parametrize("ready", [True, False], ids=["ready", "streamed"])
async def test_mock_transport(ready: bool, witness: Witness) -> None:
    """A mock is guarded too, also one whose answers are read before they are given."""

    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(CHAT).encode():
            yield bytes([byte])

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("embeddings"):
            return httpx2.Response(429, json=ERROR)
        return httpx2.Response(200, json=CHAT) if ready else httpx2.Response(
            200, content=pieces(), headers={"content-type": "application/json"})  # fmt: skip

    async with mocked(handler) as client:
        witness.guard(client)
        assert await chat(client) == "hi"
        with pytest.raises(openai.RateLimitError):
            await client.embeddings.create(model=MODEL, input="x")
    assert witness.verdicts == [SUCCESS, Verdict.EXHAUSTED.everywhere()]


async def test_azure(witness: Witness) -> None:
    """An Azure client is an AsyncOpenAI, and its deployment is the model that the body names."""
    paths = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.path)
        return httpx2.Response(200, json=CHAT)

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    endpoint = "http://mine.azure.test"
    azure = openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint, api_key=KEY, api_version="2024-10-21", http_client=http_client
    )
    async with azure as client:
        await chat(witness.guard(client))
    assert paths == ["/openai/deployments/m/chat/completions"]
    assert [(event.operation, event.domain) for event in witness.settled] == [("openai.chat.completions", MODEL)]


async def test_proxies_are_guarded(witness: Witness) -> None:
    """Transports mounted for some addresses are guarded as the main one is."""
    mock = httpx2.MockTransport(lambda _: httpx2.Response(200, json=CHAT))
    http_client = httpx2.AsyncClient(mounts={"http://api.test": mock, "http://none.test": None}, verify=TLS)
    async with connection("http://api.test/v1", http_client=http_client) as client:
        assert await chat(witness.guard(client)) == "hi"
    assert witness.verdicts == [SUCCESS]


# -- guarding ----------------------------------------------------------------------------------------------------------


async def test_twice(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Guarding a client again, or a copy of it, changes nothing: each call is settled once."""
    witness.guard(client)
    witness.guard(client.with_options(max_retries=1))
    assert switchgear_openai.guard(client, witness.gear, name="llm") is client
    assert await chat(client)
    assert await chat(client.copy(api_key="another"))
    assert witness.verdicts == [SUCCESS, SUCCESS]


async def test_shown_copied_and_pickled(client: openai.AsyncOpenAI, bare: openai.AsyncOpenAI, witness: Witness) -> None:
    """As the client it is: a copy is guarded as well, pickles there are none."""
    assert dir(client) == dir(bare)
    assert type(client) is type(copy.copy(client)) is openai.AsyncOpenAI
    assert repr(client).partition(" at ")[0] == repr(bare).partition(" at ")[0]
    said = []
    for made in (client, bare):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(made)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert await chat(copy.copy(client))
    assert witness.verdicts == [SUCCESS]


async def test_what_is_made_of_a_client_is_refused(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """With the breaker open: streams, raw and streaming responses, copies, pages; whatever passes the transport."""
    witness.gear.breaker("llm").force_open("a test")
    refused = [way(client) for way in WAYS.values()]
    refused += [
        anext(aiter(client.models.list())),
        chat(client.copy(api_key="x")),
        chat(client.with_options(timeout=1)),
    ]
    for call in refused:
        with pytest.raises(openai.APIConnectionError, match="a test"):
            await call
    assert witness.settled == []


async def test_for_another_gear(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """A client that outlives its gear may be guarded for the next one, under the same name."""
    later = Witness()
    later.guard(client)
    assert await chat(client)
    assert (witness.verdicts, later.verdicts) == ([], [SUCCESS])


async def test_under_another_name(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Two services on the same connections would count each failure twice: that is refused, with the way out."""
    with pytest.raises(ConfigurationError, match=r"services\.other: .*already, as the service 'llm'.*http_client"):
        witness.guard(client, "other")


async def test_not_a_client_to_be_guarded(witness: Witness) -> None:
    """What is no AsyncOpenAI, or is built in another way, is refused when it is guarded, not when it is used."""

    class NoPlace:
        __slots__ = ()

        async def handle_async_request(self, _request: object) -> None: ...

    slotted = connection("http://api.test/v1", http_client=httpx2.AsyncClient(transport=cast("Any", NoPlace())))
    strange = mocked(lambda _: httpx2.Response(200, json=CHAT))
    del strange._client._transport
    for client in (slotted, strange):
        with pytest.raises(ConfigurationError, match=r"cannot be guarded: .*unsupported version"):
            witness.guard(cast("Any", client))


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AzureOpenAI])
async def test_clients_that_block(kind: type[openai.OpenAI], witness: Witness) -> None:
    """The synchronous clients are refused in words that say what to do."""
    azure = {"api_version": "2024-10-21", "azure_endpoint": "http://mine.azure.test"}
    address: Any = azure if kind is openai.AzureOpenAI else {"base_url": "http://api.test/v1"}
    refused = pytest.raises(ConfigurationError, match=f"blocks.* Make an Async{kind.__name__}, .*@switchgear.circuit")
    with kind(api_key=KEY, http_client=openai.DefaultHttpx2Client(verify=TLS), **address) as client, refused:
        witness.guard(cast("Any", client))
    assert witness.gear.services == {}


async def test_other_instrumentation(llm: OpenAIServer, witness: Witness) -> None:
    """What somebody else hung on the transport before stays in the call's way, as does what is patched in later."""
    seen = []
    async with connection(llm.base_url) as client:
        transport = transport_of(client)
        before = transport.handle_async_request

        async def traced(request: Any) -> Any:
            seen.append(request.url.path)
            return await before(request)

        transport.handle_async_request = traced
        witness.guard(client)
        assert await chat(client)
    assert seen == ["/v1/chat/completions"]
    assert witness.verdicts == [SUCCESS]


async def test_class_patched_later(
    client: openai.AsyncOpenAI, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mock that is patched into the transport's class after the guard still wins."""

    async def mock(_self: object, _request: object) -> httpx2.Response:
        return httpx2.Response(200, json=CHAT)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", mock)
    assert await chat(client) == "hi"
    assert witness.verdicts == [SUCCESS]


# -- addresses ---------------------------------------------------------------------------------------------------------


async def test_other_addresses(llm: OpenAIServer, client: openai.AsyncOpenAI, witness: Witness) -> None:
    """A copy for another address has domains of its own, and that address being dead is not the service's trouble."""
    elsewhere = client.with_options(base_url=llm.base_url.replace("127.0.0.1", "localhost"))
    dead = client.with_options(base_url="http://127.0.0.1:9/v1")
    await chat(client)
    await chat(elsewhere)
    with pytest.raises(openai.APIConnectionError):
        await chat(dead)
    domains = [(event.domain, event.verdict) for event in witness.settled]
    assert domains == [(MODEL, SUCCESS), (f"localhost:{llm.port}/{MODEL}", SUCCESS), (f"127.0.0.1:9/{MODEL}", FAILURE)]


async def test_foreign_traffic(llm: OpenAIServer, client: openai.AsyncOpenAI, witness: Witness) -> None:
    """What the application sends elsewhere through the same HTTP client is none of the guard's business."""
    witness.gear.breaker("llm").force_open("a test")
    url = f"http://localhost:{llm.port}/v1/models"
    assert (await client._client.get(url)).status_code == 200
    with pytest.raises(CallNotPermitted):
        await client.models.list()
    assert witness.settled == []


# -- error bodies ------------------------------------------------------------------------------------------------------


class Pieces(httpx2.AsyncByteStream):
    """A body that arrives in pieces, then perhaps breaks or hangs, and knows whether it was closed."""

    def __init__(self, *pieces: bytes, error: Exception | None = None, hang: anyio.Event | None = None) -> None:
        self.pieces, self.error, self.hang = pieces, error, hang
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.hang is not None:
            self.hang.set()
            await anyio.sleep_forever()
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


LONG = json.dumps({"error": {"code": "x", "message": "y" * 9000}}).encode()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("pieces", [(LONG,), (LONG[:3000], LONG[3000:6000], LONG[6000:]), (b"no", b" JSON"), ()])
async def test_error_body(pieces: tuple[bytes, ...], streamed: bool, witness: Witness) -> None:
    """The SDK reads the whole error body, though the guard has looked at its first 4 KiB before."""
    bodies = [Pieces(*pieces), Pieces(*pieces)]

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(500, stream=bodies[-1])

    call = stream if streamed else chat
    expected = await outcome(call(mocked(answer)))
    assert await outcome(call(witness.guard(mocked(lambda _: httpx2.Response(500, stream=bodies[0]))))) == expected
    assert expected.status == 500
    assert [body.closed for body in bodies] == [True, True]
    assert witness.verdicts == [FAILURE]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
async def test_error_body_that_breaks(streamed: bool, witness: Witness) -> None:
    """A body that breaks while the guard looks at it breaks for the SDK, with the same exception at the same place."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(500, stream=Pieces(b'{"error"', error=httpx2.ReadError("gone")))

    call = stream if streamed else chat
    assert await outcome(call(witness.guard(mocked(answer)))) == await outcome(call(mocked(answer)))
    assert witness.verdicts == [FAILURE]


async def test_compressed_error_body(witness: Witness) -> None:
    """A quota error is recognized in a compressed body, and the SDK still decodes it."""
    body = Pieces(gzip.compress(json.dumps(ERROR).encode()))
    answer = httpx2.Response(429, stream=body, headers={"content-encoding": "gzip"})
    seen = await outcome(chat(witness.guard(mocked(lambda _: answer))))
    assert seen.code == "insufficient_quota"
    assert witness.verdicts == [Verdict.EXHAUSTED.everywhere()]


async def test_cancelled_at_an_error_body(witness: Witness) -> None:
    """Cancelling the look at an error's body closes it and gives the permit back."""
    body = Pieces(b'{"error"', hang=anyio.Event())
    client = witness.guard(mocked(lambda _: httpx2.Response(500, stream=body)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat, client)
        assert body.hang is not None
        await body.hang.wait()
        tasks.cancel_scope.cancel()
    assert body.closed
    assert witness.verdicts == [Verdict.IGNORED]


# -- bodies of good answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "body", "verdict"),
    [
        ("files/f/content", {"content-type": "text/html"}, b"<html>a user's page</html>", SUCCESS),
        ("files/f/content", {"content-type": "application/octet-stream"}, b"\0", SUCCESS),
        ("files/f/content", {}, b"", SUCCESS),
        ("models", {"content-type": "text/html; charset=utf-8"}, b"<html>sign in</html>", FAILURE),
        ("models", {"content-type": "application/json"}, b'{"data": [', FAILURE),
        ("models", {"content-type": "text/plain"}, b"OK", SUCCESS),
        ("audio/stream", {"content-type": "text/event-stream"}, b'data: {"type": "x"}\n\n', SUCCESS),
        ("audio/stream", {"content-type": "text/event-stream"}, b'data: {"error": {"code": 500}}\n\n', FAILURE),
    ],
)
async def test_kinds_of_answers(
    path: str, headers: dict[str, str], body: bytes, verdict: Verdict, witness: Witness
) -> None:
    """An answer is judged as what was asked for: downloads may be anything, JSON must be JSON."""
    client = witness.guard(mocked(lambda _: httpx2.Response(200, stream=Pieces(body), headers=headers)))
    accept = "application/binary" if path.startswith("files") else "application/json"
    answer = await client.get(f"/{path}", cast_to=httpx2.Response, options={"headers": {"Accept": accept}})
    assert answer.content == body
    assert witness.verdicts == [verdict]


async def test_redirection(witness: Witness) -> None:
    """A redirection is an answer, whatever page comes with it. Where it leads to is a request of its own, in which
    httpx no longer lets its body, and so its model, be seen."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith("/v1"):
            headers = {"location": "http://api.test/v2/chat/completions", "content-type": "text/html"}
            return httpx2.Response(307, stream=Pieces(b"<html></html>"), headers=headers)
        return httpx2.Response(200, json=CHAT)

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer), follow_redirects=True)
    client = witness.guard(connection("http://api.test/v1", http_client=http_client))
    assert await chat(client) == "hi"
    assert [(event.domain, event.verdict) for event in witness.settled] == [(MODEL, SUCCESS), ("", SUCCESS)]


async def test_gauges(witness: Witness) -> None:
    """What is left of the limits is known from the last answer that said so."""
    headers = {"x-ratelimit-remaining-requests": "59", "x-ratelimit-remaining-tokens": "8000"}
    answers = [httpx2.Response(200, json=CHAT, headers=headers), httpx2.Response(200, json=CHAT)]
    client = witness.guard(mocked(lambda _: answers.pop(0)))
    gauges = switchgear_openai.BACKEND.gauges
    assert gauges is not None
    assert gauges(client) == {}
    await chat(client)
    await chat(client)
    assert gauges(client) == {"remaining_requests": 59.0, "remaining_tokens": 8000.0}


async def test_two_clients_of_one_service(llm: OpenAIServer) -> None:
    """Two clients under one name share its breakers; the second's other address makes domains of its own."""
    witness = Witness()
    async with connection(llm.base_url) as first, connection(llm.base_url.replace("127.0.0.1", "localhost")) as second:
        for client in (first, second):
            await chat(witness.guard(client))
    assert [event.domain for event in witness.settled] == [MODEL, f"localhost:{llm.port}/{MODEL}"]


def test_gear_is_needed() -> None:
    """The one-liner takes the application's gear, and gives the client back with its own type."""
    client = mocked(lambda _: httpx2.Response(200, json=CHAT))
    assert switchgear_openai.guard(client, Switchgear(), name="llm") is client
