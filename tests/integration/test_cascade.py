"""A fault in one place does not spread."""

from __future__ import annotations

import pytest

from switchgear import Level
from switchgear.testing import Latency
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_a_slow_database_fills_its_pool_and_nothing_else(scenario: Scenario) -> None:
    """Statements that are slow, though none is too slow, keep all connections busy. Those who can do without are shed
    first, so that those who cannot are still served; the report names the pool, and nothing else falls."""
    async with scenario.open():
        await scenario.calm()

        scenario.turn("fault")
        slow = scenario.ways.db.add(Latency(0.2))
        await scenario.until(
            lambda: (
                scenario.gear.health("checkout").path == ("checkout", "db", "pool_saturation")
                and scenario.roots() == {"db"}
            ),
            within=60,
            what="the pool limits checkout, and nothing else is amiss",
        )
        await scenario.served(30)
        assert set(scenario.levels()) <= {"checkout", "search", "reports"}, "what requires the database, or its replica"

        scenario.ways.db.remove(slow)
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)

    ledger = scenario.ledger
    fault, after = ledger.of("fault"), ledger.of("after")
    for capability, tally in fault.items():
        assert tally.goodput >= (0.9 if capability == "checkout" else 0.97), capability
    assert ledger.lowest("checkout") >= Level.FALLBACK
    assert all(tally.full == 1 and tally.goodput >= 0.97 for tally in after.values())
    assert not ledger.trips("db")
