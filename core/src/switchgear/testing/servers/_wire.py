"""Just enough of a client to ask a local server whether it serves. Works on asyncio and trio."""

from __future__ import annotations

from typing import NamedTuple

import anyio


async def ask(port: int, request: bytes, *, timeout: float = 2.0) -> bytes:
    """Sends `request` to 127.0.0.1 and reads until the server closes.

    Raises OSError when it refuses or breaks off, TimeoutError after `timeout` seconds.
    """
    with anyio.fail_after(timeout):
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


async def http(port: int, path: str, *, method: str = "GET", body: bytes = b"", timeout: float = 2.0) -> Answer:
    """One HTTP request; raises as `ask` does."""
    # HTTP/1.0: the server closes at the end and sends no chunks, so that reading to the end is all there is to do.
    head = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = await ask(port, head.encode() + body, timeout=timeout)
    status, _, fields = (top := answer.partition(b"\r\n\r\n"))[0].decode("latin-1").partition("\r\n")
    pairs = (line.partition(":") for line in fields.split("\r\n"))
    code = status.split(" ")[1:2]
    return Answer(int(code[0]) if code else 0, {name.lower(): value.strip() for name, _, value in pairs}, top[2])
