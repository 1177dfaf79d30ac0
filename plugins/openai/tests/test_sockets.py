"""WebSockets, against a real server (of the `websockets` package): the handshake is a call, its end is evidence."""

from __future__ import annotations

import asyncio
import json
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
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
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus

from plugins.openai.tests.support import KEY, MODEL, TLS, Witness, connection, until
from switchgear import BreakerConfig, CallNotPermitted, Verdict
from switchgear.testing import FaultProxy, Timeout

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
EVERYWHERE, EXHAUSTED = FAILURE.everywhere(), Verdict.EXHAUSTED.everywhere()

#: Opens at the first failure, and stays open.
TOUCHY = BreakerConfig(consecutive_failures=1, wait_duration_in_open=60, ramp=None)
CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": {"type": "realtime", "id": "s"}})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # websockets runs on nothing else


class SocketServer:
    """Greets whoever connects, then does what `then` says; `refuse` answers the handshake in its place."""

    def __init__(self) -> None:
        self.then: Callable[[ServerConnection], Awaitable[Any]] = ServerConnection.wait_closed
        self.refuse: Callable[[ServerConnection, Request], Response] | None = None
        self.paths: list[str] = []

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return self.refuse(connection, request) if self.refuse else None

    async def _greet(self, connection: ServerConnection) -> None:
        await connection.send(CREATED)
        await self.then(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server: Server
        async with serve(self._greet, "127.0.0.1", 0, process_request=self._answer, close_timeout=0.2) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@pytest.fixture
async def sockets() -> AsyncIterator[SocketServer]:
    server = SocketServer()
    async with server.running():
        yield server


@pytest.fixture
async def client(sockets: SocketServer, witness: Witness) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connection(sockets.base_url) as made:
        yield witness.guard(made)


def realtime(client: openai.AsyncOpenAI, **options: Any) -> Any:
    return client.realtime.connect(model=MODEL, **options)


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


def calls(witness: Witness) -> list[tuple[str, str, Verdict]]:
    return [(event.operation, event.domain, event.verdict) for event in witness.settled]


# -- opening -----------------------------------------------------------------------------------------------------------


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


# -- how a session ends ------------------------------------------------------------------------------------------------


def closing(code: int) -> Callable[[ServerConnection], Awaitable[None]]:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, "a test")

    return close


async def vanish(connection: ServerConnection) -> None:
    connection.transport.abort()


async def break_the_protocol(connection: ServerConnection) -> None:
    connection.transport.write(b"\xff\xff\xff\xff")
    await connection.wait_closed()


ENDS: dict[str, tuple[Any, Verdict | None]] = {
    "1000": (closing(1000), None),
    "1001, a server that is shut down in good order": (closing(1001), None),
    "1008, our fault": (closing(1008), None),
    "3000": (closing(3000), None),
    "1011": (closing(1011), FAILURE),
    "1012": (closing(1012), FAILURE),
    "1013": (closing(1013), THROTTLED),
    "reset": (vanish, FAILURE),
    "frames that are none": (break_the_protocol, FAILURE),
}


@pytest.mark.parametrize("row", ENDS)
async def test_the_servers_end_of_a_session(row: str, sockets: SocketServer) -> None:
    """A session that breaks off, or that the server gives up, is one failure, whether or not anybody reads; one that it
    closes in good order does not count. The caller hears of it what he would without a guard."""
    sockets.then, verdict = ENDS[row]
    witness = Witness(TOUCHY)
    seen: list[list[str]] = []
    for guard in (lambda client: client, witness.guard):
        async with connection(sockets.base_url) as client:
            async with realtime(guard(client)) as session:
                seen.append([])
                try:
                    async for event in session:
                        seen[-1].append(event.type)
                except ConnectionClosedError as exc:
                    seen[-1].append(f"{type(exc).__name__}: {exc}; {type(exc.__cause__).__name__}")
                await session._connection.wait_closed()
            assert session._connection.protocol.close_exc
    assert seen[0] == seen[1]
    expected = [] if verdict is None else [("openai.realtime.session", MODEL, verdict)]
    await until(lambda: len(witness.settled) == 1 + len(expected))
    assert calls(witness) == [("openai.realtime.connect", MODEL, SUCCESS), *expected]
    assert (witness.state() == "OPEN") == (verdict == FAILURE)


