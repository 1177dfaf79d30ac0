"""Operator actions: what they do, who may, and how they are told of."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from switchgear import Chaos, ConfigurationError, Level, State, Switchgear
from switchgear.asgi import create_app
from tests.asgi.support import TOKEN, Reply, Shop, ask, shop
from tests.backends import Client, backend_of

pytestmark = pytest.mark.anyio

ORDER = {"reason": "failover, ticket 4711", "for": 600}


async def order(board: Shop, path: str, body: Any = None, **changes: Any) -> Reply:
    """An operator's, unless something is changed."""
    return await ask(board.app, path, **{"method": "POST", "body": body or ORDER, "token": TOKEN, **changes})


async def test_isolate_close_and_disable_act_on_the_service() -> None:
    """Each is answered with the service as it is now."""
    async with shop(token=TOKEN) as board:
        reply = await order(board, "/api/services/db/isolate")
        assert reply.status == 200
        main = reply.json()["breakers"][0]
        assert (main["state"], main["last"]["detail"]) == ("FORCED_OPEN", "failover, ticket 4711")
        assert 599 < main["retry_after"] <= 600
        assert (await order(board, "/api/services/db/close", {"reason": "it is over"})).status == 200
        assert board.state("db") is State.CLOSED
        assert (await order(board, "/api/services/db/disable")).status == 200
        assert board.state("db") is State.DISABLED
        assert 599 < (board.gear.breaker("db").main.snapshot().retry_after or 0) <= 600


async def test_an_override_holds_the_level_until_it_is_ended() -> None:
    """The end may give a reason, and need not."""
    async with shop(token=TOKEN) as board:
        path = "/api/capabilities/checkout/override"
        reply = await order(board, path, {**ORDER, "level": "MINIMAL"})
        assert (reply.status, reply.json()["level"]) == (200, "MINIMAL")
        assert reply.json()["override"]["reason"] == "failover, ticket 4711"
        assert board.gear.degradation.level("checkout") is Level.MINIMAL
        reply = await ask(board.app, path, method="DELETE", token=TOKEN)
        assert (reply.status, reply.json()["override"], reply.json()["level"]) == (200, None, "FULL")
        await order(board, path, {**ORDER, "level": "OFF"})
        reply = await ask(board.app, path, method="DELETE", token=TOKEN, body={"reason": "done"})
        assert reply.json()["override"] is None
        timeline = (await ask(board.app, "/api/timeline")).json()
        told = [(entry["reason"], entry["detail"]) for entry in timeline if entry["kind"] == "operator"]
        assert ("end_override", "ended before its time") in told
        assert ("end_override", "done") in told


async def test_an_order_is_logged_and_told_in_the_timeline(caplog: pytest.LogCaptureFixture) -> None:
    """Who, what, to what, for how long, and why; on one line, without secrets and without what steers a terminal."""
    async with shop(token=TOKEN) as board:
        body = {"reason": "because\r\n\x1b[31mAn operator: password=hunter2 \u202eok", "for": 60}
        assert (await order(board, "/api/services/db/isolate", body)).status == 200
        [record] = [record for record in caplog.records if record.name == "switchgear.audit"]
        expected = "An operator at 127.0.0.1: isolate db for 60 s: because [31mAn operator: password=*** ok"
        assert (record.levelno, record.getMessage()) == (logging.WARNING, expected)
        entry, transition = (await ask(board.app, "/api/timeline")).json()[:2]
        assert (entry["kind"], entry["name"], entry["reason"]) == ("operator", "db", "isolate")
        assert "hunter2" not in json.dumps([entry, transition])
        assert (transition["kind"], transition["to"]) == ("transition", "FORCED_OPEN")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong-but-just-as-long"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": "Bearer \xe9\xff"}, 401),
        ({"authorization": f"Bearer {TOKEN}", "origin": "https://evil.example"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "origin": "null"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "sec-fetch-site": "cross-site"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "sec-fetch-site": "same-site"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "content-type": "text/plain"}, 415),
        ({"authorization": f"Bearer {TOKEN}", "content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_who_has_not_the_token_or_comes_from_elsewhere_is_refused(headers: dict[str, str], status: int) -> None:
    """Nothing has happened, and the answer does not say how near one was."""
    async with shop(token=TOKEN) as board:
        reply = await ask(board.app, "/api/services/db/isolate", method="POST", body=ORDER, headers=headers)
        assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
        assert TOKEN not in reply.body.decode()
        assert board.state("db") is State.CLOSED
        assert (await ask(board.app, "/api/timeline")).json() == []


async def test_the_page_of_this_very_application_is_let_in() -> None:
    """A browser says where a request comes from; without one nobody does."""
    headers = {"origin": "http://127.0.0.1:9464", "sec-fetch-site": "same-origin"}
    async with shop(token=TOKEN) as board:
        assert (await order(board, "/api/services/db/isolate", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"for": 60}, 422),
        ({"reason": "because"}, 422),
        ({"reason": "", "for": 60}, 422),
        ({"reason": "  \n ", "for": 60}, 422),
        ({"reason": "x" * 201, "for": 60}, 422),
        ({"reason": "because", "for": 0}, 422),
        ({"reason": "because", "for": -1}, 422),
        ({"reason": "because", "for": 24 * 3600 + 1}, 422),
        ({"reason": "because", "for": "60"}, 422),
        ({"reason": "because", "for": None}, 422),
        ([], 422),
        (b"", 400),
        (b"{", 400),
        (b'{"reason": "because", "for": NaN}', 400),
        (b'{"reason": "because", "for": 1e999}', 422),
        (b'{"reason": "\xff\xfe", "for": 60}', 400),
        (b'{"x":' + b"[" * 4000, 400),
        (b" " * 4097, 413),
        (json.dumps({"reason": "because", "for": 60, "more": "x" * 1_000_000}).encode(), 413),
    ],
)
async def test_an_order_without_reason_or_limit_or_sense_is_refused(body: Any, status: int) -> None:
    """What holds for ever is forgotten, and what has no reason is not understood. Bodies are short."""
    async with shop(token=TOKEN) as board:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        path = "/api/services/db/isolate"
        reply = await ask(board.app, path, method="POST", content=content, headers=headers, token=TOKEN)
        assert reply.status == status, reply
        assert board.state("db") is State.CLOSED


