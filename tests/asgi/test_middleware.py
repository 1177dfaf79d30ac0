"""The middleware for an application's own requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest

from switchgear import CallNotPermitted, CapabilityNotOffered, Criticality, Level, Verdict
from switchgear._scope import scope as call_scope
from switchgear.asgi import SwitchgearMiddleware, by_header
from tests.asgi.support import Reply, Shop, ask, scope_of, shop
from tests.backends import GET
from tests.support import DOWN, Said

pytestmark = pytest.mark.anyio

App = Callable[[Any, Any, Any], Awaitable[None]]


def serving(work: Callable[[], Awaitable[object]], *, begun: bool = False) -> App:
    """An application that does this in each request, before its answer or in the midst of it."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await work()
        if not begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    return app


async def asked(board: Shop, work: Callable[[], Awaitable[object]], **options: Any) -> Reply:
    headers = options.pop("headers", None)
    return await ask(SwitchgearMiddleware(serving(work), board.gear, **options), "/", headers=headers)


async def test_a_refused_call_is_a_503_with_the_time_to_come_back() -> None:
    """Rounded up, and without a word of which service it was."""
    async with shop() as board:
        board.break_down("db")

        async def work() -> None:
            board.clients["db"].get()

        reply = await asked(board, work)
        assert (reply.status, reply.headers["content-type"]) == (503, "application/problem+json")
        assert reply.headers["retry-after"] == "8"
        assert "db" not in reply.body.decode()


async def test_without_a_known_time_it_is_some_seconds() -> None:
    """An operator holds it open, for nobody knows how long."""
    async with shop() as board:
        board.gear.breaker("db").force_open("why not")

        async def work() -> None:
            board.clients["db"].get()

        reply = await asked(board, work)
        assert (reply.status, reply.headers["retry-after"]) == (503, "10")


async def test_what_is_not_offered_is_a_503_too() -> None:
    """By the gate of a capability."""
    async with shop() as board:
        board.gear.degradation.override("checkout", Level.OFF, "stocktaking", for_=60)

        @board.gear.requires("checkout")
        async def work() -> None:
            raise AssertionError

        reply = await asked(board, work)
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) >= 1


async def test_refusals_in_a_group_are_refusals_but_only_when_all_are() -> None:
    """Tasks that were all refused come as one group; a bug among them is not hidden."""
    async with shop() as board:
        board.gear.breaker("db").force_open("why not")

        async def refused() -> None:
            board.clients["db"].get()

        async def broken() -> None:
            raise ValueError

        def together(*tasks: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Awaitable[None]]:
            async def work() -> None:
                async with anyio.create_task_group() as group:
                    for task in tasks:
                        group.start_soon(task)

            return work

        assert (await asked(board, together(refused))).status == 503
        with pytest.raises(ExceptionGroup):
            await asked(board, together(refused, broken))


@pytest.mark.parametrize("error", [ValueError("bug"), DOWN, Said(Verdict.THROTTLED)])
async def test_all_other_errors_pass(error: Exception) -> None:
    """A backend's own exception is the application's to answer."""
    async with shop() as board:

        async def work() -> None:
            raise error

        with pytest.raises(type(error)) as raised:
            await asked(board, work)
        assert raised.value is error


async def test_an_answer_that_has_begun_cannot_be_taken_back() -> None:
    """The error goes on to the server, which cuts the connection: the client sees that something is missing."""
    async with shop() as board:
        board.gear.breaker("db").force_open("why not")

        async def work() -> None:
            board.clients["db"].get()

        with pytest.raises(CallNotPermitted):
            await ask(SwitchgearMiddleware(serving(work, begun=True), board.gear), "/")


async def test_a_request_sees_one_set_of_levels() -> None:
    """Whatever happens meanwhile; the next one sees the new."""
    async with shop() as board:
        seen: list[Level] = []

        async def work() -> None:
            seen.append(board.gear.degradation.level("checkout"))
            board.break_down("db")
            seen.append(board.gear.degradation.level("checkout"))

        assert (await asked(board, work)).status == 200
        assert seen == [Level.FULL, Level.FULL]
        assert board.gear.degradation.level("checkout") is Level.OFF


async def test_calls_matter_as_much_as_their_request() -> None:
    """By a header where the application says so, or by a function of its own; critical where nothing is said."""
    async with shop() as board:
        seen: list[Criticality | None] = []

        async def work() -> None:
            here = call_scope.get()
            seen.append(here.criticality if here else None)

        for value in ("bulk", "Best-Effort", "DEGRADED", "nonsense"):
            await asked(board, work, classifier=by_header("x-criticality"), headers={"x-criticality": value})
        await asked(board, work, classifier=by_header("x-criticality"))
        await asked(board, work, headers={"x-criticality": "bulk"})
        await asked(board, work, classifier=lambda scope: Criticality.BULK if scope["path"] == "/" else None)
        assert seen == [
            Criticality.BULK,
            Criticality.BEST_EFFORT,
            Criticality.DEGRADED,
            Criticality.CRITICAL,
            Criticality.CRITICAL,
            Criticality.CRITICAL,
            Criticality.BULK,
        ]


async def test_under_pressure_calls_of_the_least_are_refused_and_become_503() -> None:
    """By the service that is full, and by no other."""
    async with shop() as board:
        board.gear.service("db").saturated = {"pool": 0.85}

        async def db() -> None:
            with board.gear.service("db").admit(GET):
                pass

        async def cache() -> None:
            with board.gear.service("cache").admit(GET):
                pass

        by = by_header("x-criticality")
        bulk, critical = {"x-criticality": "bulk"}, {"x-criticality": "critical"}
        assert (await asked(board, db, classifier=by, headers=bulk)).status == 503
        assert (await asked(board, db, classifier=by, headers=critical)).status == 200
        assert (await asked(board, cache, classifier=by, headers=bulk)).status == 200


async def test_when_the_loop_is_late_requests_of_the_least_are_not_begun() -> None:
    """The event loop is what all requests share."""
    async with shop() as board:
        begun: list[str] = []

        async def work() -> None:
            begun.append("it")

        by = by_header("x-criticality")
        board.gear.degradation.lag = 0.9
        statuses = [
            (await asked(board, work, classifier=by, headers={"x-criticality": value})).status
            for value in ("bulk", "best_effort", "degraded", "critical")
        ]
        assert statuses == [503, 503, 200, 200]
        assert len(begun) == 2
        assert board.gear.shed.counts() == {
            Criticality.DEGRADED: 0, Criticality.BEST_EFFORT: 1, Criticality.BULK: 1,
        }  # fmt: skip


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_no_request_passes_untouched(kind: str) -> None:
    """Its errors included."""
    async with shop() as board:

        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            raise CapabilityNotOffered("checkout", "OFF", "FULL", "why not")

        with pytest.raises(CapabilityNotOffered):
            await SwitchgearMiddleware(app, board.gear)({**scope_of("GET", "/", {}), "type": kind}, None, None)  # type: ignore[arg-type]
