"""WebSockets, against a real server (of the `websockets` package): the handshake is a call."""

from __future__ import annotations

import json
import ssl
import traceback
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import openai
import pytest
from openai.lib import _websocket
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidMessage, InvalidStatus

from plugins.openai.tests.sockets.server import TOUCHY, SocketServer, calls, realtime
from plugins.openai.tests.support import KEY, MODEL, TLS, Witness, connection
from switchgear import CallNotPermitted, Verdict

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
EVERYWHERE, EXHAUSTED = FAILURE.everywhere(), Verdict.EXHAUSTED.everywhere()


WAYS: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "realtime": realtime,
    "responses": lambda client: client.responses.connect(),
    "live": lambda client: client.live.connect(),
    "live.forks": lambda client: client.live.forks.connect(session_id="s"),
    "live.sideband": lambda client: client.live.sideband.connect(session_id="s"),
    "realtime.translations": lambda client: client.realtime.translations.connect(model=MODEL),
    "beta.responses": lambda client: client.beta.responses.connect(),
    # which always encrypts, but for an address of its own
    "beta.realtime": lambda client: client.copy(
        websocket_base_url=str(client.base_url).replace("http", "ws")
    ).beta.realtime.connect(model=MODEL, extra_headers={"Authorization": f"Bearer {KEY}"}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_socket_is_opened_under_a_permit(
    way: str, client: openai.AsyncOpenAI, sockets: SocketServer, witness: Witness
) -> None:
    """Whichever part of the SDK opens it: one success when it stands; with the breaker open no handshake is made, and
    what is raised is what `except openai.APIConnectionError` catches."""
    async with WAYS[way](client) as session:
        assert type(session).__module__.startswith("openai.resources.")
        assert type(session._connection) is ClientConnection
        assert "session.created" in str(await session.recv_bytes())
    resource = way.removeprefix("beta.").partition(".")[0]
    model = MODEL if resource == "realtime" else ""
    assert calls(witness) == [(f"openai.{resource}.connect", model, SUCCESS)]
    witness.gear.breaker("llm").force_open("a test")
    asked = len(sockets.paths)
    with pytest.raises(openai.APIConnectionError, match="a test") as refused:
        await WAYS[way](client).enter()
    assert isinstance(refused.value, CallNotPermitted)
    assert refused.value.request.url.port == sockets.port
    assert len(sockets.paths) == asked


async def test_a_session_holds_no_permit(client: openai.AsyncOpenAI, witness: Witness) -> None:
    """It may last for an hour: what was admitted is the handshake, and that is over."""
    async with realtime(client) as session:
        assert (await session.recv()).type == "session.created"
        assert witness.gear.breaker("llm", MODEL).snapshot().in_flight == 0
    assert calls(witness) == [("openai.realtime.connect", MODEL, SUCCESS)]


async def test_copies_and_other_addresses(client: openai.AsyncOpenAI, witness: Witness, sockets: SocketServer) -> None:
    """A copy is guarded too. One for another address has domains of its own, and that address being dead is not the
    service's trouble."""
    async with realtime(client.with_options(max_retries=1)):
        pass
    async with realtime(client.copy(websocket_base_url=f"ws://localhost:{sockets.port}/v1")):
        pass
    with pytest.raises(ConnectionRefusedError):
        await realtime(client.copy(base_url="http://127.0.0.1:9/v1")).enter()
    assert [(event.domain, event.verdict) for event in witness.settled] == [
        (MODEL, SUCCESS), (f"localhost:{sockets.port}/{MODEL}", SUCCESS), (f"127.0.0.1:9/{MODEL}", FAILURE),
    ]  # fmt: skip


async def test_legacy_httpx(sockets: SocketServer, witness: Witness) -> None:
    """Whatever carries a client's other requests."""
    async with connection(sockets.base_url, http_client=cast("Any", httpx.AsyncClient(verify=TLS))) as client:
        async with realtime(witness.guard(client)):
            pass
        witness.gear.breaker("llm").force_open("a test")
        with pytest.raises(openai.APIConnectionError, match="a test"):
            await realtime(client).enter()
    assert calls(witness) == [("openai.realtime.connect", MODEL, SUCCESS)]


async def test_clients_that_are_not_guarded(
    client: openai.AsyncOpenAI, sockets: SocketServer, witness: Witness
) -> None:
    """They connect as ever, whatever the breaker of others."""
    witness.gear.breaker("llm").force_open("a test")
    async with connection(sockets.base_url) as bare, realtime(bare) as session:
        assert (await session.recv()).type == "session.created"
    assert witness.settled == []


def answering(status: int, code: str = "", **headers: str) -> Callable[[ServerConnection, Request], Response]:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        response = connection.respond(status, json.dumps({"error": {"code": code}}))
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return refuse


ANSWERS: dict[str, tuple[Any, Verdict]] = {
    "500": (answering(500), FAILURE),
    "503": (answering(503), FAILURE),
    "503 slow_down": (answering(503, "slow_down"), THROTTLED),
    "429": (answering(429, "rate_limit_exceeded"), THROTTLED),
    "429 with a time": (answering(429, retry_after="7"), THROTTLED.after(7.0)),
    "429 insufficient_quota": (answering(429, "insufficient_quota"), EXHAUSTED),
    "401": (answering(401, "invalid_api_key"), IGNORED),
    "403": (answering(403), IGNORED),
    "404": (answering(404, "model_not_found"), SUCCESS),
}


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Exception, BaseException | None, list[str]]]:
    """What `websockets` itself raised while it connected, below the guard."""
    raised: list[tuple[Exception, BaseException | None, list[str]]] = []

    class Noting(_websocket._WebSocketConnect):
        def __await__(self) -> Generator[Any, None, ClientConnection]:
            try:
                return (yield from super().__await__())
            except Exception as exc:
                raised.append((exc, exc.__cause__, frames(exc)))
                raise

    monkeypatch.setattr(_websocket, "_WebSocketConnect", Noting)
    return raised


