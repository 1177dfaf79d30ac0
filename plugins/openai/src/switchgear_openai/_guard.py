"""Hangs a guard on a client's connections: in place, so that it stays the same object of the same type.

The waist is the HTTP transport: each attempt of each operation passes it, with the answer's status, headers and bytes,
and the SDK's copies of a client (`with_options`) share it. Private names of the SDK and of httpx are used here and
nowhere else; they are checked when a client is guarded.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import openai

from switchgear.spi import ConfigurationError, Service
from switchgear_openai._exchange import Exchange
from switchgear_openai._headers import fields_of
from switchgear_openai._limits import Limits
from switchgear_openai._operations import Call, call_of
from switchgear_openai._refusal import OpenAICallNotPermitted, OpenAICallTimedOut
from switchgear_openai._watch import TOKENS

Send = Callable[[Any], Awaitable[Any]]

_MARK = "_switchgear"

#: The address that a service was first guarded for: others are its domains.
_homes: WeakKeyDictionary[Service, bytes] = WeakKeyDictionary()


class Guard:
    """What the transports of one client share.

    Attributes:
        family: httpx or httpx2, whichever the client is of.
        limits: what is left of the API's, as its answers say.
        tokens: the counters of those that were billed, by kind.
    """

    def __init__(self, service: Service, home: bytes, family: ModuleType) -> None:
        self.service = service
        self.home = home
        self.family: Any = family
        self.limits = Limits()
        self.first_chunks, self.chunk_gaps = service.histogram("time_to_first_chunk"), service.histogram("chunk_gap")
        self.tokens = {kind: service.counter("tokens", kind=kind) for kind in TOKENS}

    async def handle(self, request: Any, send: Send) -> Any:
        """One attempt. Raises OpenAICallNotPermitted, or what sending raises."""
        if request.url.netloc != self.home and "x-stainless-lang" not in request.headers:
            return await send(request)  # not the SDK's: others may use the same HTTP client
        call = call_of(request, self.home)
        try:
            permit = self.service.admit(call.operation, call.domain)
        except OpenAICallNotPermitted as refusal:
            refusal.request = request
            raise
        exchange = Exchange(self, call, permit, request)
        try:
            response = await send(request)
            headers = fields_of(response.headers)
            self.limits.heard(call.domain, headers)
            await exchange.answered(response, headers)
        except BaseException as exc:
            if (instead := exchange.failed(exc)) is not None:
                raise instead from exc
            raise
        return response

    def veto(self, exc: BaseException, request: Any, call: Call) -> openai.APIConnectionError | None:
        """The SDK's own error in place of one that it would try again after: it passes its own on at once."""
        if self.service.closed(call.domain):
            return None
        if isinstance(exc, self.family.RequestError):
            setattr(exc, "request", request)  # noqa: B010 - httpx does so on the way out, which this one does not take
        if isinstance(exc, self.family.TimeoutException):
            return openai.APITimeoutError(request=request)
        if isinstance(exc, self.family.RequestError | ssl.SSLError | anyio.EndOfStream):
            return openai.APIConnectionError(request=request)
        return None


def guard_client(client: openai.AsyncOpenAI, service: Service) -> openai.AsyncOpenAI:
    """Guard all connections of the client. Raises ConfigurationError where that cannot be done."""
    if isinstance(client, openai.OpenAI):
        raise ConfigurationError(
            f"This {type(client).__name__} blocks, and switchgear-openai guards what does not. Make an "
            f"Async{type(client).__name__}, or put a breaker of your own round its calls, with @switchgear.circuit.",
            key=f"services.{service.name}",
        )
    http = getattr(client, "_client", None)
    family = _family_of(http)
    transports = [getattr(http, "_transport", None), *getattr(http, "_mounts", {}).values()]
    transports = [transport for transport in transports if transport is not None]
    if family is None or not transports or not all(map(_can_be_guarded, transports)):
        raise ConfigurationError(
            f"This {type(client).__name__} of openai {openai.__version__} cannot be guarded: it is no AsyncOpenAI, its "
            "transport has no place for a guard (__slots__), or this is an unsupported version of openai. Give an "
            "AsyncOpenAI, or install a version of openai that the README of switchgear-openai names.",
            key=f"services.{service.name}",
        )
    service.refusal, service.timed_out = OpenAICallNotPermitted, OpenAICallTimedOut
    guard = Guard(service, _homes.setdefault(service, client.base_url.netloc), family)
    for transport in transports:
        _hang(transport, guard)
    return client


def transport_of(client: openai.AsyncOpenAI) -> Any:
    """What the client's requests leave through, unless a proxy is mounted for their address."""
    return getattr(client, "_client")._transport  # noqa: B009 - private: checked when guarded


def guard_of(client: openai.AsyncOpenAI) -> Guard | None:
    """The guard of a client, if it is guarded, or of the connections that it shares with others."""
    return getattr(getattr(getattr(client, "_client", None), "_transport", None), _MARK, None)


def _can_be_guarded(transport: Any) -> bool:
    return hasattr(transport, "handle_async_request") and hasattr(transport, "__dict__")


def _hang(transport: Any, guard: Guard) -> None:
    hung: Guard | None = getattr(transport, _MARK, None)
    if hung is not None:
        if hung.service is not guard.service:
            setattr(transport, _MARK, guard)
        return
    before: Send | None = transport.__dict__.get("handle_async_request")  # another instrumentation's

    async def handle_async_request(request: Any) -> Any:
        # Looked up at each call, since a mock may be patched into the class.
        send: Send = before or transport.__class__.handle_async_request.__get__(transport)
        return await getattr(transport, _MARK).handle(request, send)

    transport.handle_async_request = handle_async_request
    setattr(transport, _MARK, guard)


def _family_of(http: object) -> ModuleType | None:
    for cls in type(http).__mro__:
        if cls.__name__ == "AsyncClient" and cls.__module__ in {"httpx", "httpx2"}:
            return sys.modules[cls.__module__]
    return None
