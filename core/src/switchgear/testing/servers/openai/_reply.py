"""An HTTP answer of the OpenAI stand-in, in pieces, so that a fault can strike between them."""

from __future__ import annotations

import json
from dataclasses import dataclass

_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded", 500: "server_error", 503: "overloaded"}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A stream has one server-sent event to a piece, any other answer is in two halves."""

    pieces: tuple[bytes, ...]
    status: int = 200
    stream: bool = False
    content_type: str = "application/json"
    retry_after: float | None = None


def plain(data: object, status: int = 200, retry_after: float | None = None) -> Reply:
    """A JSON answer."""
    text = json.dumps(data).encode()
    half = len(text) // 2
    return Reply((text[:half], text[half:]), status, retry_after=retry_after)


def failure(status: int, message: str, *, code: str = "", param: str = "", retry_after: float | None = None) -> Reply:
    """An error as OpenAI words it; "" for `code` is the one usual for the status."""
    code = code or _CODES.get(status, "")
    kind = code if code == "insufficient_quota" else _TYPES.get(status, "server_error")
    error = {"message": message, "type": kind, "param": param or None, "code": code or None}
    return plain({"error": error}, status, retry_after)


def event(data: str) -> bytes:
    """One server-sent event."""
    return f"data: {data}\n\n".encode()
