"""The live page in a real browser: served over real HTTP, visited, and watched for what it must never do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Route, async_playwright

from tests.asgi.scenes import Document, at

#: Of a browser on a busy machine, in ms.
PATIENCE = 15_000


def chromium() -> str:
    """The program; skips the test where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("SWITCHGEAR_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium; or set SWITCHGEAR_CHROMIUM)")
    return found


@asynccontextmanager
async def browsing() -> AsyncGenerator[Browser]:
    """A browser without a window. Root may not have its sandbox; the pages here are our own."""
    program = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served(app: Any, port: int = 0) -> AsyncGenerator[str]:
    """An ASGI application on the loopback, at the URL that this gives."""
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        # No task group, which would wrap what goes wrong in a test.
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@dataclass
class Visit:
    """One page, and what it did that it should not: console errors, and requests to others than its own origin."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list[str])
    strangers: list[str] = field(default_factory=list[str])

    def watch(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._logged)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.origin + "/"):
            self.strangers.append(request.url)

    async def open(self, path: str = "/") -> None:
        """Go there, and wait for the first data."""
        await self.page.goto(self.origin + path)
        await self.page.locator("main:not([aria-busy])").wait_for()


@asynccontextmanager
async def visiting(browser: Browser, origin: str, **context: Any) -> AsyncGenerator[Visit]:
    """A visit, after which nothing must have been wrong. `context` is Playwright's: viewport, color_scheme."""
    surroundings = await browser.new_context(**context)
    try:
        visit = Visit(await surroundings.new_page(), origin)
        visit.watch()
        yield visit
        assert visit.errors == []
        assert visit.strangers == []
    finally:
        await surroundings.close()


class Staged:
    """A play in place of the application's data: `document` is shown, and told again at once and at every second."""

    def __init__(self, document: Document, entries: list[Document] | None = None) -> None:
        self.document = document
        self.entries = entries or []
        self._told = 0

    async def take_over(self, page: Page) -> None:
        # A stream that ends is opened anew after `retry`: so each answer needs to hold one document only.
        await page.route("**/events", self._answer(self._stream, "text/event-stream"))
        await page.route("**/api/state", self._answer(self._state, "application/json"))
        await page.route("**/api/timeline", self._answer(lambda: json.dumps(self.entries), "application/json"))

    def _state(self) -> str:
        self._told += 1
        seconds = float(self._told)
        return json.dumps({**self.document, "at": at(seconds), "uptime": self.document["uptime"] + seconds})

    def _stream(self) -> str:
        return f"retry: 500\n\nevent: state\ndata: {self._state()}\n\n"

    @staticmethod
    def _answer(body: Callable[[], str], media_type: str) -> Callable[[Route], Any]:
        async def fulfil(route: Route) -> None:
            await route.fulfill(body=body(), content_type=media_type)

        return fulfil
