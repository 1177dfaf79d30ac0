"""One scenario: a shop that is open, on servers that can be hurt, and a ledger of all that happens."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio

from switchgear import Level, State, Switchgear
from switchgear._config import read_toml
from tests.integration.ledger import Ledger
from tests.integration.plant import Plant, Ways, environment, ways_to
from tests.integration.shop import Shop
from tests.integration.traffic import Traffic

_CONFIGURATION = Path(__file__).with_name("shop.toml")
_LOOK = 0.1  # s between two looks


class Scenario:
    """What a test holds in its hands."""

    def __init__(self, plant: Plant, ways: Ways) -> None:
        self.plant = plant
        self.ways = ways
        self.ledger = Ledger(anyio.current_time())
        self.gear: Switchgear
        self.traffic: Traffic

    @asynccontextmanager
    async def open(self, *, stocked: bool = True) -> AsyncGenerator[Shop]:
        """A gear of its own, made from the configuration, and a shop on it."""
        config = read_toml(_CONFIGURATION, environment(self.plant, self.ways))
        async with Switchgear(config, clock=asyncio.get_running_loop().time) as self.gear:
            leave = self.gear.subscribe(self.ledger)
            shop = Shop(self.gear)
            if stocked:
                await shop.open()
            self.traffic = Traffic(shop, self.ledger)
            async with anyio.create_task_group() as customers:
                customers.start_soon(self.traffic.run)
                yield shop
                customers.cancel_scope.cancel()
            leave()

    async def calm(self) -> None:
        """Let the shop warm up, and then serve for a while in good health."""
        await self.served(5)
        # On a busy machine the first calls may be slow enough to be taken for trouble.
        await self.until(lambda: not self.levels() and self.whole(), within=120, what="the shop is in good health")
        self.turn("before")
        await self.served(10)

    def turn(self, phase: str) -> None:
        """The next phase begins: "before", "fault", "held" (it lasts, and is coped with), "recovery", "after"."""
        self.ledger.turn(phase, anyio.current_time())

    async def until(self, condition: Callable[[], object], *, within: float, what: str) -> float:
        """Let the shop go on until the condition holds; returns after how many seconds it did."""
        began = anyio.current_time()
        while not condition():
            waited = anyio.current_time() - began
            assert waited < within, f"after {waited:.1f} s it is still not so that {what}"
            await anyio.sleep(_LOOK)
        return anyio.current_time() - began

    async def served(self, requests: int) -> None:
        """Let the shop go on until every capability has been asked for so often in the present phase."""
        phase, names = self.ledger.phase, self.traffic.rates
        tallies = self.ledger.tallies
        await self.until(
            lambda: all(tallies[name, phase].asked >= requests for name in names),
            within=120,
            what=f"every capability was asked for {requests} times",
        )

    def worst(self, service: str) -> State:
        """The state of the worst of a service's breakers, as of now."""
        states = [snapshot.state for snapshot in self.gear.breaker(service).snapshots()]
        return next((state for state in (State.OPEN, State.HALF_OPEN) if state in states), State.CLOSED)

    def levels(self) -> dict[str, Level]:
        """Those of all capabilities that are not FULL, as of now."""
        levels = self.gear.degradation.assessment().levels
        return {name: level for name, level in levels.items() if level is not Level.FULL}

    def causes(self) -> dict[str, tuple[str, ...]]:
        """What is impaired, and by which root causes; for these themselves, none."""
        return dict(self.gear.degradation.assessment().inhibited_by)

    def roots(self) -> set[str]:
        """The root causes."""
        return {name for name, roots in self.causes().items() if not roots}

    def whole(self) -> bool:
        """Whether all breakers are CLOSED and admit all calls."""
        snapshots = [shot for service in self.gear.services.values() for shot in service.group.snapshots()]
        return all(shot.state is State.CLOSED and shot.share >= 1 for shot in snapshots)


@asynccontextmanager
async def scenario_on(plant: Plant) -> AsyncGenerator[Scenario]:
    """A scenario on the servers; it leaves them in good health, and prints its ledger."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(plant.mend)
        scenario = Scenario(plant, await stack.enter_async_context(ways_to(plant)))
        try:
            yield scenario
        finally:
            sys.stdout.write(f"{scenario.ledger}\n")  # shown where the test fails
