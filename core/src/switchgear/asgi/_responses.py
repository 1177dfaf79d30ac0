"""Answers in JSON: documents, and problems as RFC 9457 has them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from switchgear._errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.requests import Request


class Json(Response):
    """A document, as it is."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong, and what to do."""

    title: str
    status: int
    detail: str


class ProblemResponse(Json):
    """A problem, as RFC 9457 has it."""

    media_type = "application/problem+json"

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
        super().__init__(problem, status_code=status, headers=headers)


def refused(_request: Request, exc: Exception) -> Response:
    """The answer to what an endpoint, or the router, refuses."""
    if isinstance(exc, ConfigurationError):  # a name that there is not
        return ProblemResponse(HTTPStatus.NOT_FOUND, exc.problem)
    if not isinstance(exc, HTTPException):
        raise exc
    return ProblemResponse(exc.status_code, exc.detail, dict(exc.headers or {}))
