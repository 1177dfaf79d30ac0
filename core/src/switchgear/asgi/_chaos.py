"""The endpoints that switch chaos on and off: for a drill, on an application whose pipeline is ready for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta
from starlette.exceptions import HTTPException

from switchgear._document import Service
from switchgear._errors import nearest
from switchgear._gear import Switchgear
from switchgear._strategies._injections import Injection
from switchgear._strategies.chaos import Chaos
from switchgear._timeline import Timeline
from switchgear._view import View
from switchgear.asgi._endpoint import Answer, Endpoint, document
from switchgear.asgi._operator import Operator, Reasoned, Timed, printable
from switchgear.asgi._responses import Json, Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_Longer = Annotated[float, Meta(gt=0, le=3600, description="Of latency and pool_starve: seconds.")]
#: As JSON has it, where 3.0 is as whole as 3.
_Whole = Annotated[
    float, Meta(ge=0, le=1e6, multiple_of=1, description="Of stream_cut: as many come before the error.")
]
_Names = Annotated[tuple[str, ...], Meta(max_length=100)]


class Drill(Timed, frozen=True, kw_only=True):
    """What is to go wrong, how often, and with which calls. No names are all."""

    injection: Literal["fault", "latency", "outcome", "stream_cut", "pool_starve"] = "fault"
    rate: Annotated[float, Meta(gt=0, le=1, description="The share of the calls.")] = 0.001
    seconds: _Longer = 1.0
    parts: _Whole = 1
    result: Annotated[Any, Meta(description="Of outcome: what calls return.")] = None
    operations: _Names = ()
    domains: _Names = ()

    def made(self) -> Injection:
        """As the strategy has it."""
        match self.injection:
            case "fault":
                return Chaos.Fault()
            case "latency":
                return Chaos.Latency(self.seconds)
            case "outcome":
                return Chaos.Outcome(self.result)
            case "stream_cut":
                return Chaos.StreamCut(int(self.parts))
            case "pool_starve":
                return Chaos.PoolStarve(self.seconds)


class ChaosEndpoints:
    """Each order is logged, told in the timeline, and answered with the service that it was given to."""

    def __init__(self, gear: Switchgear, view: View, timeline: Timeline, operator: Operator) -> None:
        self._gear, self._view, self._timeline, self._operator = gear, view, timeline, operator

    def endpoints(self) -> list[Endpoint]:
        unfit = Answer(
            meaning="Nobody has made the service ready for chaos.", content={"application/problem+json": Problem}
        )
        answers = {200: document("Done; the service as it is now.", Service), 409: unfit}
        path = "/api/services/{name}/chaos"
        return [
            Endpoint(
                path=path, method="POST", handler=self.begin, summary="Let a share of its calls go wrong for a time",
                order=Drill, operator=True, answers=answers,
            ),
            Endpoint(
                path=path, method="DELETE", handler=self.end, summary="End all chaos in a service before its time",
                order=Reasoned, order_required=False, operator=True, answers=answers,
            ),
        ]  # fmt: skip

    async def begin(self, request: Request) -> Response:
        drill = await self._operator.order(request, Drill)
        name, chaos = self._chaos_of(request)
        self._check_operations(name, drill.operations)
        what = f"{drill.injection} into {drill.rate:.3g} of the calls to"
        why = self._operator.audit(request, what, name, drill)
        self._timeline.add("operator", name, to=drill.injection, reason="chaos", detail=why)
        chaos.switch_on(
            drill.made(), rate=drill.rate, for_=drill.for_, reason=why, operations=drill.operations,
            domains=drill.domains,
        )  # fmt: skip
        return Json(self._view.service(name))

    async def end(self, request: Request) -> Response:
        order = await self._operator.order(request, Reasoned, default=Reasoned(reason="ended before its time"))
        name, chaos = self._chaos_of(request)
        why = self._operator.audit(request, "end the chaos in", name, order)
        self._timeline.add("operator", name, reason="end_chaos", detail=why)
        chaos.switch_off()
        return Json(self._view.service(name))

    def _chaos_of(self, request: Request) -> tuple[str, Chaos]:
        name = request.path_params["name"]
        chaos = Chaos.of(self._gear.service(name).pipeline)
        if chaos is None:
            raise HTTPException(
                409,
                f"There is no chaos in the pipeline of {name!r}. On a staging system write chaos = true into the table "
                f"[services.{name}.pipeline], and it may be switched on; in production there should be none.",
            )
        return name, chaos

    def _check_operations(self, service: str, wanted: tuple[str, ...]) -> None:
        """A drill of a misspelt operation would be passed by everybody. Where the plugin says which there are, look."""
        known = {operation.name for operation in self._gear.service(service).backend.operations}
        for name in wanted if known else ():
            if name not in known:
                raise HTTPException(404, f"{service!r} has no operation {printable(name)!r}.{nearest(name, known)}")
