"""An HTTP server that answers what a test tells it to, byte for byte: real wire, made-up S3."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # "/bucket/key?query"
    body: bytes = b""

    @property
    def bucket(self) -> str:
        return self.path[1:].partition("?")[0].partition("/")[0]


@dataclass(frozen=True)
class Answer:
    """`stop_after` bytes of the body the server breaks off ("cut": closes, "reset": RST) or sends no more ("stall")."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stop_after: int | None = None
    stop: str = "cut"


def error(status: int, code: str, **headers: str) -> Answer:
    """An answer as S3 writes its errors. Header names with "_" for "-"."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Wire:
    """Serves at `endpoint` what `answer` says for each request; `requests` has all that were asked."""

    def __init__(
        self, answer: Callable[[Request], Answer] | Answer | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer or Answer()
        self._tls = tls
        self.requests: list[Request] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = Request(method, path, await reader.readexactly(int(headers.get("content-length", "0"))))
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        top = {"Content-Length": str(len(answer.body)), **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Made Up", *(f"{name}: {value}" for name, value in top.items()), "", ""]
        body = b"" if method == "HEAD" else answer.body[: answer.stop_after]
        writer.write("\r\n".join(lines).encode("latin-1") + body)
        await writer.drain()
        if answer.stop_after is None:
            return True
        if answer.stop == "stall":
            await reader.read()  # until the client goes
        if answer.stop == "reset":
            writer.transport.abort()
        return False
