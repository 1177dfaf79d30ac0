"""Inside other applications: FastAPI, Starlette, Litestar; under a path, and behind a proxy that adds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, asgi, get
from litestar import Response as LitestarResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from switchgear import CallNotPermitted, Switchgear
from switchgear.asgi import SwitchgearMiddleware
from tests.asgi.support import TOKEN, App, ask, shop, subscribed
from tests.backends import Client, backend_of

pytestmark = pytest.mark.anyio


def in_starlette(app: Any) -> App:
    async def home(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("home")

    return Starlette(routes=[Route("/", home), Mount("/ops/switchgear", app)])


def in_fastapi(app: Any) -> App:
    outer = FastAPI()

    @outer.get("/")
    async def home() -> str:
        return "home"

    outer.mount("/ops/switchgear", app)
    return outer


def in_litestar(app: Any) -> App:
    @get("/")
    async def home() -> str:
        return "home"

    return Litestar([home, asgi("/ops/switchgear", is_mount=True, copy_scope=True)(app)])


mounted = pytest.mark.parametrize("mount", [in_starlette, in_fastapi, in_litestar])


@mounted
@pytest.mark.parametrize("root_path", ["", "/behind"])
async def test_everything_is_there_under_its_path(mount: Callable[[Any], App], root_path: str) -> None:
    """Reading, orders, the page and its files; the application's own routes stay. A proxy may have taken a path off."""
    async with shop(token=TOKEN) as board:
        outer = mount(board.app)
        scope: Any = {"root_path": root_path}
        assert (await ask(outer, f"{root_path}/", **scope)).status == 200
        at = f"{root_path}/ops/switchgear"
        for path in (
            "/livez",
            "/readyz",
            "/healthz",
            "/metrics",
            "/api/state",
            "/api/services/db",
            "/page/page.js",
            "/",
        ):
            assert (await ask(outer, f"{at}{path}", **scope)).status == 200, path
        assert (await ask(outer, f"{at}/nowhere", **scope)).status == 404
        order = {"reason": "why not", "for": 60}
        reply = await ask(outer, f"{at}/api/services/db/isolate", method="POST", body=order, token=TOKEN, **scope)
        assert (reply.status, reply.json()["breakers"][0]["state"]) == (200, "FORCED_OPEN")
        described = (await ask(outer, f"{at}/api/openapi.json", **scope)).json()
        assert described["servers"] == [{"url": at}]


@mounted
async def test_the_stream_flows_through(mount: Callable[[Any], App]) -> None:
    """Nothing in between waits for its end."""
    async with shop() as board, subscribed(mount(board.app), path="/ops/switchgear/events") as subscriber:
        await subscriber.until(lambda: subscriber.frames("state"))
        board.break_down("db")
        await subscriber.until(lambda: subscriber.frames("transition"))


@pytest.mark.parametrize("outer", [Starlette, FastAPI])
async def test_the_middleware_turns_refusals_of_routes_into_503(outer: Callable[[], Any]) -> None:
    """Inside whatever else the framework does with errors."""
    gear = Switchgear()
    client = Client()
    gear.guard(client, backend_of(), name="db")
    gear.breaker("db").force_open("why not", for_=60)

    async def order(_request: Any) -> PlainTextResponse:
        client.get()
        return PlainTextResponse("done")

    app = outer()
    app.add_route("/order", order)
    app.add_middleware(SwitchgearMiddleware, gear=gear)
    reply = await ask(app, "/order")
    assert (reply.status, reply.headers["retry-after"]) == (503, "60")
    gear.breaker("db").reset()
    assert (await ask(app, "/order")).body == b"done"


async def test_in_litestar_an_exception_handler_does() -> None:
    """Its routes answer errors before a middleware hears of them, so it is told of ours in its own way."""
    gear = Switchgear()
    client = Client()
    gear.guard(client, backend_of(), name="db")
    gear.breaker("db").force_open("why not", for_=60)

    @get("/order")
    async def order() -> str:
        client.get()
        return "done"

    def unavailable(_request: Any, exc: CallNotPermitted) -> LitestarResponse[None]:
        return LitestarResponse(None, status_code=503, headers={"Retry-After": f"{exc.retry_after:.0f}"})

    litestar: Any = Litestar([order], exception_handlers={CallNotPermitted: unavailable})
    app = SwitchgearMiddleware(litestar, gear)
    reply = await ask(app, "/order")
    assert (reply.status, reply.headers["retry-after"]) == (503, "60")


@pytest.mark.parametrize("path", ["/ops/switchgear", "/ops/switchgear/"])
@mounted
async def test_the_page_is_found_with_and_without_a_slash(mount: Callable[[Any], App], path: str) -> None:
    """Its addresses are relative, so without one the browser is sent on."""
    async with shop() as board:
        outer = mount(board.app)
        reply = await ask(outer, path)
        if not path.endswith("/"):
            assert reply.status == 307
            assert reply.headers["location"] in {"switchgear/", "http://127.0.0.1:9464/ops/switchgear/"}
            reply = await ask(outer, "/ops/switchgear/")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
