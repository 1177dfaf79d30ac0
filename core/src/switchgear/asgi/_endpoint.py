"""An endpoint as data: what it answers to, with what, and who may ask. Routes and OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back with a status."""

    meaning: str
    #: Media type -> the type of the document, str for what is no document.
    content: Mapping[str, Any]


def document(meaning: str, type_: Any) -> Answer:
    """An answer in plain JSON."""
    return Answer(meaning=meaning, content={"application/json": type_})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path."""

    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, Answer]
    method: str = "GET"
    #: The type of the request's body, and whether there has to be one.
    order: Any = None
    order_required: bool = True
    #: Only for those who have the token.
    operator: bool = False


def routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """One route for each path, so that what is not allowed there is answered with all that is."""

    def route(path: str, handlers: Mapping[str, Handler]) -> Route:
        async def answer(request: Request) -> Response:
            return await handlers["GET" if request.method == "HEAD" else request.method](request)

        return Route(path, answer, methods=list(handlers))

    by_path = groupby(sorted(endpoints, key=lambda one: one.path), key=lambda one: one.path)
    return [route(path, {one.method: one.handler for one in group}) for path, group in by_path]
