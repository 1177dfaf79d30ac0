"""A backend that comes and goes."""

from __future__ import annotations

import anyio
import pytest

from switchgear import Level, State
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

_UP, _DOWN, _TIMES = 4.0, 2.0, 6


async def test_its_breaker_and_its_capabilities_do_not_dance_along(scenario: Scenario) -> None:
    """The longer a backend flaps the less it is believed: its breakers open fewer times than it falls, what needs it
    falls half as often; and once it stays, it is believed again."""
    async with scenario.open():
        await scenario.calm()

        scenario.turn("fault")
        for _ in range(_TIMES):
            await scenario.ways.files.down()
            await anyio.sleep(_DOWN)  # the fault itself: how long it lasts is what it is
            await scenario.ways.files.up()
            await anyio.sleep(_UP)

        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=300, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)
        assert scenario.whole()

    ledger = scenario.ledger
    trips = [event for event in ledger.transitions if event.to_state is State.OPEN]
    assert {event.breaker for event in trips} == {"files"}
    for breaker in {event.domain for event in trips}:
        assert sum(event.domain == breaker for event in trips) < _TIMES
    assert {event.capability for event in ledger.changes} == {"images", "photos"}
    changes = [event for event in ledger.changes if event.capability == "images"]
    falls = [event for event in changes if event.to_level < event.from_level]
    assert len(falls) <= _TIMES / 2 + 1, "it has to rise to fall again, and each rise takes ten seconds"
    assert sum(event.to_level is Level.FULL for event in changes) == 1, "it was believed too early"
    assert all(tally.goodput >= 0.97 for name, tally in ledger.of("fault").items() if name not in {"images", "photos"})
    assert all(tally.full == 1 for tally in ledger.of("after").values())
