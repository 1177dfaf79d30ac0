"""The account with the model's maker is empty."""

from __future__ import annotations

import pytest

from switchgear import Level, State
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_only_the_assistant_falls_back(scenario: Scenario) -> None:
    """One answer says that the quota is gone, and nobody asks again until an operator says that it is paid; meanwhile
    the assistant's customers get the fallback, and nobody else notices."""
    llm = scenario.plant.llm
    async with scenario.open():
        await scenario.calm()

        scenario.turn("fault")
        await scenario.plant.do(lambda: llm.fault("status", status=429, code="insufficient_quota"))
        asked = await scenario.plant.do(llm.requests)
        await scenario.until(
            lambda: scenario.levels() == {"assistant": Level.FALLBACK}, within=20, what="the assistant falls back"
        )
        await scenario.served(20)
        assert scenario.causes() == {"llm": (), "assistant": ("llm",)}
        assert await scenario.plant.do(llm.requests) - asked <= 3  # those that were on their way when the first failed

        # It is paid, but no backend ever says so: an operator does.
        await scenario.plant.do(llm.heal)
        scenario.gear.breaker("llm").reset("paid")
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=60, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)

    ledger = scenario.ledger
    for capability, tally in ledger.of("fault").items():
        assert tally.goodput >= 0.97, capability
        assert tally.full >= 0.97 or capability == "assistant", capability
    assert all(tally.full == 1 and tally.goodput >= 0.97 for tally in ledger.of("after").values())
    assert {event.breaker for event in ledger.transitions} == {"llm"}
    assert {event.capability for event in ledger.changes} == {"assistant"}
    assert {event.to_state for event in ledger.transitions} == {State.OPEN, State.CLOSED}
