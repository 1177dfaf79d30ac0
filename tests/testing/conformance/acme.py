"""A backend outside the four, small enough to be broken in every way: a server, its client, and a plugin for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from switchgear.spi import (
    Backend,
    CallNotPermitted,
    Metric,
    Operation,
    Service,
    Verdict,
)

LINES = 3000


class AcmeServer:
    """Answers GET with a line, PUT too, NO with a no, and LIST with many lines."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            lines = BufferedByteReceiveStream(stream)
            try:
                while True:
                    verb, *_ = (await lines.receive_until(b"\n", 1000)).split()
                    answer = b"x" * 99 + b"\n"
                    answers = {b"NO": b"-no such thing\n", b"LIST": answer * LINES + b"END\n"}
                    await stream.send(answers.get(verb, b"+fine\n"))
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                pass


@asynccontextmanager
async def server() -> AsyncGenerator[AcmeServer]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        acme = AcmeServer(listener.extra(SocketAttribute.local_port))  # noqa: S610
        tasks.start_soon(listener.serve, acme.serve)
        yield acme
        tasks.cancel_scope.cancel()


class AcmeError(Exception):
    """Base of the client's errors."""


class AcmeUnreachable(AcmeError):
    """The server did not answer."""


class AcmeDeclined(AcmeError):
    """The server said no."""


class Client:
    """A client with one idle connection. `send` and `lines` are its waist."""

    token = ""

    def __init__(self, port: int, timeout: float) -> None:
        self.port = port
        self.timeout = timeout
        self.in_use = 0
        self._idle: list[tuple[SocketStream, BufferedByteReceiveStream]] = []

    async def get(self, key: str) -> str:
        return await self._send("GET", key)

    async def put(self, key: str, value: str) -> str:
        return await self._send("PUT", key, value)

    async def decline(self, key: str) -> str:
        return await self._send("NO", key)

    def batch(self) -> Batch:
        return Batch(self)

    async def listing(self, key: str) -> AsyncGenerator[str]:
        async with aclosing(self._lines("LIST", key)) as lines:
            async for line in lines:
                yield line

    async def aclose(self) -> None:
        while self._idle:
            await anyio.aclose_forcefully(self._idle.pop()[0])

    async def _send(self, *words: str) -> str:
        async with aclosing(self._ask(*words)) as answer:
            line = await anext(answer)
            if line.startswith("-"):
                raise AcmeDeclined(line[1:])
            return line[1:]

    async def _lines(self, *words: str) -> AsyncGenerator[str]:
        async with aclosing(self._ask(*words)) as answer:
            async for line in answer:
                if line == "END":
                    return
                yield line

    async def _ask(self, *words: str) -> AsyncGenerator[str]:
        self.in_use += 1
        connection: tuple[SocketStream, BufferedByteReceiveStream] | None = None
        whole = False
        try:
            with anyio.fail_after(self.timeout):
                if not self._idle:
                    fresh = await anyio.connect_tcp("127.0.0.1", self.port)
                    self._idle.append((fresh, BufferedByteReceiveStream(fresh)))
                stream, lines = connection = self._idle.pop()
                await stream.send(f"{' '.join(words)}\n".encode())
            while True:
                with anyio.fail_after(self.timeout):
                    line = (await lines.receive_until(b"\n", 1000)).decode()
                whole = words[0] != "LIST" or line == "END"
                yield line
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead) as exc:
            raise AcmeUnreachable("no answer") from exc
        finally:
            self.in_use -= 1
            if connection is not None and whole:
                self._idle.append(connection)
            elif connection is not None:
                await anyio.aclose_forcefully(connection[0])


class Batch:
    """Made by a client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self) -> str:
        return await self._client._send("BATCH")


# -- the plugin --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Settings:
    port: int
    token: str = field(default="never-shown", repr=False)
    timeout: float = 0.5


class AcmeCallNotPermitted(CallNotPermitted, AcmeUnreachable):
    """Refused."""


@asynccontextmanager
async def connect(settings: Settings) -> AsyncGenerator[Client]:
    async with aclosing(Client(settings.port, settings.timeout)) as client:
        yield client


def guard(client: Client, service: Service) -> Client:
    if hasattr(client, "guarded"):
        return client
    service.refusal = AcmeCallNotPermitted
    send, lines = client._send, client._lines

    async def guarded_send(*words: str) -> str:
        with service.admit(Operation(name=f"acme.{words[0].lower()}")):
            return await send(*words)

    async def guarded_lines(*words: str) -> AsyncGenerator[str]:
        permit = service.admit(Operation(name="acme.list", klass="stream"))
        try:
            async with aclosing(lines(*words)) as source:
                async for line in source:
                    permit.first_chunk()
                    yield line
        except BaseException as exc:
            permit.fail(exc)
            raise
        permit.succeed()

    vars(client).update(_send=guarded_send, _lines=guarded_lines, guarded=True)
    return client


def classify(exc: BaseException) -> Verdict:
    return Verdict.SUCCESS if isinstance(exc, AcmeDeclined) else Verdict.FAILURE


async def probe(client: Any, domain: str) -> bool:
    await client.get("probe")
    return True


ACME: Backend[Any, Settings] = Backend(
    name="acme",
    settings=Settings,
    connect=connect,
    guard=guard,
    classify=classify,
    probe=probe,
    metrics=(Metric(name="hits", kind="counter", help="Hits.", labels=("kind",)),),
    saturation=lambda client: {"pool": client.in_use / 100},
)
