"""The endpoints as one ASGI application."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from switchgear._errors import ConfigurationError
from switchgear._gear import Switchgear
from switchgear._view import View
from switchgear.asgi._chaos import ChaosEndpoints
from switchgear.asgi._endpoint import routes
from switchgear.asgi._feed import Feed
from switchgear.asgi._headers import SecurityHeaders
from switchgear.asgi._health import HealthEndpoints
from switchgear.asgi._metrics import metrics
from switchgear.asgi._openapi import openapi
from switchgear.asgi._operator import Operator
from switchgear.asgi._orders import OrderEndpoints
from switchgear.asgi._paths import AnySlash, asked_for, mounted_at
from switchgear.asgi._reading import ReadingEndpoints
from switchgear.asgi._responses import Json, refused

if TYPE_CHECKING:
    from starlette.requests import Request

_PAGE = Path(__file__).with_name("page")
_OPENAPI = "/api/openapi.json"


def create_app(
    gear: Switchgear,
    *,
    token: str | None = None,
    required: Collection[str] = (),
    hosts: Collection[str] | None = None,
) -> Starlette:
    """The endpoints and the live page of a gear, to be served alone or mounted in another ASGI application.

    Who enters the gear is the application. `token` turns operator actions on, for those who send it; it has at least
    16 characters. `required` names services without which `/readyz` says no, besides those that the CRITICAL
    capabilities require. `hosts` are the names by which this may be asked for; give them where it listens on the
    loopback, lest a web site that points its own name there reads what this says.

    Raises ConfigurationError for a token that is too short.
    """
    view = View(gear)
    feed = Feed(view.state)
    gear.subscribe(feed.timeline)
    orders = gear, view, feed.timeline, Operator(token)
    endpoints = [
        *HealthEndpoints(gear, required).endpoints(),
        metrics(gear),
        *ReadingEndpoints(view, feed).endpoints(),
        *OrderEndpoints(*orders).endpoints(),
        *ChaosEndpoints(*orders).endpoints(),
    ]
    described = openapi(endpoints)

    async def description(request: Request) -> Response:
        return Json({**described, "servers": [{"url": mounted_at(request.scope, _OPENAPI) or "/"}]})

    async def page(request: Request) -> Response:
        path = asked_for(request.scope)
        if not path.endswith("/"):  # the page's addresses are relative to where it is
            return RedirectResponse(f"{path.rpartition('/')[2]}/")
        return FileResponse(_PAGE / "index.html")

    files = {file.name: file for file in _PAGE.iterdir()}

    async def part(request: Request) -> Response:
        file = files.get(request.path_params["file"])
        if file is None:
            raise HTTPException(404, "The page has no such part.")
        return FileResponse(file)

    app = Starlette(
        routes=[
            *routes(endpoints),
            Route(_OPENAPI, description),
            Route("/", page),
            Route("/page/{file}", part),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(AnySlash),
            Middleware(
                TrustedHostMiddleware, allowed_hosts=["*"] if hosts is None else list(hosts), www_redirect=False
            ),
        ],
        exception_handlers={HTTPException: refused, ConfigurationError: refused},
    )
    app.router.redirect_slashes = False  # all paths come without
    return app
