"""What an operator may do, and who is one: whoever has the token, over a request that no other site has made.

Without a token it is all off. There are no cookies, so a browser adds nothing to a forged request that would let it
pass; and a request that says it comes from another origin is refused before its token is looked at.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field
from starlette.exceptions import HTTPException

from switchgear._errors import ConfigurationError
from switchgear._redact import redact

if TYPE_CHECKING:
    from starlette.requests import Request

_log = logging.getLogger("switchgear.audit")

#: Shorter tokens can be guessed.
_SHORTEST_TOKEN = 16
#: Bytes of a request's body.
_LONGEST_BODY = 4096
#: Seconds that an order may hold: what is to last longer belongs into the configuration.
_LONGEST = 24 * 3600.0

_Reason = Annotated[str, Meta(pattern=r"\w", max_length=200, description="For those who will wonder about it.")]
_Seconds = Annotated[float, Meta(gt=0, le=_LONGEST, description="Seconds that it holds.")]


class Reasoned(Struct, frozen=True, kw_only=True):
    """An order that is carried out at once."""

    reason: _Reason


class Timed(Reasoned, frozen=True, kw_only=True):
    """An order that holds for a time."""

    for_: _Seconds = field(name="for")


class Levelled(Timed, frozen=True, kw_only=True):
    """An override of a capability's level."""

    level: Literal["FULL", "REDUCED", "FALLBACK", "MINIMAL", "OFF"]


OrderT = TypeVar("OrderT", bound=Reasoned)


class Operator:
    """Knows the token, and keeps the audit log. Raises ConfigurationError for a token that is too short."""

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < _SHORTEST_TOKEN:
            problem = f"The operators' token has {len(token)} characters and could be guessed. Give {_SHORTEST_TOKEN}."
            raise ConfigurationError(problem)
        self._token = None if token is None else token.encode()

    @property
    def on(self) -> bool:
        """Whether there are operators at all."""
        return self._token is not None

    def authorize(self, request: Request) -> None:
        """Raises HTTPException unless the request is an operator's."""
        _check_origin(request)
        if self._token is None:
            raise HTTPException(403, "Operator actions are off. Start the application with a token to have them.")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Bytes, for compare_digest takes no other characters than ASCII's; headers are Latin-1.
        if not compare_digest(given.strip().encode("latin-1"), self._token) or scheme.lower() != "bearer":
            if given:
                _log.warning("Somebody at %s has tried a wrong token.", _client(request))
            raise HTTPException(401, "This takes the operators' token.", {"WWW-Authenticate": "Bearer"})

    async def order(self, request: Request, kind: type[OrderT], *, default: OrderT | None = None) -> OrderT:
        """What an operator's request asks for; `default` is for one without a body. Raises HTTPException for others."""
        self.authorize(request)
        body = await _body(request)
        if not body and default is not None:
            return default
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "An order is JSON, and has to say so: Content-Type: application/json.")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as exc:
            raise HTTPException(422, f"{exc}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise HTTPException(400, f"{exc}.") from None

    @staticmethod
    def audit(request: Request, what: str, name: str, order: Reasoned) -> str:
        """Log who did what to what, and why; returns the reason as it is fit to be shown."""
        reason = printable(order.reason)
        limit = f" for {order.for_:g} s" if isinstance(order, Timed) else ""
        _log.warning("An operator at %s: %s %s%s: %s", _client(request), what, printable(name), limit, reason)
        return reason


def printable(text: str) -> str:
    """On one line, without secrets and without what could steer a terminal."""
    return redact("".join(letter if letter.isprintable() else " " for letter in text))


def _client(request: Request) -> str:
    return request.client.host if request.client else "an unknown address"


def _check_origin(request: Request) -> None:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in {None, "same-origin", "none"} or (origin is not None and urlsplit(origin).netloc != host):
        raise HTTPException(403, "Orders are taken from the page of this application, and from no other site.")


async def _body(request: Request) -> bytes:
    body = b""
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > _LONGEST_BODY:
                raise HTTPException(413, f"An order has at most {_LONGEST_BODY} bytes.")
    return body
