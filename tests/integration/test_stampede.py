"""The cache goes in the middle of a rush, and everybody who misses it turns to the database."""

from __future__ import annotations

import pytest

from switchgear import Level, State
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_the_database_does_not_notice(scenario: Scenario) -> None:
    """Without its cache the catalogue would need many times the connections that there are. Those who want the same
    page share one look at the database, the bulkhead bounds how many pages are looked up at once, and whoever buys
    something finds a connection."""
    async with scenario.open() as shop:
        shop.page_cost = 0.03
        scenario.traffic.rates["catalogue"] = 30.0
        scenario.traffic.products = 6
        await scenario.calm()

        scenario.turn("fault")
        await scenario.plant.do(scenario.plant.cache.kill)
        fallen = {"checkout": Level.REDUCED, "search": Level.REDUCED}
        await scenario.until(lambda: scenario.levels() == fallen, within=20, what=f"levels are {fallen}")
        await scenario.served(15)
        assert scenario.levels() == fallen
        assert scenario.causes() == {"cache": (), **dict.fromkeys(fallen, ("cache",))}

        await scenario.plant.do(scenario.plant.cache.restart)
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)

    ledger = scenario.ledger
    for phase in ("before", "fault", "recovery", "after"):
        for capability, tally in ledger.of(phase).items():
            assert tally.goodput >= 0.95, (capability, phase)
    assert {event.breaker for event in ledger.transitions if event.to_state is State.OPEN} == {"cache"}