async def test_a_server_that_falls_silent(sockets: SocketServer) -> None:
    """The keepalive's pings are not answered: websockets gives the session up, and that is the server's failure."""
    witness = Witness(TOUCHY)
    async with (
        FaultProxy("127.0.0.1", sockets.port) as proxy,
        connection(f"http://127.0.0.1:{proxy.port}/v1") as client,
    ):
        options = {"ping_interval": 0.05, "ping_timeout": 0.1, "close_timeout": 0.1}
        async with realtime(witness.guard(client), websocket_connection_options=options) as session:
            await session.recv()
            proxy.add(Timeout())
            with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
                await session.recv()
        await until(lambda: len(witness.settled) == 2)
    assert calls(witness)[-1] == ("openai.realtime.session", MODEL, FAILURE)


@pytest.mark.parametrize("way", ["close", "leave", "cancel"])
async def test_the_callers_end_of_a_session(way: str, client: openai.AsyncOpenAI, witness: Witness) -> None:
    """Closed, left or cancelled: that says nothing."""
    with anyio.CancelScope() as scope:
        async with realtime(client) as session:
            await session.recv()
            if way == "close":
                await session.close(code=1000)
            elif way == "cancel":
                scope.cancel()
                await anyio.sleep_forever()
    await session._connection.wait_closed()
    await anyio.lowlevel.checkpoint()  # what hears of the end has been called by now
    assert calls(witness) == [("openai.realtime.connect", MODEL, SUCCESS)]


async def test_sessions_that_always_break_off_open_the_breaker(sockets: SocketServer) -> None:
    """Good handshakes in between do not count for more than the sessions that follow them."""
    sockets.then = vanish
    witness = Witness(BreakerConfig(minimum_number_of_calls=6, wait_duration_in_open=60, ramp=None))
    async with connection(sockets.base_url) as client:
        witness.guard(client)
        for made in range(1, 4):
            session = await realtime(client).enter()
            await until(lambda made=made: len(witness.settled) == 2 * made)  # type: ignore[misc]
            await session.close()
        with pytest.raises(CallNotPermitted):
            await realtime(client).enter()
    assert len(sockets.paths) == 3


async def test_an_open_breaker_needs_no_more_evidence(
    client: openai.AsyncOpenAI, sockets: SocketServer, witness: Witness
) -> None:
    """Sessions that break off while it is open are neither counted nor refused; and are no probes."""
    end = asyncio.Event()

    async def later(connection: ServerConnection) -> None:
        await end.wait()
        await vanish(connection)

    sockets.then = later
    session = await realtime(client).enter()
    witness.gear.breaker("llm").force_open("a test")
    end.set()
    await session._connection.wait_closed()
    await anyio.lowlevel.checkpoint()
    assert (len(witness.settled), witness.refused) == (1, [])


async def test_the_sdk_reconnects(client: openai.AsyncOpenAI, sockets: SocketServer, witness: Witness) -> None:
    """Each time it does, that is a call of its own."""
    left = [vanish]

    async def once(connection: ServerConnection) -> None:
        await (left.pop() if left else closing(1000))(connection)

    sockets.then = once
    async with realtime(client, on_reconnecting=lambda _: None, initial_delay=0.01) as session:
        seen = [event.type async for event in session]
    assert seen == ["session.created", "session.created"]
    assert [(operation.rpartition(".")[2], verdict) for operation, _, verdict in calls(witness)] == [
        ("connect", SUCCESS), ("session", FAILURE), ("connect", SUCCESS),
    ]  # fmt: skip


async def test_a_refused_reconnection_is_not_made(sockets: SocketServer) -> None:
    """Where the end of a session opens the breaker, the SDK's attempts to reconnect do not reach the server."""
    sockets.then = vanish
    witness = Witness(TOUCHY)
    async with connection(sockets.base_url) as client:
        options = {"initial_delay": 0.01, "max_retries": 3}
        async with realtime(witness.guard(client), on_reconnecting=lambda _: None, **options) as session:
            with pytest.raises(ConnectionClosedError):
                async for _ in session:
                    pass
    assert len(sockets.paths) == 1
    assert len(witness.refused) == 3


async def test_instrumented_clients_too(sockets: SocketServer, witness: Witness) -> None:
    """As whatever else of a client that was guarded because it was made."""
    from switchgear import instrument

    with instrument(witness.gear, plugins=["openai"]):
        async with openai.AsyncOpenAI(
            base_url=sockets.base_url, api_key=KEY, http_client=openai.DefaultAsyncHttpx2Client(verify=TLS)
        ) as client, realtime(client):  # fmt: skip
            pass
    assert calls(witness) == [("openai.realtime.connect", MODEL, SUCCESS)]
