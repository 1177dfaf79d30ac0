"""TCP on raw sockets, for asyncio and trio.

A proxy that resets, refuses and half-closes has to decide how each socket ends; stream classes decide that themselves.
"""

from __future__ import annotations

import socket
import struct
from typing import TypeAlias

import anyio

Address: TypeAlias = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

_CHUNK = 64 * 1024


def listen(port: int, backlog: int = 128) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


async def resolve(host: str, port: int) -> Address:
    family, _, _, _, address = (await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
    return family, address


async def accept(listener: socket.socket) -> socket.socket:
    while True:
        await anyio.wait_readable(listener)
        try:
            client, _ = listener.accept()
        except BlockingIOError:  # it has left again
            continue
        _prepare(client)
        return client


async def connect(address: Address) -> socket.socket:
    """Raises OSError."""
    server = socket.socket(address[0])
    try:
        _prepare(server)
        try:
            server.connect(address[1])
        except BlockingIOError:
            await anyio.wait_writable(server)
            if code := server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, f"cannot connect to {address[1]}") from None
    except BaseException:
        server.close()
        raise
    return server


async def receive(source: socket.socket) -> bytes:
    """Some bytes; none at the end. Raises OSError."""
    while True:
        try:
            return source.recv(_CHUNK)
        except BlockingIOError:
            await anyio.wait_readable(source)


async def send(sink: socket.socket, data: bytes) -> None:
    """Raises OSError."""
    while data:
        try:
            data = data[sink.send(data) :]
        except BlockingIOError:
            await anyio.wait_writable(sink)


def close(connection: socket.socket, *, reset: bool) -> None:
    """Ends it by FIN, or by RST."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # delays are the toxics' business
