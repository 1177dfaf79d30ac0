"""/events: the state each second and what happens at once, to a thousand as to one, and to nobody."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from switchgear._view import View
from switchgear.asgi import _feed
from tests.asgi.support import Subscriber, ask, shop, subscribed
from tests.backends import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the state was rendered."""
    times: list[float] = []
    state = View.state

    def render(view: View) -> Any:
        times.append(time.monotonic())
        return state(view)

    monkeypatch.setattr(View, "state", render)
    return times


async def test_a_subscriber_has_the_state_at_once_and_then_each_second() -> None:
    """The whole of it, as /api/state says it."""
    async with shop() as board, subscribed(board.app) as subscriber:
        began = time.monotonic()
        await subscriber.until(lambda: subscriber.frames("state"))
        assert time.monotonic() - began < 1
        await subscriber.until(lambda: len(subscriber.frames("state")) == 3)
        assert 1 < time.monotonic() - began < 5
        assert subscriber.frames("state")[0].keys() == (await ask(board.app, "/api/state")).json().keys()
        assert b"".join(subscriber.chunks).startswith(b"retry: 1000\n\n")


async def test_what_happens_is_told_at_once() -> None:
    """Not with the next state: transition and level come within the same turn of the loop."""
    async with shop() as board, subscribed(board.app) as subscriber:
        await subscriber.until(lambda: subscriber.frames("state"))
        board.break_down("db")
        with anyio.fail_after(0.5):
            await subscriber.until(lambda: subscriber.frames("transition") and subscriber.frames("level"))
        assert subscriber.frames("transition")[0]["name"] == "db"
        assert subscriber.frames("level")[0]["to"] == "OFF"
        told = [frame for frame in subscriber.frames() if "seq" in frame]
        assert told == (await ask(board.app, "/api/timeline")).json()


async def test_what_happens_on_another_thread_is_told_within_a_second() -> None:
    """It cannot wake those who wait on this one, but they do not wait for long."""
    async with shop() as board, subscribed(board.app) as subscriber:
        await subscriber.until(lambda: subscriber.frames("state"))
        await anyio.to_thread.run_sync(board.gear.breaker("db").force_open, "why not")
        await subscriber.until(lambda: subscriber.frames("transition"))


async def test_who_comes_back_is_told_what_he_missed() -> None:
    """By the number of the last entry that he had; a new subscriber is told no history."""
    async with shop() as board:
        for why in ("one", "two", "three"):
            board.gear.breaker("db").force_open(why)
        async with subscribed(board.app, headers={"last-event-id": "1"}) as subscriber:
            await subscriber.until(lambda: subscriber.frames("state"))
            assert [frame["detail"] for frame in subscriber.frames("transition")] == ["two", "three"]
        async with subscribed(board.app) as subscriber:
            await subscriber.until(lambda: subscriber.frames("state"))
            assert subscriber.frames("transition") == []


@pytest.mark.parametrize("last", ["99", "x", "-1", "1" * 5000, "\xb2"])
async def test_a_number_from_another_life_is_none(last: str) -> None:
    """The process was restarted meanwhile, or somebody has invented it."""
    async with shop() as board:
        board.gear.breaker("db").force_open("one")
        async with subscribed(board.app, headers={"last-event-id": last}) as subscriber:
            await subscriber.until(lambda: subscriber.frames("state"))
            assert subscriber.frames("transition") == []
            board.gear.breaker("db").reset("two")
            await subscriber.until(lambda: subscriber.frames("transition"))


async def test_nothing_is_rendered_while_nobody_listens(renderings: list[float]) -> None:
    """Neither before the first subscriber, nor after the last."""
    async with shop() as board:
        async with subscribed(board.app) as subscriber:
            await subscriber.until(lambda: len(subscriber.frames("state")) == 2)
        assert len(renderings) == 2
        began = time.monotonic()
        await until(lambda: (board.gear.heartbeat or 0) > began + 1)  # two heartbeats later
        assert len(renderings) == 2


@asynccontextmanager
async def crowd(app: Any, count: int) -> AsyncGenerator[list[Subscriber]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(subscribed(app)) for _ in range(count)]


async def test_a_thousand_subscribers_share_one_rendering(renderings: list[float]) -> None:
    """All are told of a transition, and each state is the very same bytes for all."""
    async with shop() as board, crowd(board.app, 1000) as subscribers:
        for subscriber in subscribers:
            await subscriber.until(partial(subscriber.frames, "state"))
        board.gear.breaker("db").force_open("why not")
        for subscriber in subscribers:
            await subscriber.until(partial(subscriber.frames, "transition"))
        states = {id(chunk) for one in subscribers for chunk in one.chunks if chunk.startswith(b"event: state")}
        assert len(states) <= len(renderings)
        entries = {id(chunk) for one in subscribers for chunk in one.chunks if b"event: transition" in chunk}
        assert len(entries) == 1


async def test_a_slow_client_is_dropped_and_holds_back_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it does not take is kept nowhere: one message is in its hands, and then it is gone."""
    monkeypatch.setattr(_feed, "_PATIENCE", 0.5)
    caplog.set_level("INFO", "switchgear")
    async with shop() as board, crowd(board.app, 2) as (slow, quick):
        await slow.until(lambda: slow.frames("state"))
        slow.stalled = True
        had = len(slow.chunks)
        await slow.until(lambda: slow.ended)
        assert len(slow.chunks) == had
        assert "took nothing for 0.5 s and was dropped" in caplog.text
        seen = len(quick.frames("state"))
        await quick.until(lambda: len(quick.frames("state")) > seen)
        assert not quick.ended


async def test_there_is_a_bound_to_those_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """More are told to ask instead; when one leaves there is room again."""
    monkeypatch.setattr(_feed, "_MOST", 2)
    async with shop() as board:
        async with crowd(board.app, 2) as subscribers:
            for subscriber in subscribers:
                await subscriber.until(partial(subscriber.frames, "state"))
            reply = await ask(board.app, "/events")
            assert (reply.status, reply.headers["retry-after"]) == (503, "60")
        async with subscribed(board.app) as subscriber:
            await subscriber.until(lambda: subscriber.frames("state"))
