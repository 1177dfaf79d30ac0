"""Takes the pictures of the live page: `python -m docs.screenshots`, by hand, about three minutes.

They are of the shop that the integration tests run: four real servers, real traffic. Its object store breaks for a
while and comes back; then its database breaks, and that is the moment of the pictures. Needs Chromium.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from switchgear import State
from switchgear.asgi import create_app
from tests.asgi.browsing import browsing, served
from tests.integration.plant import running
from tests.integration.scenario import Scenario, scenario_on

if TYPE_CHECKING:
    from playwright.async_api import Page

_PICTURES = Path(__file__).parent / "page"

#: Seconds for which the breaker is to stay open yet, so that all pictures show it so.
_MOMENT = 3.0

#: Name -> how the browser is.
_VISITS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 960}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1440, "height": 960}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


async def bad_day(scenario: Scenario) -> None:
    """What happens before the pictures are taken, over about as long as the page's curves reach back."""
    await anyio.sleep(60)
    await scenario.ways["files"].down()
    await anyio.sleep(15)
    await scenario.ways["files"].heal()
    await anyio.sleep(85)
    await scenario.ways["db"].down()
    await scenario.until(lambda: scenario.worst("db") is State.OPEN, within=60, what="its breaker is open")
    await anyio.sleep(8)
    main = scenario.gear.breaker("db").main
    await scenario.until(lambda: (main.snapshot().retry_after or 0) > _MOMENT, within=60, what="it is open for a while")
    await anyio.sleep(1.5)  # the page is told once a second


async def take(pages: dict[str, Page]) -> None:
    """All pictures, at one moment."""
    for name, page in pages.items():
        path = _PICTURES / f"{name}.png"
        await page.screenshot(path=path)
        print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size // 1000} kB")


async def main() -> None:
    """Opens the shop, looks on, and takes the pictures."""
    with running() as plant:
        async with (
            scenario_on(plant) as scenario,
            scenario.open(),
            served(create_app(scenario.gear)) as url,
            browsing() as browser,
        ):
            pages: dict[str, Page] = {}
            for name, context in _VISITS.items():
                pages[name] = await browser.new_page(**context)
                await pages[name].goto(url)
            await bad_day(scenario)
            await pages["dark"].locator("#service-db").scroll_into_view_if_needed()
            await take(pages)


if __name__ == "__main__":
    anyio.run(main)
