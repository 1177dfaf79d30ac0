"""The live page of a real application, in a real browser: what happens to a real server is seen at once."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import anyio
import pytest
from playwright.async_api import Browser, Route, expect
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.routing import Mount

from switchgear import State, Switchgear
from switchgear.asgi import create_app
from switchgear.testing import ValkeyServer
from switchgear_redis import BACKEND
from tests.asgi.browsing import Visit, served, visiting
from tests.asgi.support import TOKEN

pytestmark = pytest.mark.anyio

#: As recommended, but half-open soon, and closed by few calls.
_QUICK = replace(BACKEND.recommended, consecutive_failures=3, wait_duration_in_open=3.0, ramp=None)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # Playwright and redis.asyncio run on nothing else


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with ValkeyServer() as server:
        yield server


@asynccontextmanager
async def shop(valkey: ValkeyServer) -> AsyncGenerator[Switchgear]:
    """An application with traffic: sessions require the cache, pages prefer it."""
    client = Redis(port=valkey.port, retry=Retry(NoBackoff(), 0), socket_timeout=1)
    async with Switchgear() as gear, client:
        gear.guard(client, BACKEND, name="cache", breaker=_QUICK)
        gear.capability("sessions", requires=["cache"])
        gear.capability("pages", prefers={"cache": 0.4})

        async def traffic() -> None:
            while True:
                with suppress(RedisError):
                    await client.get("key")
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(traffic)
            yield gear
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def shown(browser: Browser, valkey: ValkeyServer, **options: Any) -> AsyncGenerator[tuple[Visit, Switchgear]]:
    async with (
        shop(valkey) as gear,
        served(create_app(gear, **options)) as url,
        visiting(browser, url, viewport={"width": 1440, "height": 1000}) as visit,
    ):
        await visit.open()
        yield visit, gear


async def test_outage_and_recovery(browser: Browser, valkey: ValkeyServer) -> None:
    """The server under the application is killed: the page shows the breaker open, counts down to the next probe, names
    the root cause and what it costs the users; the server is started again: the page shows all that going away. No
    reload, no error in the console, no request to anyone else.
    """
    async with shown(browser, valkey) as (visit, _):
        page = visit.page
        tile = page.get_by_role("article", name="cache redis")
        state, waits = tile.locator(".state .state-word"), tile.locator(".state .countdown")
        node = page.locator("#graph .node.service", has_text="cache")
        sessions = page.locator("#capability-list > li", has_text="sessions").locator(".level")
        await expect(state).to_have_text("CLOSED")
        await expect(tile.locator("figcaption").first).to_have_text(re.compile(r"served [1-9]"))
        await expect(tile.locator("figcaption").last).to_have_text(re.compile(r"p50 [\d.]+\s?ms"))
        await expect(sessions).to_have_text("FULL")

        await valkey.kill()
        await expect(state).to_have_text("OPEN")
        await expect(waits).to_have_text(re.compile(r"^\d\.\d\s?s$"))
        await expect(node).to_contain_text("root cause")
        await expect(page.locator(".roots a")).to_have_text(["cache"])
        await expect(sessions).to_have_text("OFF")
        await expect(page.locator("#capability-list .loses").first).to_contain_text("because of cache")
        await expect(page.locator("#entries")).to_contain_text("consecutive failures")
        await expect(page.get_by_role("status")).to_contain_text("OPEN")

        await valkey.restart()
        await expect(state).to_have_text("CLOSED", timeout=20_000)
        await expect(page.locator("#entries")).to_contain_text("probes passed")
        await expect(node).not_to_contain_text("root cause", timeout=30_000)
        await expect(page.get_by_text("Nothing to mend.")).to_be_visible()


async def test_within_a_second(browser: Browser, valkey: ValkeyServer) -> None:
    """What happens in the application is on the page within about a second."""
    async with shown(browser, valkey) as (visit, gear):
        group = gear.breaker("cache")
        waits: list[float] = []
        for _ in range(3):
            started = anyio.current_time()
            group.force_open("a drill", for_=60)
            await expect(visit.page.locator(".tile .state .state-word")).to_have_text("FORCED OPEN")
            waits.append(anyio.current_time() - started)
            group.reset("it is over")
            await expect(visit.page.locator(".tile .state .state-word")).to_have_text("CLOSED")
        assert min(waits) < 1.2  # a browser on a busy machine is not always quick


async def test_operator(browser: Browser, valkey: ValkeyServer) -> None:
    """With the token, and only with it, an operator isolates a service and closes it again; the token is kept in the
    memory of the page, in no storage, URL or element.
    """
    async with shown(browser, valkey, token=TOKEN) as (visit, gear):
        page = visit.page
        isolate = page.get_by_role("button", name="Isolate cache")
        await expect(isolate).to_be_hidden()
        await page.get_by_role("button", name="Operator").click()
        await page.get_by_label("Token").fill(f"not-{TOKEN}")
        await page.get_by_role("button", name="Use token").click()
        await expect(page.get_by_role("alert")).to_have_text("The application does not accept this token.")
        assert any("401" in error for error in visit.errors)
        visit.errors.clear()

        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await isolate.click()
        dialog = page.get_by_role("dialog", name="Isolate: cache")
        await dialog.get_by_label("Reason").fill("moving it")
        await dialog.get_by_label("For how many minutes").fill("5")
        await dialog.get_by_role("button", name="Isolate").click()
        await expect(dialog).to_be_hidden()
        await expect(page.locator(".tile .state .state-word")).to_have_text("FORCED OPEN")
        await expect(page.locator("#entries")).to_contain_text("cache isolated by an operator")
        await expect(page.locator("#entries")).to_contain_text("moving it")
        assert gear.breaker("cache").state is State.FORCED_OPEN
        assert 290 < (gear.breaker("cache").main.snapshot().retry_after or 0) <= 300

        kept = await page.evaluate("[location.href, document.cookie, ...Object.values(localStorage)].join()")
        kept += await page.evaluate("[...Object.values(sessionStorage), document.documentElement.outerHTML].join()")
        typed = await page.evaluate("[...document.querySelectorAll('input')].map((one) => one.value).join()")
        assert TOKEN not in kept + typed

        await page.get_by_role("button", name="Close cache").click()
        await page.get_by_label("Reason").fill("moved")
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        await expect(page.locator(".tile .state .state-word")).to_have_text("CLOSED")

        await page.reload()
        await expect(page.locator(".tile")).to_be_visible()
        await expect(isolate).to_be_hidden()


async def test_override(browser: Browser, valkey: ValkeyServer) -> None:
    """An operator holds a capability at a level, and ends that."""
    async with shown(browser, valkey, token=TOKEN) as (visit, _):
        page = visit.page
        pages = page.locator("#capability-list > li", has_text="pages")
        await page.get_by_role("button", name="Operator").click()
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await pages.get_by_role("button", name="Override level pages").click()
        await page.get_by_role("dialog").get_by_label("Level").select_option("MINIMAL")
        await page.get_by_label("Reason").fill("a rehearsal")
        await page.get_by_role("dialog").get_by_role("button", name="Override level").click()
        await expect(pages.locator(".level")).to_have_text("MINIMAL")
        await expect(pages.locator(".override")).to_contain_text("a rehearsal")
        await pages.get_by_role("button", name="End override pages").click()
        await page.get_by_role("dialog").get_by_role("button", name="End override").click()
        await expect(pages.locator(".override")).to_be_hidden()
        await expect(pages.get_by_role("button", name="End override pages")).to_be_hidden()


async def test_operator_actions_off(browser: Browser, valkey: ValkeyServer) -> None:
    """Where the application has no token, the page says so instead of asking for one."""
    async with shown(browser, valkey) as (visit, _):
        await visit.page.get_by_role("button", name="Operator").click()
        await expect(visit.page.get_by_role("dialog")).to_contain_text("Operator actions are off")
        await visit.page.keyboard.press("Escape")
        await expect(visit.page.get_by_role("dialog")).to_be_hidden()


async def test_mounted(browser: Browser, valkey: ValkeyServer) -> None:
    """Mounted in another application, under whatever path, the page works as well."""
    async with (
        shop(valkey) as gear,
        served(Starlette(routes=[Mount("/internal/switchgear", create_app(gear))])) as url,
        visiting(browser, url) as visit,
    ):
        await visit.open("/internal/switchgear")
        await expect(visit.page.locator("#link")).to_have_text("Live")
        await expect(visit.page.locator(".tile .state .state-word")).to_have_text("CLOSED")


async def test_polling(browser: Browser, valkey: ValkeyServer) -> None:
    """Where nothing comes through /events, the page asks for the state, and is as good."""
    async with shop(valkey) as gear, served(create_app(gear)) as url, visiting(browser, url) as visit:

        async def nothing(_route: Route) -> None:
            """As of a proxy that keeps everything to itself."""

        await visit.page.route("**/events", nothing)
        await visit.open()
        await expect(visit.page.locator("#link")).to_have_text("Live, by asking")
        gear.breaker("cache").force_open("a drill", for_=60)
        await expect(visit.page.locator(".tile .state .state-word")).to_have_text("FORCED OPEN")
        await expect(visit.page.locator("#entries")).to_contain_text("a drill")


async def test_connection_lost(browser: Browser, valkey: ValkeyServer) -> None:
    """When the application is gone the page says how old its data is, and counts nothing down; when it is back, so is
    the page.
    """
    async with shop(valkey) as gear, served(create_app(gear)) as url:
        pass
    port = int(url.rpartition(":")[2])
    async with shop(valkey) as gear, visiting(browser, url) as visit:
        gear.breaker("cache").force_open("a drill", for_=60)
        link = visit.page.locator("#link")
        async with served(create_app(gear), port):
            await visit.open()
            await expect(link).to_have_text("Live")
        await expect(link).to_have_text(re.compile(r"Connection lost, data is [4-9]\s?s old"))
        await expect(visit.page.locator(".tile .state .countdown")).to_have_text("unknown")
        await expect(visit.page.get_by_role("status")).to_have_text("Connection lost")
        async with served(create_app(gear), port):
            await expect(link).to_have_text("Live", timeout=20_000)
            await expect(visit.page.locator(".tile .state .countdown")).not_to_have_text("unknown")
        visit.errors.clear()  # the browser logs each attempt that failed


async def test_policy(browser: Browser, valkey: ValkeyServer) -> None:
    """The page needs no more than its own files: no inline script or style, nothing from elsewhere."""
    async with shown(browser, valkey) as (visit, _):
        answer = await visit.page.reload()
        assert answer is not None
        policy = (await answer.all_headers())["content-security-policy"]
        assert "'unsafe-inline'" not in policy
        assert "default-src 'none'" in policy
        assert (
            await visit.page.locator(
                "script:not([src]), style, [style]:not([style*='--part'], .graph, .graph *)"
            ).count()
            == 0
        )
