"""Sessions over WebSockets: how one ends is evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import anyio.lowlevel
import openai
import pytest
from websockets.exceptions import ConnectionClosedError

from plugins.openai.tests.sockets.server import TOUCHY, SocketServer, calls, realtime
from plugins.openai.tests.support import KEY, MODEL, TLS, Witness, connection, until
from switchgear import BreakerConfig, CallNotPermitted, Verdict
from switchgear.testing import FaultProxy, Timeout

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

pytestmark = pytest.mark.anyio

SUCCESS, FAILURE, THROTTLED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED


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
