"""The live page for everybody: in both themes, by keyboard, by ear, on a phone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from switchgear import Switchgear
from switchgear.asgi import create_app
from tests.asgi.browsing import Staged, Visit, served, visiting
from tests.asgi.scenes import Document, bad_day, entries, good_day
from tests.asgi.support import TOKEN

pytestmark = pytest.mark.anyio

_CHECKS = Path(__file__).with_name("accessibility.js").read_text()

#: What can have the focus, as the page has it when nothing is hidden.
_FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # Playwright runs on nothing else


@asynccontextmanager
async def staged(browser: Browser, scene: Document, **context: Any) -> AsyncGenerator[Visit]:
    """A visit of an operator: with the token given, so that there is all there is to see."""
    app = create_app(Switchgear(), token=TOKEN)
    async with served(app) as url, visiting(browser, url, **context) as visit:
        await Staged(scene, entries()).take_over(visit.page)
        await visit.open()
        await visit.page.get_by_role("button", name="Operator").click()
        await visit.page.get_by_label("Token").fill(TOKEN)
        await visit.page.get_by_role("button", name="Use token").click()
        await expect(visit.page.get_by_role("button", name="Isolate db")).to_be_visible()
        await expect(visit.page.get_by_role("dialog")).to_be_hidden()  # the focus goes back to what opened it
        yield visit


async def _redrawn(visit: Visit) -> None:
    """Waits for the next document: it makes the application's curve longer."""
    curve = visit.page.locator("#overview .spark-line")
    await expect(curve).not_to_have_attribute("d", await curve.get_attribute("d") or "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scene", [good_day, bad_day])
async def test_everybody_can_read_it(browser: Browser, scheme: str, scene: Any) -> None:
    """In both themes all text stands out from its ground as WCAG AA asks, every control has a name, no heading skips a
    level, and no id is there twice.
    """
    async with staged(browser, scene(), color_scheme=scheme) as visit:
        await visit.page.locator("summary").first.click()
        found = await visit.page.evaluate(_CHECKS)
        assert found["contrast"]["checked"] > 100
        assert found["contrast"]["found"] == []
        assert (found["nameless"], found["headings"], found["twice"]) == ([], [], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_dialogs_can_be_read(browser: Browser, scheme: str) -> None:
    """The same holds in the dialog of an operator's action."""
    async with staged(browser, bad_day(), color_scheme=scheme) as visit:
        await visit.page.get_by_role("button", name="Override level checkout").click()
        dialog = visit.page.get_by_role("dialog", name="Override level: checkout")
        await expect(dialog.get_by_label("Level")).to_be_focused()
        await expect(dialog.get_by_label("Reason")).to_be_visible()
        found = await visit.page.evaluate(_CHECKS)
        assert (found["contrast"]["found"], found["nameless"]) == ([], [])


async def test_theme_can_be_chosen(browser: Browser) -> None:
    """The theme is the system's until another is chosen; the choice outlives the page."""

    async def ground(visit: Visit) -> str:
        return str(await visit.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    async with staged(browser, good_day(), color_scheme="dark") as visit:
        dark = await ground(visit)
        await visit.page.get_by_role("button", name="Theme: system").click()
        light = await ground(visit)
        assert light != dark
        await visit.open()
        assert await ground(visit) == light
        await visit.page.get_by_role("button", name="Theme: light").click()
        assert await ground(visit) == dark


async def test_it_fits(browser: Browser) -> None:
    """Nothing has to be scrolled sideways, from the narrowest phone on; only a wide graph scrolls in itself."""
    async with staged(browser, bad_day()) as visit:
        for width in (320, 360, 768, 1024, 1440):
            await visit.page.set_viewport_size({"width": width, "height": 780})
            outside = await visit.page.evaluate(
                """(width) => [...document.querySelectorAll("body *")]
                    .filter((node) => !node.closest(".graph-scroll, .hidden, .roots li"))
                    .filter((node) => node.getBoundingClientRect().right > width + 0.5)
                    .map((node) => node.outerHTML.slice(0, 80))""",
                width,
            )
            assert outside == []
            assert await visit.page.evaluate("document.documentElement.scrollWidth") == width


async def test_keyboard_reaches_all(browser: Browser) -> None:
    """Tab goes to every control once, top to bottom as they are read, and each shows that it has the focus."""
    async with staged(browser, bad_day(), viewport={"width": 360, "height": 780}) as visit:
        page = visit.page
        wanted = await page.evaluate(
            "(all) => [...document.querySelectorAll(all)].filter((node) => node.checkVisibility()).length", _FOCUSABLE
        )
        await page.evaluate("window.reached = []")
        await page.keyboard.press("Tab")
        await page.get_by_role("link", name="Skip to the overview").focus()
        for _ in range(wanted):
            assert await page.evaluate(
                """() => {
                    const node = document.activeElement;
                    if (!window.reached.includes(node)) window.reached.push(node);
                    const { outlineStyle, outlineWidth } = getComputedStyle(node);
                    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
                }"""
            )
            await page.keyboard.press("Tab")
        assert await page.evaluate("window.reached.length") == wanted
        assert await page.evaluate(
            """() => window.reached.every((node, i, all) => !i
                || all[i - 1].compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING)"""
        )


async def test_focus_survives_new_data(browser: Browser) -> None:
    """What has the focus keeps it when the page is drawn anew, every second."""
    async with staged(browser, bad_day()) as visit:
        button = visit.page.get_by_role("button", name="Isolate search")
        await button.focus()
        await expect(button).to_be_focused()
        await _redrawn(visit)
        await expect(button).to_be_focused()


async def test_landmarks(browser: Browser) -> None:
    """The page has the landmarks by which screen readers get about, and one heading of the first level."""
    async with staged(browser, bad_day()) as visit:
        for role in ("banner", "main", "contentinfo"):
            await expect(visit.page.get_by_role(role)).to_have_count(1)
        for name in ("Overview", "Capabilities what the application offers its users", "Timeline"):
            await expect(visit.page.get_by_role("region", name=name)).to_be_visible()
        await expect(visit.page.get_by_role("navigation", name="Sections")).to_be_visible()
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text("Health of shop")


async def test_nothing_jumps(browser: Browser) -> None:
    """While only numbers change, nothing on the page moves."""
    async with staged(browser, bad_day(), viewport={"width": 1440, "height": 1000}) as visit:
        measure = """() => [...document.querySelectorAll("section, .tile, .node, #capability-list > li, figure, tr")]
            .map((node) => { const { left, top, width, height } = node.getBoundingClientRect();
                             return [left, top, width, height]; })"""
        before = await visit.page.evaluate(measure)
        await _redrawn(visit)
        assert await visit.page.evaluate(measure) == before
