"""What an outcome says about the API: tables by status, by error code and by exception, nothing else.

No SDK is imported: what httpx, httpx2, websockets and openai raise is known by name, which also makes one table serve
both httpx families.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, cast

from switchgear.spi import Verdict
from switchgear_openai._encoding import decoder
from switchgear_openai._limits import wait_of

#: The account or project will not be served until somebody pays, whatever the model: retrying is useless.
EXHAUSTED_NAMES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
#: Alive, but asks for less.
THROTTLED_NAMES = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "slow_down", "engine_overloaded", "overloaded_error"}
)
#: The request was at fault, or the content was: the API served by saying no.
REFUSED_NAMES = frozenset({"invalid_request_error", "context_length_exceeded", "content_filter", "invalid_prompt"})

#: They deny our credentials, which says nothing of the API's health.
AUTH_STATUSES = frozenset({401, 403})
#: Where the status alone decides. Other 4xx are SUCCESS (the API answered, the request was wrong), other 5xx FAILURE.
BY_STATUS: Mapping[int, Verdict] = MappingProxyType(
    {
        401: Verdict.IGNORED,
        402: Verdict.EXHAUSTED.everywhere(),  # "insufficient balance" at several compatible providers
        403: Verdict.IGNORED,
        407: Verdict.IGNORED,
        408: Verdict.FAILURE,
        409: Verdict.IGNORED,  # a lock was held; the SDK tries again
        429: Verdict.THROTTLED,
    }
)

#: Where an exception is not simply a FAILURE. What is not here is one.
BY_NAME: Mapping[str, Verdict] = MappingProxyType(
    {
        # The address is dead, so all models behind it are.
        "ConnectError": Verdict.FAILURE.everywhere(),
        "ConnectTimeout": Verdict.FAILURE.everywhere(),
        "ProxyError": Verdict.FAILURE.everywhere(),
        # Our side of the wire: no connection left in the pool, or a request that cannot be sent.
        "PoolTimeout": Verdict.IGNORED,
        "LocalProtocolError": Verdict.IGNORED,
        "UnsupportedProtocol": Verdict.IGNORED,
        "InvalidURL": Verdict.IGNORED,
        "StreamError": Verdict.IGNORED,
        "SubjectTokenProviderError": Verdict.IGNORED,
        "InvalidWebhookSignatureError": Verdict.IGNORED,
        # A whole answer that the SDK's parser would not take: too long, or filtered.
        "LengthFinishReasonError": Verdict.SUCCESS,
        "ContentFilterFinishReasonError": Verdict.SUCCESS,
        # What else the SDK says, it says before anything is sent: no key, no `openai[realtime]`.
        "OpenAIError": Verdict.IGNORED,
        "InvalidURI": Verdict.IGNORED,
        "InvalidProxy": Verdict.IGNORED,
    }
)
_FAMILIES = frozenset({"httpx", "httpx2", "openai", "websockets"})


class BadAnswer(Exception):
    """Why an answer was judged bad though nothing was raised. Never raised itself: it is what a breaker remembers."""


def verdict_of_status(status: int, names: Collection[str] = (), wait: float | None = None) -> Verdict:
    """The verdict on an error answer. `names` are what the API calls the error, `wait` the seconds it asks for."""
    if not EXHAUSTED_NAMES.isdisjoint(names):
        return Verdict.EXHAUSTED.everywhere()
    if status == HTTPStatus.SERVICE_UNAVAILABLE and not THROTTLED_NAMES.isdisjoint(names):
        return Verdict.THROTTLED.after(wait)
    verdict = BY_STATUS.get(status)
    if verdict is None:
        return Verdict.FAILURE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Verdict.SUCCESS
    return verdict.after(wait) if verdict is Verdict.THROTTLED else verdict


def verdict_of_error(names: Collection[str]) -> Verdict:
    """The verdict on an error that arrived inside a stream, where there is no status."""
    if not EXHAUSTED_NAMES.isdisjoint(names):
        return Verdict.EXHAUSTED.everywhere()
    if not THROTTLED_NAMES.isdisjoint(names):
        return Verdict.THROTTLED
    if not REFUSED_NAMES.isdisjoint(names):
        return Verdict.SUCCESS
    status = next((int(name) for name in names if name.isdecimal()), 0)  # some gateways put it into `code`
    return verdict_of_status(status) if status >= HTTPStatus.BAD_REQUEST else Verdict.FAILURE


def names_in(body: bytes, encoding: bytes = b"") -> tuple[str, ...]:
    """What the error is called in an error answer's body, where that is one of this API."""
    decode = decoder(encoding)
    try:
        return names_of(json.loads(decode(body))["error"]) if decode else ()
    except (ValueError, TypeError, KeyError, zlib.error):
        return ()


def names_of(error: object) -> tuple[str, ...]:
    """What an error object calls itself by its `code` and `type`, the most telling first."""
    if not isinstance(error, Mapping):
        return ()
    fields = cast("Mapping[str, object]", error)
    return tuple(str(name) for key in ("code", "type") if isinstance(name := fields.get(key), str | int))


def classify(exc: BaseException) -> Verdict:
    """The verdict on an exception of httpx, httpx2 or openai. What nobody explained is a FAILURE."""
    response: Any = getattr(exc, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
        # Who refuses a WebSocket says it in the body, which nobody has read.
        names = names_of(vars(exc)) or names_in(getattr(response, "body", None) or b"")
        return verdict_of_status(status, names, wait_of(response.headers))
    for cls in type(exc).__mro__:
        if cls.__module__.partition(".")[0] not in _FAMILIES:
            continue
        if (verdict := BY_NAME.get(cls.__name__)) is not None:
            return Verdict.FAILURE if verdict.service_wide and _was_connected(exc) else verdict
        if cls.__name__ == "APIConnectionError" and isinstance(exc.__cause__, Exception):
            return classify(exc.__cause__)
        if cls.__name__ == "APIError":  # an error event in a stream
            return verdict_of_error(names_of(vars(exc)))
    return Verdict.FAILURE


def _was_connected(exc: BaseException) -> bool:
    """The SDK's transport for aiohttp calls every lost connection a ConnectTimeout; aiohttp itself knows better."""
    cause = type(exc.__cause__)
    return cause.__module__.startswith("aiohttp") and all(
        cls.__name__ != "ClientConnectorError" for cls in cause.__mro__
    )
