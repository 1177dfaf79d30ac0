"""One backend is killed, and started again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import pytest

from switchgear import Level, State
from tests.integration.ledger import PATIENCE
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Loss:
    """What goes with a service."""

    levels: Mapping[str, Level]  #: of the capabilities that it impairs
    also: tuple[str, ...] = ()  #: the services that cannot do without it

    @property
    def off(self) -> set[str]:
        return {name for name, level in self.levels.items() if level is Level.OFF}


LOSSES = {
    "cache": Loss({"checkout": Level.REDUCED, "search": Level.REDUCED}),
    "files": Loss({"images": Level.OFF, "photos": Level.OFF}),
    "llm": Loss({"assistant": Level.FALLBACK}),
    "db": Loss({"checkout": Level.OFF, "search": Level.OFF, "reports": Level.OFF}, also=("replica",)),
}


@pytest.mark.parametrize("service", LOSSES)
async def test_one_is_killed(scenario: Scenario, service: str) -> None:
    """Its breaker opens, and it alone is the root cause; what needs it falls as far as it must, and the rest serves on
    as if nothing were; when it is back, everything is, by itself."""
    loss = LOSSES[service]
    server = getattr(scenario.plant, service)
    async with scenario.open():
        await scenario.calm()

        scenario.turn("fault")
        await scenario.plant.do(server.kill)
        await scenario.until(lambda: scenario.levels() == loss.levels, within=20, what=f"levels are {loss.levels}")
        # It is let in again when it serves, as whoever has customers does: it begins with halves of answers.
        for way in (service, *loss.also):
            await scenario.ways[way].down()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scenario.plant.do, server.restart)
            await scenario.served(15)
        assert scenario.levels() == loss.levels
        assert scenario.causes() == {service: (), **dict.fromkeys((*loss.levels, *loss.also), (service,))}
        assert not scenario.ledger.suspicions

        for way in (service, *loss.also):
            await scenario.ways[way].up()
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)
        assert scenario.whole()
        assert not scenario.causes()

    ledger = scenario.ledger
    for capability, tally in ledger.of("fault").items():
        if capability in loss.off:
            # Those who cannot be served are told at once, which is all that can be done for them.
            assert tally.slowest < PATIENCE / 2, capability
        else:
            assert tally.goodput >= 0.97, capability
            assert tally.full >= 0.97 or capability in loss.levels, capability
    for capability, tally in ledger.of("after").items():
        assert tally.full == 1, capability
        assert tally.goodput >= 0.97, capability
    hurt = {event.breaker for event in ledger.transitions if event.to_state is State.OPEN}
    assert {service} <= hurt <= {service, *loss.also}  # who is not offered, asks the others for nothing
