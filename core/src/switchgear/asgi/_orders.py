"""The endpoints for operators: what each order does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from switchgear._document import Capability, Service
from switchgear._gear import Switchgear
from switchgear._group import BreakerGroup
from switchgear._level import Level
from switchgear._timeline import Timeline
from switchgear._view import View
from switchgear.asgi._endpoint import Answer, Endpoint, Handler, document
from switchgear.asgi._operator import Levelled, Operator, OrderT, Reasoned, Timed
from switchgear.asgi._responses import Json, Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Session(Struct, frozen=True, kw_only=True):
    """Whether orders are taken at all."""

    actions: bool


class OrderEndpoints:
    """Each order is logged, told in the timeline, and answered with what it was given to."""

    def __init__(self, gear: Switchgear, view: View, timeline: Timeline, operator: Operator) -> None:
        self._gear, self._view, self._timeline, self._operator = gear, view, timeline, operator

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                path="/api/session",
                handler=self.session,
                summary="Are operator actions on? With a token: is it the right one?",
                answers={
                    200: document("Whether they are.", Session),
                    401: Answer(meaning="It is not.", content={"application/problem+json": Problem}),
                    403: Answer(meaning="Another site asks.", content={"application/problem+json": Problem}),
                },
            ),
            self._service("isolate", Timed, lambda group, order, why: group.force_open(why, for_=order.for_)),
            self._service("close", Reasoned, lambda group, _order, why: group.reset(why)),
            self._service("disable", Timed, lambda group, order, why: group.disable(why, for_=order.for_)),
            self._capability("POST", self.override, "Set the level for a time, whatever the health", Levelled),
            self._capability("DELETE", self.end_override, "End an override before its time", Reasoned),
        ]

    async def session(self, request: Request) -> Response:
        if self._operator.on and "authorization" in request.headers:
            self._operator.authorize(request)
        return Json(Session(actions=self._operator.on))

    # -- services ------------------------------------------------------------------------------------------------

    def _service(self, action: str, kind: type[OrderT], act: Callable[[BreakerGroup, OrderT, str], None]) -> Endpoint:
        async def handler(request: Request) -> Response:
            order = await self._operator.order(request, kind)
            name = request.path_params["name"]
            group = self._gear.service(name).group
            why = self._operator.audit(request, action, name, order)
            self._timeline.add("operator", name, to=action, reason=action, detail=why)
            act(group, order, why)
            return Json(self._view.service(name))

        return Endpoint(
            path=f"/api/services/{{name}}/{action}",
            method="POST",
            handler=handler,
            summary=f"{action.capitalize()} a service",
            order=kind,
            operator=True,
            answers={200: document("Done; the service as it is now.", Service)},
        )

    # -- capabilities --------------------------------------------------------------------------------------------

    def _capability(self, method: str, handler: Handler, summary: str, kind: type[Reasoned]) -> Endpoint:
        return Endpoint(
            path="/api/capabilities/{name}/override",
            method=method,
            handler=handler,
            summary=summary,
            order=kind,
            order_required=method == "POST",
            operator=True,
            answers={200: document("Done; the capability as it is now.", Capability)},
        )

    async def override(self, request: Request) -> Response:
        order = await self._operator.order(request, Levelled)
        name = self._capability_of(request)
        why = self._operator.audit(request, f"override to {order.level}", name, order)
        self._timeline.add("operator", name, to=order.level, reason="override", detail=why)
        self._gear.degradation.override(name, Level[order.level], why, for_=order.for_)
        return Json(self._view.capability(name))

    async def end_override(self, request: Request) -> Response:
        order = await self._operator.order(request, Reasoned, default=Reasoned(reason="ended before its time"))
        name = self._capability_of(request)
        why = self._operator.audit(request, "end the override of", name, order)
        self._timeline.add("operator", name, reason="end_override", detail=why)
        self._gear.degradation.end_override(name)
        return Json(self._view.capability(name))

    def _capability_of(self, request: Request) -> str:
        return self._view.capability(request.path_params["name"]).name
