"""Two backends fail at once, and all of them."""

from __future__ import annotations

from math import inf

import pytest

from switchgear import Level, State
from switchgear.testing import ResetPeer
from tests.integration.ledger import PATIENCE
from tests.integration.scenario import Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_two_fail_in_their_own_ways(scenario: Scenario) -> None:
    """The cache hangs while connections to the model are reset: two roots, each with its own followers, and no doubt of
    ourselves; requests that ask for neither never wait for the hanging one."""
    async with scenario.open():
        await scenario.calm()

        scenario.turn("fault")
        await scenario.plant.do(scenario.plant.cache.hang)
        scenario.ways.llm.add(ResetPeer())
        fallen = {"checkout": Level.REDUCED, "search": Level.REDUCED, "assistant": Level.FALLBACK}
        await scenario.until(lambda: scenario.levels() == fallen, within=30, what=f"levels are {fallen}")
        assert scenario.causes() == {
            "cache": (),
            "llm": (),
            "checkout": ("cache",),
            "search": ("cache",),
            "assistant": ("llm",),
        }
        await scenario.served(15)
        assert not scenario.ledger.suspicions

        await scenario.plant.do(scenario.plant.cache.resume)
        scenario.ways.llm.clear()
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=120, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)
        assert scenario.whole()

    fault, after = scenario.ledger.of("fault"), scenario.ledger.of("after")
    for capability in ("images", "photos", "reports", "assistant"):
        assert fault[capability].goodput >= 0.97, capability
    # Who came before the breaker opened has waited for the cache that hangs, and has gone.
    for capability in ("checkout", "search", "catalogue"):
        assert fault[capability].goodput >= 0.75, capability
    assert all(tally.full == 1 and tally.goodput >= 0.97 for tally in after.values())
    hurt = {event.breaker for event in scenario.ledger.transitions if event.to_state is State.OPEN}
    assert hurt == {"cache", "llm"}


async def test_all_fail_at_once_and_come_back_one_by_one(scenario: Scenario) -> None:
    """When nothing can be reached, the fault is rather ours, and the gear says so; what there is to fall back on is
    still offered. All come back staggered, what is needed before what needs it; and though the cache is empty and pages
    are dear, none collapses again under the customers who are waiting."""
    services = ("cache", "files", "llm", "db", "replica")
    async with scenario.open() as shop:
        shop.page_cost = 0.02
        await scenario.calm()

        scenario.turn("fault")
        for service in services:
            await scenario.ways[service].down()
        off = dict.fromkeys(("checkout", "catalogue", "images", "photos", "search", "reports"), Level.OFF)
        fallen = {**off, "assistant": Level.FALLBACK}
        await scenario.until(lambda: scenario.levels() == fallen, within=30, what=f"levels are {fallen}")
        await scenario.served(10)
        assert scenario.roots() == {"cache", "files", "llm", "db"}
        assert scenario.causes()["replica"] == ("db",)
        assert scenario.ledger.suspicions
        assert set(scenario.gear.degradation.assessment().suspects) >= {"cache", "files", "db"}
        assert scenario.gear.service("db").patience > 1, "our own limits of time are stretched: we may be what is slow"

        await scenario.plant.do(scenario.plant.cache.restart)  # which keeps nothing
        for service in services:
            await scenario.ways[service].up()
        healed = scenario.gear.clock()
        scenario.turn("recovery")
        await scenario.until(lambda: not scenario.levels(), within=240, what="everything is offered again")

        scenario.turn("after")
        await scenario.served(10)
        assert scenario.whole()
        assert not scenario.gear.degradation.assessment().suspects
        assert scenario.gear.service("db").patience == 1

    ledger = scenario.ledger
    for capability, tally in ledger.of("fault").items():
        assert tally.slowest < PATIENCE / 2, capability
    assert ledger.of("fault")["assistant"].goodput >= 0.97
    assert all(tally.full == 1 and tally.goodput >= 0.97 for tally in ledger.of("after").values())
    closed = {e.breaker: e.at for e in ledger.transitions if e.to_state is State.CLOSED}  # the last time each
    assert closed.keys() >= {"cache", "files", "llm", "db"}  # nobody asks the replica while the gate is shut
    assert not [e for e in ledger.transitions if e.to_state is State.OPEN and e.at > closed[e.breaker]]
    assert closed.get("replica", inf) >= closed["db"], "the replica waits for the database"
    assert max(closed.values()) - min(closed.values()) > 0.5, "they all came back in the same instant"
    assert min(closed.values()) > healed
