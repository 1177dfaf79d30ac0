"""/livez, /startupz, /readyz, /healthz: who asks what, and what no backend can change."""

from __future__ import annotations

from itertools import chain, combinations

import anyio
import pytest

from switchgear import Switchgear
from switchgear.asgi import create_app
from switchgear.testing import VirtualClock
from tests.asgi.support import ask, shop
from tests.backends import Client, backend_of

pytestmark = pytest.mark.anyio


async def test_alive_and_ready_whatever_becomes_of_an_optional_service() -> None:
    """An open breaker of what the application can do without takes no instance out of rotation."""
    async with shop() as board:
        board.break_down("cache")
        board.break_down("archive")
        for path in ("/livez", "/startupz", "/readyz"):
            reply = await ask(board.app, path)
            assert (reply.status, reply.json()) == (200, {"ok": True, "because": []})


async def test_not_ready_while_a_required_service_is_down_but_alive() -> None:
    """It says which, and why; a restart would mend nothing, so nobody is told to restart it."""
    async with shop() as board:
        board.break_down("db")
        reply = await ask(board.app, "/readyz")
        assert reply.status == 503
        assert reply.json()["ok"] is False
        assert reply.json()["because"][0].startswith("db is UNHEALTHY (10): db <- state: its breaker is OPEN")
        assert (await ask(board.app, "/livez")).status == 200
        board.mend("db")
        assert (await ask(board.app, "/readyz")).status == 200


async def test_invariant_35_whether_it_is_alive_depends_on_no_service() -> None:
    """Whichever of them are down, in every combination."""
    services = ("db", "cache", "archive")
    for down in chain.from_iterable(combinations(services, number) for number in range(len(services) + 1)):
        async with shop() as board:
            for name in down:
                board.break_down(name)
            reply = await ask(board.app, "/livez")
            assert (reply.status, reply.json()) == (200, {"ok": True, "because": []}), down


async def test_what_the_operator_names_is_required_too() -> None:
    """A sidecar, a disk: what is local to the instance, whatever the capabilities say."""
    async with shop(required=["archive"]) as board:
        assert (await ask(board.app, "/readyz")).status == 200
        board.break_down("archive")
        assert (await ask(board.app, "/readyz")).status == 503


async def test_a_required_service_that_there_is_not_is_not_there() -> None:
    """A name with a slip in it does not make the instance ready."""
    async with shop(required=["archiv"]) as board:
        reply = await ask(board.app, "/readyz")
        assert (reply.status, reply.json()["because"]) == (503, ["There is no service 'archiv', and it is required."])


async def test_neither_started_nor_ready_before_the_gear_is_entered_but_alive() -> None:
    """Nobody is killed for taking his time."""
    gear = Switchgear()
    gear.guard(Client(), backend_of(), name="db")
    app = create_app(gear)
    assert [(await ask(app, path)).status for path in ("/livez", "/startupz", "/readyz")] == [200, 503, 503]
    assert "still starting" in (await ask(app, "/startupz")).json()["because"][0]


async def test_dead_when_the_heartbeat_is_gone() -> None:
    """Of all that is asked, this alone leads to a restart; and it depends on the event loop alone."""
    clock = VirtualClock()
    gear = Switchgear(clock=clock)
    app = create_app(gear)
    async with gear:
        with anyio.fail_after(20):
            while gear.heartbeat is None:
                await anyio.sleep(0.001)
        assert (await ask(app, "/livez")).status == 200
    clock.advance(11.0)
    reply = await ask(app, "/livez")
    assert reply.status == 503
    assert "The last heartbeat was 11 s ago" in reply.json()["because"][0]


async def test_health_tells_of_everything_and_turns_503_when_the_application_is_unhealthy() -> None:
    """Degraded is no reason to send requests elsewhere."""
    async with shop() as board:
        board.break_down("cache")
        reply = await ask(board.app, "/healthz")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert reply.json()["app"]["status"] == "DEGRADED"
        assert {report["name"] for report in reply.json()["services"]} == {"db", "cache", "archive"}
        assert {report["name"] for report in reply.json()["capabilities"]} == {"checkout", "history"}
        board.break_down("db")
        reply = await ask(board.app, "/healthz")
        assert (reply.status, reply.json()["app"]["status"]) == (503, "UNHEALTHY")


async def test_health_json_for_those_who_accept_it() -> None:
    """As draft-inadarei-api-health-check has it: pass, warn, fail, and each check with its value."""
    async with shop() as board:
        wanted = {"accept": "application/health+json, application/json;q=0.5"}
        reply = await ask(board.app, "/healthz", headers=wanted)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/health+json")
        assert reply.json()["status"] == "pass"
        board.break_down("db")
        reply = await ask(board.app, "/healthz", headers=wanted)
        assert (reply.status, reply.json()["status"]) == (503, "fail")
        [check] = reply.json()["checks"]["db:score"]
        assert (check["componentType"], check["observedValue"], check["observedUnit"]) == ("datastore", 10.0, "percent")
        assert (check["status"], check["output"][:14]) == ("fail", "db is UNHEALTH")
        assert reply.json()["checks"]["checkout:score"][0]["componentType"] == "component"
