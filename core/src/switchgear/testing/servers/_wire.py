"""Just enough of a client to ask a local server whether it serves. Works on asyncio and trio."""

from __future__ import annotations

from typing import NamedTuple

import anyio

_PATIENCE = 2.0  # s


async def ask(port: int, request: bytes) -> bytes:
    """Sends `request` to 127.0.0.1 and reads until the server closes.

    Raises OSError when it refuses or breaks off, TimeoutError after 2 s.
    """
    with anyio.fail_after(_PATIENCE):
        try:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(request)
                return b"".join([part async for part in stream])
        except anyio.BrokenResourceError as error:
            raise ConnectionResetError(f"127.0.0.1:{port} broke the connection") from error


class Answer(NamedTuple):
    """What an HTTP server said. `status` is 0 when it was no HTTP; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


async def http(port: int, path: str, *, method: str = "GET", body: bytes = b"") -> Answer:
    """One HTTP request to 127.0.0.1; raises as `ask` does."""
    # HTTP/1.0: the server closes at the end and sends no chunks, so that reading to the end is all there is to do.
    head = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    top, _, content = (await ask(port, head.encode() + body)).partition(b"\r\n\r\n")
    line, *fields = top.decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in fields)
    status = line.split(" ")[1] if line.startswith("HTTP/") else "0"
    return Answer(int(status), {name.lower(): value.strip() for name, _, value in pairs}, content)