async def test_without_a_token_all_actions_are_off() -> None:
    """Whatever is sent: there is no token that would be the right one."""
    async with shop() as board:
        for token in ("", "None", TOKEN):
            reply = await order(board, "/api/services/db/isolate", token=token)
            assert (reply.status, reply.json()["detail"].startswith("Operator actions are off")) == (403, True)
        assert (await ask(board.app, "/api/session")).json() == {"actions": False}
        assert (await ask(board.app, "/api/session", token=TOKEN)).json() == {"actions": False}


async def test_the_session_says_whether_a_token_is_the_right_one() -> None:
    """The page asks before it believes its user."""
    async with shop(token=TOKEN) as board:
        assert (await ask(board.app, "/api/session")).json() == {"actions": True}
        assert (await ask(board.app, "/api/session", token=TOKEN)).json() == {"actions": True}
        reply = await ask(board.app, "/api/session", token="another-token-of-theirs")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_order_for_nothing_is_not_found() -> None:
    """With the nearest name; and nothing is told of it."""
    async with shop(token=TOKEN) as board:
        reply = await order(board, "/api/services/dbb/isolate")
        assert (reply.status, "Did you mean 'db'?" in reply.json()["detail"]) == (404, True)
        reply = await order(board, "/api/capabilities/checkuot/override", {**ORDER, "level": "OFF"})
        assert (reply.status, "Did you mean 'checkout'?" in reply.json()["detail"]) == (404, True)
        reply = await order(board, "/api/capabilities/checkout/override", {**ORDER, "level": "off"})
        assert reply.status == 422
        assert (await ask(board.app, "/api/timeline")).json() == []


def test_a_token_that_can_be_guessed_is_none() -> None:
    """It is a mistake of the configuration, and the token is not repeated."""
    with pytest.raises(ConfigurationError, match="6 characters") as refusal:
        create_app(Switchgear(), token="secret")
    assert "secret" not in str(refusal.value)


async def test_chaos_is_logged_and_told_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    """In the audit log, in the timeline, and with the service for as long as it goes on."""
    async with shop(token=TOKEN) as board:
        board.gear.guard(Client("drilled"), backend_of(), name="drilled", pipeline=[Chaos()])
        reply = await order(board, "/api/services/drilled/chaos", {**ORDER, "injection": "latency", "rate": 0.2})
        assert reply.status == 200
        [told] = reply.json()["chaos"]
        assert (told["injection"], told["reason"], told["rate"]) == ("latency", "failover, ticket 4711", 0.2)
        reply = await ask(board.app, "/api/services/drilled/chaos", method="DELETE", token=TOKEN)
        assert (reply.status, reply.json()["chaos"]) == (200, [])
        records = [record.getMessage() for record in caplog.records if record.name == "switchgear.audit"]
        assert records == [
            "An operator at 127.0.0.1: latency into 0.2 of the calls to drilled for 600 s: failover, ticket 4711",
            "An operator at 127.0.0.1: end the chaos in drilled: ended before its time",
        ]
        timeline = (await ask(board.app, "/api/timeline")).json()
        assert [entry["reason"] for entry in timeline if entry["kind"] == "operator"] == ["chaos", "end_chaos"]


async def test_chaos_that_nobody_made_ready_is_a_conflict() -> None:
    """409, with what to write where; and nothing is told of it."""
    async with shop(token=TOKEN) as board:
        reply = await order(board, "/api/services/db/chaos")
        assert (reply.status, "write chaos = true" in reply.json()["detail"]) == (409, True)
        assert (await ask(board.app, "/api/timeline")).json() == []
