"""The endpoints for those who look on: the state and its parts, what has happened, and the stream of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchgear._document import Capability, Entry, Service, State
from switchgear._view import View
from switchgear.asgi._endpoint import Answer, Endpoint, document
from switchgear.asgi._feed import Feed
from switchgear.asgi._responses import Json, Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class ReadingEndpoints:
    """Everybody may read."""

    def __init__(self, view: View, feed: Feed) -> None:
        self._view, self._feed = view, feed

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                path="/api/state",
                handler=self.state,
                summary="Everything at this moment",
                answers={200: document("The state.", State)},
            ),
            Endpoint(
                path="/api/services/{name}",
                handler=self.service,
                summary="One service",
                answers={200: document("The service.", Service)},
            ),
            Endpoint(
                path="/api/capabilities/{name}",
                handler=self.capability,
                summary="One capability",
                answers={200: document("The capability.", Capability)},
            ),
            Endpoint(
                path="/api/timeline",
                handler=self.timeline,
                summary="What has happened, oldest first",
                answers={200: document("The last entries.", tuple[Entry, ...])},
            ),
            Endpoint(
                path="/events",
                handler=self._feed.respond,
                summary="The state about once a second, and entries of the timeline at once, as server-sent events",
                answers={
                    200: Answer(meaning="A stream without an end.", content={"text/event-stream": str}),
                    503: Answer(meaning="Too many listen.", content={"application/problem+json": Problem}),
                },
            ),
        ]

    async def state(self, _request: Request) -> Response:
        return Json(self._view.state())

    async def service(self, request: Request) -> Response:
        return Json(self._view.service(request.path_params["name"]))

    async def capability(self, request: Request) -> Response:
        return Json(self._view.capability(request.path_params["name"]))

    async def timeline(self, _request: Request) -> Response:
        return Json(self._feed.timeline.since(0))
