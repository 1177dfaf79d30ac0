"""The endpoints for orchestrators and load balancers. They answer from what is known: asking makes no call.

/livez      is the event loop alive; says nothing about any backend, for a restart mends none
/startupz   is the gear entered, all its clients made
/readyz     ... and is there what the application cannot be without
/healthz    how healthy is what, in detail
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from switchgear._document import Report as ReportDocument
from switchgear._gear import Switchgear
from switchgear._report import Report, Status
from switchgear._view import report_document
from switchgear.asgi._endpoint import Answer, Endpoint, document
from switchgear.asgi._readiness import missing
from switchgear.asgi._responses import Json

if TYPE_CHECKING:
    from starlette.requests import Request

#: A heartbeat comes each second; after so many without one its loop is dead, or has been blocked for as long.
_DEAD = 10.0

_OK, _UNAVAILABLE = 200, 503
_HEALTH_JSON = "application/health+json"
_WORDS: Mapping[Status, Literal["pass", "warn", "fail"]] = {
    Status.HEALTHY: "pass",
    Status.UNKNOWN: "pass",
    Status.DEGRADED: "warn",
    Status.UNHEALTHY: "fail",
}


class Sign(Struct, frozen=True, kw_only=True):
    """Yes or no, and why not."""

    ok: bool
    because: tuple[str, ...] = ()


class Health(Struct, frozen=True, kw_only=True):
    """The health of everything that has one."""

    app: ReportDocument
    capabilities: tuple[ReportDocument, ...]
    services: tuple[ReportDocument, ...]


class Check(Struct, frozen=True, kw_only=True, rename="camel"):
    """The health of one component, as draft-inadarei-api-health-check has it."""

    component_type: Literal["component", "datastore"]
    observed_value: Annotated[float, Meta(ge=0, le=100)]
    observed_unit: Literal["percent"]
    status: Literal["pass", "warn", "fail"]
    time: datetime
    output: str


class HealthCheck(Struct, frozen=True, kw_only=True, rename="camel"):
    """The health of everything that has one, as draft-inadarei-api-health-check has it."""

    status: Literal["pass", "warn", "fail"]
    version: str
    release_id: str
    description: str
    output: str
    checks: dict[str, list[Check]]


class HealthEndpoints:
    """`required` names services without which the application is not ready, whatever its capabilities require."""

    def __init__(self, gear: Switchgear, required: Collection[str]) -> None:
        self._gear = gear
        self._required = required
        self._version = version("switchgear")

    def endpoints(self) -> list[Endpoint]:
        signs = {_OK: document("Yes.", Sign), _UNAVAILABLE: document("No, and why not.", Sign)}
        health = {"application/json": Health, _HEALTH_JSON: HealthCheck}
        return [
            Endpoint(path="/livez", handler=self.livez, summary="Is the event loop alive?", answers=signs),
            Endpoint(path="/startupz", handler=self.startupz, summary="Has it started?", answers=signs),
            Endpoint(path="/readyz", handler=self.readyz, summary="Should it get requests?", answers=signs),
            Endpoint(
                path="/healthz",
                handler=self.healthz,
                summary="How healthy is it, in detail?",
                answers={
                    _OK: Answer(meaning="It is not unhealthy.", content=health),
                    _UNAVAILABLE: Answer(meaning="It is unhealthy.", content=health),
                },
            ),
        ]

    async def livez(self, _request: Request) -> Response:
        heartbeat = self._gear.heartbeat
        age = 0.0 if heartbeat is None else self._gear.clock() - heartbeat
        return _sign(
            [f"The last heartbeat was {age:.0f} s ago: its event loop hangs, or is gone."] if age > _DEAD else []
        )

    async def startupz(self, _request: Request) -> Response:
        return _sign(self._not_started())

    async def readyz(self, _request: Request) -> Response:
        found = self._gear.degradation.assessment()
        known = [name for name in self._required if name in found.services]
        down = missing(self._gear.degradation.graph, found.services, known)
        return _sign([
            *self._not_started(),
            *(f"There is no service {name!r}, and it is required." for name in self._required if name not in known),
            *(str(found.services[name]) for name in down),
        ])  # fmt: skip

    async def healthz(self, request: Request) -> Response:
        found = self._gear.degradation.assessment()
        code = _UNAVAILABLE if found.app.status is Status.UNHEALTHY else _OK
        if _HEALTH_JSON in request.headers.get("accept", ""):
            parts = [*found.capabilities.values(), *found.services.values()]
            checks = {f"{part.name}:score": [_check(part, part.name in found.services)] for part in parts}
            content = HealthCheck(
                status=_WORDS[found.app.status], version=self._version.partition(".")[0], release_id=self._version,
                description=f"health of {found.app.name}", output=str(found.app), checks=checks,
            )  # fmt: skip
            return Response(msgspec.json.encode(content), code, media_type=_HEALTH_JSON)
        return Json(
            Health(
                app=report_document(found.app),
                capabilities=tuple(map(report_document, found.capabilities.values())),
                services=tuple(map(report_document, found.services.values())),
            ),
            code,
        )

    def _not_started(self) -> list[str]:
        return [] if self._gear.heartbeat is not None else ["It is still starting: its clients are not connected yet."]


def _sign(because: list[str]) -> Response:
    return Json(Sign(ok=not because, because=tuple(because)), _UNAVAILABLE if because else _OK)


def _check(report: Report, is_service: bool) -> Check:
    return Check(
        component_type="datastore" if is_service else "component",
        observed_value=report.score,
        observed_unit="percent",
        status=_WORDS[report.status],
        time=datetime.now(UTC),
        output=str(report),
    )
