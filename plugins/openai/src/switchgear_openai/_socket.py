"""WebSockets (realtime, live, responses) do not pass the HTTP transport: a guard stands where the SDK opens them.

The handshake is the call. A session may last for an hour and holds no permit. How it ends is evidence of its own: one
that breaks off is a failure, one that either side closes in good order does not count.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from functools import cache, partial, wraps
from types import ModuleType
from typing import Any

import openai

from switchgear.spi import CallNotPermitted, Service, Verdict, when_imported
from switchgear_openai._classify import AUTH_STATUSES, classify
from switchgear_openai._guard import Guard, guard_of
from switchgear_openai._operations import socket_of
from switchgear_openai._refusal import OpenAICallNotPermitted

Open = Callable[..., Coroutine[Any, Any, Any]]

_log = logging.getLogger("switchgear")

#: What opens them, by the module of openai.resources where it is. They are private, and have been so from openai 3.0 to
#: 3.54: each has `_connect_ws`, which reconnects as well.
_MANAGERS = {
    "beta.realtime.realtime": "AsyncRealtimeConnectionManager",
    "beta.responses.responses": "AsyncResponsesConnectionManager",
    "live.forks": "AsyncForksConnectionManager",
    "live.live": "AsyncLiveConnectionManager",
    "live.sideband": "AsyncSidebandConnectionManager",
    "realtime.realtime": "AsyncRealtimeConnectionManager",
    "realtime.translations.translations": "AsyncTranslationsConnectionManager",
    "responses.responses": "AsyncResponsesConnectionManager",
}
#: Where the SDK is no longer worked at, there is no such method.
_OPENING = {"beta.realtime.realtime": ("__aenter__", "enter")}

_FAILURE, _IGNORED = Verdict.FAILURE, Verdict.IGNORED

#: A session that the server closed, by the code that it gave. Others are no fault: it has said its last word.
_CLOSED_BY_SERVER = {1011: _FAILURE, 1012: _FAILURE, 1013: Verdict.THROTTLED, 1014: _FAILURE}
#: One that websockets closed by itself: the server broke the protocol, or was silent for too long. Others the caller
#: closed.
_CLOSED_BY_CLIENT = {1002: _FAILURE, 1007: _FAILURE, 1011: _FAILURE}


@cache
def guard_sockets() -> None:
    """See to it that guarded clients open their WebSockets under a permit. Clients that are not guarded do as ever."""
    for name, manager in _MANAGERS.items():
        when_imported(f"openai.resources.{name}", partial(_stand_in_front, name, manager))


def _stand_in_front(name: str, manager: str, module: ModuleType) -> None:
    kind: Any = getattr(module, manager, None)
    resource = name.removeprefix("beta.").partition(".")[0]
    for method in _OPENING.get(name, ("_connect_ws",)):
        opening: Open | None = getattr(kind, method, None)
        if opening is None:
            _log.warning("WebSockets of openai.%s are not guarded: openai %s is not as it was.", name, openai.VERSION)
        else:
            setattr(kind, method, _guarded(opening, f"_{manager}__", resource))


def _guarded(opening: Open, private: str, resource: str) -> Open:
    @wraps(opening)
    async def guarded(manager: Any, *given: Any) -> Any:
        client: Any = getattr(manager, f"{private}client", None)
        guard = guard_of(client)
        if not isinstance(guard, Guard):
            return await opening(manager, *given)
        model = getattr(manager, f"{private}model", None) or (given[0].get("model") if given else None)
        return await _Session(guard, client, resource, model).open(partial(opening, manager, *given))

    return guarded


class _Session:
    """One connection, from its permit to its end."""

    def __init__(self, guard: Guard, client: Any, resource: str, model: object) -> None:
        self._guard = guard
        self._service: Service = guard.service
        self._url = guard.family.URL(str(client.websocket_base_url or client.base_url))
        self._home = self._url.netloc == guard.home
        self._connect, self._session, self._domain = socket_of(resource, model, self._url.netloc, guard.home)

    async def open(self, opening: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What the SDK opens. Raises OpenAICallNotPermitted, or what opening raises."""
        try:
            permit = self._service.admit(self._connect, self._domain)
        except OpenAICallNotPermitted as refusal:
            refusal.request = self._guard.family.Request("GET", self._url)
            raise
        try:
            opened = await opening()
        except Exception as exc:
            permit.settle(self._verdict_of(exc), exc)
            raise
        except BaseException as exc:
            permit.fail(exc)
            raise
        permit.succeed()
        self._watch(getattr(opened, "_connection", opened))
        return opened

    def _verdict_of(self, exc: Exception) -> Verdict:
        status = getattr(getattr(exc, "response", None), "status_code", None)
        if status in AUTH_STATUSES:
            self._service.count("auth_errors", status=str(status))
        verdict = _verdict_of_opening(exc)
        # The address of a client's copy may be dead while the service's own is well.
        return verdict if self._home or not verdict.service_wide else Verdict(verdict.name)

    def _watch(self, connection: Any) -> None:
        websockets: Any = sys.modules.get("websockets.asyncio.client")
        if websockets is None or not isinstance(connection, websockets.ClientConnection):
            return  # a stand-in, in somebody's test
        closed = asyncio.get_running_loop().create_task(connection.wait_closed())
        closed.add_done_callback(partial(self._closed, connection))

    def _closed(self, connection: Any, closed: asyncio.Task[None]) -> None:
        if closed.cancelled():  # the event loop ends
            return
        end = connection.protocol.close_exc
        verdict = _verdict_of_end(end)
        # Once the breaker is not closed, it has all the evidence it needs; and this is no probe.
        if verdict is _IGNORED or not self._service.closed(self._domain):
            return
        try:
            self._service.admit(self._session, self._domain).settle(verdict, end)
        except CallNotPermitted:
            return  # shed under pressure, or opened in this moment


def _verdict_of_opening(exc: Exception) -> Verdict:
    if isinstance(exc, TimeoutError):
        return _FAILURE
    if isinstance(exc, OSError):  # no connection, or no TLS on it; once it stands, websockets has exceptions of its own
        return _FAILURE.everywhere()
    # Options that there are not, an event loop that it is not; a refusal of what was asked for on the way.
    if isinstance(exc, TypeError | RuntimeError | CallNotPermitted):
        return _IGNORED
    return classify(exc)


def _verdict_of_end(end: Any) -> Verdict:
    """The verdict on how a session ended, by websockets' ConnectionClosed."""
    if end.rcvd is not None and (end.sent is None or end.rcvd_then_sent):
        return _CLOSED_BY_SERVER.get(end.rcvd.code, _IGNORED)
    if end.sent is not None:
        return _CLOSED_BY_CLIENT.get(end.sent.code, _IGNORED)
    return _FAILURE  # nobody said good-bye
