"""Bodies that are read after the call has returned: when they are over, and what that says.

Success is judged where the bytes arrive, not where they are consumed: the service has served when the last byte is
here, however slow or picky the reader. Failure is judged where the reader meets it. So the innermost stream, aiohttp's
StreamReader, is watched; every way to read a body (`read`, `iter_chunks`, `async with`, the raw response) ends there.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any, cast

from aiohttp import ClientResponse, StreamReader

from switchgear.spi import Permit, Service

#: The method of a body with a checksum that compares it, after the last byte.
_CHECK = "_validate_checksum"


def settle_at_end(response: ClientResponse, body: Any, permit: Permit, service: Service) -> None:
    """Let the permit be settled when `response` has been received, has broken off or has been given up.

    `body` is what the caller gets: when it is dropped, nobody will read on.
    """
    stream = _Stream(response.content, permit, service)
    check: Callable[[Any], None] | None = getattr(cast("type[object]", type(body)), _CHECK, None)
    if check is not None:
        stream.await_checksum(body, check)
    elif stream.reader.is_eof():  # a small body comes along with its head
        stream.over()
        return
    permit.first_chunk()
    response.content = cast("StreamReader", stream)
    stream.body = weakref.ref(body, stream.dropped)
    stream.reader.on_eof(stream.arrived)


def _read(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A method of StreamReader that reads, watched."""

    async def read(self: _Stream, *args: Any, **kwargs: Any) -> Any:
        began = monotonic()
        try:
            piece = await getattr(self.reader, name)(*args, **kwargs)
        except BaseException as exc:
            self.over(exc)
            raise
        if not (name == "read" and (not args or args[0] < 0)):  # which waits for all pieces
            self.gaps.observe(monotonic() - began)
        return piece

    read.__name__, read.__doc__ = name, getattr(StreamReader, name).__doc__
    return read


class _Stream:
    """A StreamReader that settles a permit. Whatever is not defined here is the reader's own."""

    # aiohttp decides by type how to send a body on, and callers may look, too.
    __class__ = property(lambda _self: StreamReader)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, reader: StreamReader, permit: Permit, service: Service) -> None:
        self.reader = reader
        self.body: weakref.ref[Any] | None = None
        self.gaps = service.histogram("chunk_gap")
        self._permit = permit
        self._service = service
        self._checksum_awaited = False
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    read = _read("read")
    readany = _read("readany")
    readchunk = _read("readchunk")
    readexactly = _read("readexactly")
    readline = _read("readline")
    readuntil = _read("readuntil")

    # The reader's own iterators would read past us: these are the same ones, reading from here.

    def __aiter__(self) -> AsyncIterator[bytes]:
        return StreamReader.__aiter__(cast("StreamReader", self))

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        return StreamReader.iter_chunked(cast("StreamReader", self), n)

    def iter_any(self) -> AsyncIterator[bytes]:
        return StreamReader.iter_any(cast("StreamReader", self))

    def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        return StreamReader.iter_chunks(cast("StreamReader", self))

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """What aiohttp does to the reader of a response that is closed; a connection that breaks does not pass here."""
        self.over(None if self.reader.is_eof() else GeneratorExit())
        self.reader.set_exception(exc, *cause)

    def arrived(self) -> None:
        """The last byte is here."""
        if not self._checksum_awaited:
            self.over()

    def dropped(self, _body: object) -> None:
        """Nobody will read on. If all had arrived, only the checksum was left unseen, and the service has served.

        This is a finalizer, which may run in the middle of anything: it may give back, and must not decide.
        """
        if self._permit.settled:
            return
        if self.reader.is_eof() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.over)
        else:
            self.over(GeneratorExit())

    def over(self, exc: BaseException | None = None) -> None:
        """Settle, and count what was received. Cancelled and given up (no Exception) say nothing of the service."""
        if self._permit.settled:
            return
        if exc is None:
            self._permit.succeed()
            self._service.observe("object_size", self.reader.total_bytes, direction="down")
        else:
            self._permit.fail(exc)
            if isinstance(exc, Exception):
                self._service.count("body_failures")
        self._service.count("bytes", self.reader.total_bytes, direction="down")

    def await_checksum(self, body: Any, check: Callable[[Any], None]) -> None:
        """Only what passes the SDK's check of the checksum, after the last byte, has been served."""
        self._checksum_awaited = True
        alive = weakref.ref(body)  # the body must not keep itself alive: dropping it is to be noticed at once

        def validate() -> None:
            try:
                check(alive())
            except Exception as exc:
                self.over(exc)
                raise
            self.over()

        setattr(body, _CHECK, validate)
