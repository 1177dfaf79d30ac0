"""A client to begin with, of a server that answers each line with a line.

What you guard has a package of its own: then this file goes, and the others import that.
"""

from __future__ import annotations

import json

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

_LONGEST = 65_536


class AcmeError(Exception):
    """Base of the client's errors."""


class Unreachable(AcmeError):
    """The server did not answer."""


class Declined(AcmeError):
    """The server said no."""


class QuotaExceeded(AcmeError):
    """The account has used up what it may use."""


class Busy(AcmeError):
    """The server asks for less. `retry_after` is in seconds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.retry_after = 1.0


_ERRORS = {"declined": Declined, "quota exceeded": QuotaExceeded, "busy": Busy}


class Client:
    """Connects for each request, on asyncio and trio. `timeout` is in seconds."""

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout

    async def get(self, key: str) -> str:
        """The value of a key. Raises Declined where there is none."""
        return await self.request("get", key)

    async def put(self, key: str, value: str) -> None:
        """Set the value of a key."""
        await self.request("put", key, value)

    async def request(self, verb: str, *words: str) -> str:
        """One request and its answer. Raises a subclass of AcmeError."""
        try:
            with anyio.fail_after(self._timeout):
                async with await anyio.connect_tcp(self._host, self._port) as stream:
                    await stream.send(json.dumps([verb, *words]).encode() + b"\n")
                    line = await BufferedByteReceiveStream(stream).receive_until(b"\n", _LONGEST)
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead) as exc:
            raise Unreachable(f"{self._host}:{self._port} did not answer") from exc
        status, answer = json.loads(line)
        if status in _ERRORS:
            raise _ERRORS[status](answer)
        return str(answer)
