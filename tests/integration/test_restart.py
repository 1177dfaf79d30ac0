"""The application is restarted in the middle of an outage."""

from __future__ import annotations

import pytest

from switchgear import Level, State
from tests.integration.ledger import PATIENCE
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_it_starts_without_its_database(scenario: Scenario) -> None:
    """A gear that is made anew while a backend is down starts, finds out by a few calls what the one before knew,
    offers what it can, and offers everything once the backend is back."""
    async with scenario.open():
        await scenario.calm()
        scenario.turn("fault")
        await scenario.ways.db.down()
        await scenario.until(lambda: scenario.worst("db") is State.OPEN, within=20, what="the database is open")
        stopping = scenario.gear.clock()
    assert scenario.gear.clock() - stopping < 5, "to close beside a dead backend took too long"

    starting = scenario.gear.clock()
    async with scenario.open(stocked=False):
        assert scenario.gear.clock() - starting < 5, "to start beside a dead backend took too long"
        assert not scenario.levels(), "a new gear knows nothing yet"
        lost = {"checkout": Level.OFF, "search": Level.OFF, "reports": Level.OFF}
        await scenario.until(lambda: scenario.levels() == lost, within=20, what=f"levels are {lost}")
        await scenario.served(15)
        assert scenario.roots() == {"db"}

        await scenario.ways.db.up()
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)
        assert scenario.whole()

    fault, after = scenario.ledger.of("fault"), scenario.ledger.of("after")
    for capability in ("catalogue", "images", "assistant"):
        assert fault[capability].goodput >= 0.97, capability
    for capability in ("checkout", "search", "reports"):
        assert fault[capability].slowest < PATIENCE / 2, capability
    assert all(tally.full == 1 and tally.goodput >= 0.97 for tally in after.values())
