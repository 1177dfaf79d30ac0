"""A server that speaks Redis' protocol and misbehaves: it answers what a test tells it to, byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ssl import SSLContext
from typing import Self


@dataclass(frozen=True)
class Reply:
    """What goes over the wire, and how it goes on then: "on", "cut" (closed), "reset" (RST), "stall" (nothing more)."""

    sent: bytes = b""
    then: str = "on"


def error(text: str) -> Reply:
    """An error as servers send it."""
    return Reply(f"-{text}\r\n".encode())


class Wire:
    """Serves at `port`; what clients say to get to know it is answered as by a server in good health, what is in
    `answers` as that says, and all else by `reply`.
    """

    def __init__(self, reply: Reply, answers: dict[bytes, bytes] | None = None, tls: SSLContext | None = None) -> None:
        self.reply = reply
        self.answers = answers or {}
        self.commands: list[bytes] = []  # that it got, without those
        self._tls = tls
        self.accepted = 0  # connections, ever
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while command := await _command(reader):
                name = command[0].upper()
                if name in {b"HELLO", b"CLIENT", b"SELECT", b"READONLY"}:
                    writer.write(b"+OK\r\n")
                    continue
                if name in self.answers:
                    writer.write(self.answers[name])
                    continue
                self.commands.append(name)
                writer.write(self.reply.sent)
                await writer.drain()
                if self.reply.then == "stall":
                    await reader.read()
                if self.reply.then == "reset":
                    writer.transport.abort()
                if self.reply.then != "on":
                    break
        except ConnectionError:
            pass  # the client has gone
        finally:
            writer.close()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    """One command, as clients send them; nothing at the end, or of what is no command."""
    head = await reader.readline()
    if not head.startswith(b"*"):
        return []
    parts: list[bytes] = []
    for _ in range(int(head[1:])):
        length = int((await reader.readline())[1:])
        parts.append((await reader.readexactly(length + 2))[:-2])
    return parts
