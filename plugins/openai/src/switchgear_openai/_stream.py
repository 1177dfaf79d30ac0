"""Bodies of answers, passed on unchanged: one that tells an exchange how it goes, and one that was read ahead."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from switchgear_openai._exchange import Exchange

BodyT = TypeVar("BodyT", bound="WatchedBody | PeekedBody")


@cache
def of_family(body: type[BodyT], base: type) -> type[BodyT]:
    """The body class as a subclass of the AsyncByteStream of httpx or httpx2, which both insist on their own."""
    return type(body.__name__, (body, base), {})


class WatchedBody:
    """The body of a good answer. Its end, an error in it and its reader's leaving are each told to the exchange.

    What is known is kept in the exchange and not in the generator, since the SDK iterates twice: up to [DONE], and once
    more to drain the connection.
    """

    def __init__(self, inner: Any, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        chunks: AsyncIterator[bytes] = self._inner.__aiter__()
        try:
            async for chunk in chunks:
                exchange.passes(chunk)
                yield chunk
            exchange.ended()
        except GeneratorExit:
            raise  # no end: there may be a second iteration, and at last there is aclose
        except BaseException as exc:
            if (instead := exchange.broke(exc)) is not None:
                raise instead from exc
            raise
        finally:
            await _close(chunks)

    async def aclose(self) -> None:
        self._exchange.left()
        await self._inner.aclose()

    def __del__(self) -> None:
        self._exchange.lost()


class PeekedBody:
    """An error's body, whose first bytes were read ahead: its reader gets the same chunks, or the same exception."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._rest: AsyncIterator[bytes] = inner.__aiter__()
        self._head: list[bytes] = []
        self._error: Exception | None = None

    async def peek(self, size: int) -> bytes:
        """The first bytes: at least `size`, or all there are."""
        try:
            while size > 0:
                chunk = await anext(self._rest)
                self._head.append(chunk)
                size -= len(chunk)
        except StopAsyncIteration:
            pass
        except Exception as exc:  # noqa: BLE001 - kept for the reader, whom it was meant for
            self._error = exc
        return b"".join(self._head)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._head:
            yield chunk
        if self._error is not None:
            raise self._error
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        await _close(self._rest)
        await self._inner.aclose()


async def _close(chunks: object) -> None:
    """Left to the garbage collector, a generator would be closed at another time and place."""
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()