def frames(exc: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]


Kind = type[Exception] | tuple[type[Exception], ...]


async def judged(client: openai.AsyncOpenAI, kind: Kind, verdict: Verdict, below: list[Any]) -> None:
    """What a handshake that fails raises; whether the next one is refused, and one of another model."""
    witness = Witness(TOUCHY)
    witness.guard(client)
    with pytest.raises(kind) as caught:
        await realtime(client, websocket_connection_options={"open_timeout": 1.0}).enter()
    [(raised, cause, had)] = below
    assert caught.value is raised
    assert caught.value.__cause__ is cause
    assert frames(raised)[-len(had) :] == had
    assert calls(witness) == [("openai.realtime.connect", MODEL, verdict)]
    opened = verdict.name in {"FAILURE", "EXHAUSTED"} or verdict.retry_after is not None
    assert (witness.state() == "OPEN") == opened
    assert (witness.main == "OPEN") == verdict.service_wide
    with pytest.raises(CallNotPermitted if opened else kind):
        await realtime(client).enter()
    assert {one.in_flight for one in witness.gear.service("llm").group.snapshots()} == {0}
    assert witness.count("auth_errors", status=str(getattr(getattr(raised, "response", None), "status_code", 0))) == (
        2 if verdict == IGNORED else 0
    )


@pytest.mark.parametrize("row", ANSWERS)
async def test_a_handshake_that_is_answered_with_an_error(row: str, sockets: SocketServer, below: list[Any]) -> None:
    """By its status and, in its body, its code, as any answer of the API."""
    sockets.refuse, verdict = ANSWERS[row]
    async with connection(sockets.base_url) as client:
        await judged(client, InvalidStatus, verdict, below)


@asynccontextmanager
async def raw(say: bytes, *, hang_up: bool) -> AsyncIterator[str]:
    """A server that speaks no WebSocket."""

    async def speak(stream: anyio.abc.SocketStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            async with stream:
                await stream.receive()
                if say:
                    await stream.send(say)
                while not hang_up:
                    await stream.receive()  # until the client goes

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = dict(listener.extra_attributes)[anyio.abc.SocketAttribute.local_port]()
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, speak)
        yield f"http://127.0.0.1:{port}/v1"
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    yield "http://127.0.0.1:9/v1"  # the discard port: nothing listens there


@asynccontextmanager
async def without_tls() -> AsyncIterator[str]:
    async with raw(b"this is no TLS\r\n", hang_up=True) as url:
        yield url.replace("http", "https")


#: What websockets makes of an answer that is none; 13, the oldest that the SDK takes, of its parser's own.
NO_ANSWER = (InvalidMessage, EOFError, ValueError)
CONNECTIONS: dict[str, tuple[Any, Kind, Verdict]] = {
    "refused": (nobody, ConnectionRefusedError, EVERYWHERE),
    "no TLS": (without_tls, ssl.SSLError, EVERYWHERE),
    "silence": (lambda: raw(b"", hang_up=False), TimeoutError, FAILURE),
    "closed": (lambda: raw(b"", hang_up=True), NO_ANSWER, FAILURE),
    "garbage": (lambda: raw(b"what is this\r\n\r\n", hang_up=True), NO_ANSWER, FAILURE),
}


@pytest.mark.parametrize("row", CONNECTIONS)
async def test_a_handshake_that_is_not_answered(row: str, below: list[Any]) -> None:
    """Nobody there is said of all models; whoever is there and does not answer may be one's own."""
    address, kind, verdict = CONNECTIONS[row]
    async with address() as url, connection(url) as client:
        await judged(client, kind, verdict, below)


async def test_a_handshake_that_is_cancelled(witness: Witness) -> None:
    """The permit is back, and nothing is said."""
    async with raw(b"", hang_up=False) as url, connection(url) as client:
        witness.guard(client)
        with anyio.move_on_after(0.1) as patience:
            await realtime(client).enter()
    assert patience.cancelled_caught
    assert calls(witness) == [("openai.realtime.connect", MODEL, IGNORED)]


async def test_what_was_never_sent(client: openai.AsyncOpenAI, witness: Witness, sockets: SocketServer) -> None:
    """Options that there are not: the caller's fault."""
    with pytest.raises(TypeError, match="nonsense"):
        await realtime(client, websocket_connection_options={"nonsense": 1}).enter()
    assert [event.verdict for event in witness.settled] == [IGNORED]
    assert sockets.paths == []


def test_on_another_event_loop() -> None:
    """On trio the SDK's WebSockets do not work, guarded or not: the same error, and nothing is said of the API."""
    witness = Witness()

    async def main() -> list[str]:
        raised = []
        for guard in (lambda client: client, witness.guard):
            async with connection("http://127.0.0.1:9/v1") as client:
                with pytest.raises(RuntimeError) as caught:
                    await realtime(guard(client)).enter()
                raised.append(str(caught.value))
        return raised

    bare, guarded = anyio.run(main, backend="trio")
    assert bare == guarded
    assert [event.verdict for event in witness.settled] == [IGNORED]
