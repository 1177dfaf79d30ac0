"""The guard: it hangs on a client's transports, which every request passes, each hop of a redirection by itself."""

# The client's transports are private, and there is no other way to a client that exists.
# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

from switchgear.spi import CallNotPermitted, CallTimedOut, Operation, Permit, Service
from switchgear_httpx import OPERATIONS

_OTHER = Operation(name="httpx.other", klass="write")


class HttpxCallNotPermitted(CallNotPermitted, httpx.ConnectError):
    """The request was refused before anything was sent. `except httpx.ConnectError` catches it."""

    _request = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args  # without the request, which may hold credentials


class HttpxCallTimedOut(CallTimedOut, httpx.ReadTimeout):
    """The head of the answer took longer than the pipeline of its service allows. `except httpx.TimeoutException`
    catches it.
    """

    _request = None


class _Body(httpx.AsyncByteStream):
    """An answer's body, which holds the permit until it has ended, broken off or been closed."""

    def __init__(self, body: Any, permit: Permit) -> None:
        self._body = body
        self._permit = permit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._permit:
            async for piece in self._body:
                yield piece

    async def aclose(self) -> None:
        self._permit.release()
        await self._body.aclose()

    def __del__(self) -> None:  # forgotten, and never closed
        self._permit.release()


def guard(client: httpx.AsyncClient, service: Service) -> httpx.AsyncClient:
    """Guard all that the client sends, in place."""
    service.refusal, service.timed_out = HttpxCallNotPermitted, HttpxCallTimedOut
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:
            _hang(transport, service)
    return client


def _hang(transport: Any, service: Service) -> None:
    hung = hasattr(transport, "switchgear_service")
    transport.switchgear_service = service
    if not hung:
        send: Callable[[httpx.Request], Awaitable[httpx.Response]] = transport.handle_async_request

        async def guarded(request: httpx.Request) -> httpx.Response:
            return await _handle(request, transport.switchgear_service, send)

        transport.handle_async_request = guarded


async def _handle(
    request: httpx.Request, service: Service, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
) -> httpx.Response:
    operation = OPERATIONS.get(request.method, _OTHER)
    domain = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"

    async def attempt() -> httpx.Response:
        permit = service.admit(operation, domain)
        try:
            response = await send(request)
        except BaseException as exc:
            permit.fail(exc)
            raise
        service.heard(domain, response)
        if response.is_error:
            permit.fail(httpx.HTTPStatusError(f"HTTP {response.status_code}", request=request, response=response))
        elif response.is_closed:  # a body that came with the head, as a mock's does
            permit.succeed()
        else:
            permit.first_chunk()
            response.stream = _Body(response.stream, permit)
        return response

    return await service.run(operation, domain, attempt)
