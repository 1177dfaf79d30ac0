"""One client's connection to the OpenAI stand-in: HTTP/1.1 in, good and bad answers out."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple

from switchgear.testing.servers.openai._answers import Reply, event, failure, parse, plain, reply_to
from switchgear.testing.servers.openai._fault import Fault, Faults

_LARGEST_BODY = 16 * 2**20


class Request(NamedTuple):
    method: str
    path: str
    body: bytes
    keep_alive: bool


class Board:
    """What all connections share: the faults, the moment of healing, and a count."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.faults = Faults()
        self.healed = asyncio.Event()
        self.requests = 0

    def heal(self) -> None:
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
        try:
            while (request := await self._request()) is not None:
                if request.path == "/_fault":
                    await self._send(self._control(request), request)
                else:
                    await self._answer(request)
                if not request.keep_alive:
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client has left, or a fault ended the connection, or the client does not speak HTTP
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
            raise ValueError("body too large")
        body = await self._reader.readexactly(length)
        keep_alive = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(method, target.partition("?")[0], body, keep_alive)

    def _control(self, request: Request) -> Reply:
        if request.method == "POST":
            try:
                self._board.faults.set(Fault(**parse(request.body)))
            except (TypeError, ValueError) as error:
                return failure(400, str(error))
        elif request.method == "DELETE":
            self._board.heal()
        return plain({"requests": self._board.requests})

    async def _answer(self, request: Request) -> None:
        self._board.requests += 1
        reply = reply_to(request.method, request.path, request.body)
        match fault := self._board.faults.strike(parse(request.body).get("model")):
            case None:
                pass
            case Fault(kind="status"):
                reply = failure(fault.status, "A fault set by a test.", code=fault.code, retry_after=fault.retry_after)
            case Fault(kind="html"):
                reply = Reply((b"<html><body>Bad gateway</body></html>",), content_type="text/html")
            case Fault(kind="reset"):
                self._reset()
            case Fault(kind="hang"):
                await self._until_healed()
            case Fault(kind="slow"):
                await asyncio.sleep(fault.seconds)
            case Fault(kind="malformed"):
                broken = event('{"id": "chatcmpl-') if reply.stream else b'{"id": '
                reply = replace(reply, pieces=(*reply.pieces[: fault.after], broken))
            case Fault(kind="stream_error") if reply.stream:
                error = event(json.dumps({"error": {"message": "A fault set by a test.", "type": "server_error", "code": None}}))
                reply = replace(reply, pieces=(*reply.pieces[: fault.after], error))
            case Fault(kind="stream_error"):
                reply = failure(500, "A fault set by a test.")
            case Fault(kind="truncate") if reply.stream:
                reply = replace(reply, pieces=reply.pieces[: fault.after])
            case _:
                await self._send(reply, request, fault)
                return
        await self._send(reply, request)

    async def _send(self, reply: Reply, request: Request, fault: Fault | None = None) -> None:
        """Sends the reply; `fault` is one that strikes between its pieces."""
        length = "Transfer-Encoding: chunked" if reply.stream else f"Content-Length: {sum(map(len, reply.pieces))}"
        head = (
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\nServer: switchgear-stand-in/{self._board.version}\r\n"
            f"Content-Type: {reply.content_type}\r\nConnection: {'keep-alive' if request.keep_alive else 'close'}\r\n{length}\r\n"
        )
        if reply.retry_after is not None:
            head += f"Retry-After: {reply.retry_after:g}\r\n"
        self._writer.write(f"{head}\r\n".encode())
        for index, piece in enumerate(reply.pieces):
            if fault is not None and index == fault.after:
                await self._interrupt(fault)
            self._writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.stream else piece)
            await self._writer.drain()
            if reply.stream:
                await asyncio.sleep(0)  # each event in a packet of its own, as models produce them
        if reply.stream:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def _interrupt(self, fault: Fault) -> None:
        if fault.kind == "stall":
            await self._until_healed()
        elif fault.kind == "cut":
            self._reset()
        else:  # the plain answer is shorter than it said it would be
            raise ConnectionAbortedError

    async def _until_healed(self) -> None:
        """Waits for the end of all faults; raises ConnectionError if the client leaves first, so that none pile up."""
        healed = asyncio.ensure_future(self._board.healed.wait())
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait([healed, gone], return_when=asyncio.FIRST_COMPLETED)
            if not healed.done():
                raise ConnectionError
        finally:
            healed.cancel()
            gone.cancel()

    def _reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST, not FIN
        self._writer.transport.abort()
        raise ConnectionAbortedError
