"""One client's connection to the OpenAI stand-in: HTTP/1.1 in, good and bad answers out."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import NamedTuple

import anyio

from switchgear.testing.servers.openai._answers import Json, answer, parse
from switchgear.testing.servers.openai._fault import Fault, Faults
from switchgear.testing.servers.openai._reply import Reply, failure, plain

_LARGEST_BODY = 16 * 2**20
#: Gateways answer with statuses that no standard knows (529): those have none.
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Request(NamedTuple):
    """What the client asks."""

    method: str
    path: str
    content: Json
    keep_alive: bool


class Board:
    """What all connections share: the faults, the moment of healing, and a count."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.faults = Faults()
        self.healed = asyncio.Event()
        self.requests = 0

    def heal(self) -> None:
        """Ends all faults, and the waiting of those that they have struck."""
        self.faults.clear()
        self.healed.set()
        self.healed = asyncio.Event()


class Connection:
    """Serves requests one after another until the client or a fault ends it."""

    def __init__(self, board: Board, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._board = board
        self._reader = reader
        self._writer = writer

    async def serve(self) -> None:
        """Returns when the connection has ended, whoever ended it."""
        try:
            while (request := await self._request()) is not None:
                if request.path == "/_fault":
                    await self._send(self._control(request), request)
                else:
                    await self._answer(request)
                if not request.keep_alive:
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client has left or speaks no HTTP, or a fault ended the connection
        finally:
            self._writer.close()

    async def _request(self) -> Request | None:
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        line, *fields = head.rstrip().split("\r\n")
        method, target, protocol = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", 0))
        if length > _LARGEST_BODY:
            raise ValueError(f"a body of {length} bytes is too large")
        content = parse(await self._reader.readexactly(length))
        keep_alive = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(method, target.partition("?")[0], content, keep_alive)

    def _control(self, request: Request) -> Reply:
        if request.method == "POST":
            try:
                self._board.faults.set(Fault(**request.content))
            except (TypeError, ValueError) as error:
                return failure(400, str(error))
        elif request.method == "DELETE":
            self._board.heal()
        return plain({"requests": self._board.requests})

    async def _answer(self, request: Request) -> None:
        self._board.requests += 1
        reply = answer(request.method, request.path, request.content)
        fault = self._board.faults.strike(request.content.get("model"))
        if fault is not None:
            reply = fault.spoil(reply)
            match fault.kind:
                case "reset":
                    self._reset()
                case "hang":
                    await self._until_healed()
                case "slow":
                    await anyio.sleep(fault.seconds)
                case _:
                    pass
        await self._send(reply, request, fault)

    async def _send(self, reply: Reply, request: Request, fault: Fault | None = None) -> None:
        lines = [
            f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, '')}",
            f"Server: switchgear-stand-in/{self._board.version}",
            f"Content-Type: {reply.content_type}",
            f"Connection: {'keep-alive' if request.keep_alive else 'close'}",
            "Transfer-Encoding: chunked" if reply.stream else f"Content-Length: {sum(map(len, reply.pieces))}",
        ]
        if reply.retry_after is not None:
            lines.append(f"Retry-After: {reply.retry_after:g}")
        self._writer.write("\r\n".join([*lines, "\r\n"]).encode())
        for index, piece in enumerate(reply.pieces):
            if fault is not None and index == fault.after:
                await self._interrupt(fault, reply)
            self._writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.stream else piece)
            await self._writer.drain()
        if reply.stream:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()

    async def _interrupt(self, fault: Fault, reply: Reply) -> None:
        match fault.kind:
            case "stall":
                await self._until_healed()
            case "cut":
                self._reset()
            case "truncate" if not reply.stream:  # shorter than its Content-Length says
                raise ConnectionAbortedError
            case _:
                pass

    async def _until_healed(self) -> None:
        """Waits for the end of all faults. Raises ConnectionError if the client leaves first: they must not pile up."""
        healed = asyncio.ensure_future(self._board.healed.wait())
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait([healed, gone], return_when=asyncio.FIRST_COMPLETED)
            if not healed.done():
                raise ConnectionAbortedError
        finally:
            healed.cancel()
            gone.cancel()
            await asyncio.wait([healed, gone])  # of two who read from one connection at a time the second fails

    def _reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is RST, not FIN
        self._writer.transport.abort()
        raise ConnectionAbortedError
