"""The endpoint for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from switchgear._gear import Switchgear
from switchgear.asgi._endpoint import Answer, Endpoint
from switchgear.observers._workers import Workers
from switchgear.observers.prometheus import PrometheusObserver, render

if TYPE_CHECKING:
    from starlette.requests import Request


def metrics(gear: Switchgear) -> Endpoint:
    """What the gear has counted, as text. Asking makes no call to a backend.

    Breakers count anyway. What costs calls something, to be timed, begins with the first scrape: most who have the
    endpoints for health are never asked for metrics.
    """
    if Workers.wanted():  # then another process may be asked, which has to find what this one has written down
        PrometheusObserver.of(gear)

    async def scrape(request: Request) -> Response:
        content, content_type = render(gear, request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": content_type})

    return Endpoint(
        path="/metrics",
        handler=scrape,
        summary="Metrics, as Prometheus reads them",
        answers={200: Answer(meaning="The metrics.", content={"text/plain": str, "application/openmetrics-text": str})},
    )
