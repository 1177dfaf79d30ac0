"""A store of files that serves, but not so many at once."""

from __future__ import annotations

import pytest

from switchgear import Adaptive, Level, Switchgear
from switchgear.testing import Bandwidth
from tests.integration.scenario import Scenario
from tests.integration.shop import PHOTOS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

_AT_ONCE = 2  # photos that the store takes


def limit(gear: Switchgear) -> int:
    """The requests that the shop sends at once."""
    pipeline = gear.service("files").pipeline
    assert pipeline
    [adaptive] = [strategy for strategy in pipeline.strategies if isinstance(strategy, Adaptive)]
    return adaptive.limit


async def test_it_is_asked_for_less_and_no_breaker_opens(scenario: Scenario) -> None:
    """The store answers 503 to whatever is too much. The shop finds out how much that is, sends no more at once, and
    lets the rest wait for a moment: all photos get there again. When the store takes more, it is sent more."""
    files = scenario.plant.files
    scenario.ways.files.add(Bandwidth(40_000, direction="upstream"))  # what is being sent, is so for a while
    async with scenario.open():
        scenario.traffic.rates["photos"] = 1.5
        await scenario.calm()

        scenario.turn("fault")
        await scenario.plant.do(files.throttle, _AT_ONCE)
        await scenario.until(lambda: limit(scenario.gear) < PHOTOS, within=60, what="less is sent at once")
        scenario.turn("held")
        await scenario.served(20)
        assert scenario.roots() <= {"files"}
        assert set(scenario.levels()) <= {"images", "photos"}

        await scenario.plant.do(files.throttle, None)
        scenario.turn("recovery")
        await scenario.until(lambda: limit(scenario.gear) >= PHOTOS, within=120, what="all are sent at once again")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)

    ledger = scenario.ledger
    assert not ledger.transitions
    for phase, least in (("fault", 0.0), ("held", 0.6), ("recovery", 0.9), ("after", 1.0)):
        for capability, tally in ledger.of(phase).items():
            assert tally.goodput >= (least if capability == "photos" else 0.97), (capability, phase)
    assert ledger.lowest("photos") >= Level.MINIMAL, "it is throttled, and serves"
