"""What customers get, on good days and bad ones: the fixtures are switchgear's."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from switchgear import Switchgear
from switchgear.testing import Events, Fault, OpenBreaker, VirtualClock

pytestmark = pytest.mark.anyio


async def order(customer: httpx.AsyncClient) -> dict[str, Any]:
    answer = await customer.post("/orders/1")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_on_a_good_day(customer: httpx.AsyncClient, events: Events) -> None:
    """Products, orders at the carrier's price, bestsellers; nothing is refused."""
    assert (await customer.get("/products/1")).json() == {"id": 1, "name": "Lamp 1"}
    assert (await customer.get("/products/999")).status_code == 404
    assert await order(customer) == {"product": 1, "shipping": 4.5, "priced_by": "carrier"}
    assert (await customer.get("/bestsellers")).json() == [1]
    assert (await customer.get("/switchgear/readyz")).status_code == 200
    assert not events.refused


async def test_without_the_cache(customer: httpx.AsyncClient, fault: Fault, events: Events) -> None:
    """Pages come from the database, orders are taken; what sells best is not known, and soon not asked for."""
    await fault("cache", "refuse")
    assert (await customer.get("/bestsellers")).json() == []
    assert not events.refused  # so far
    while not events.refused:
        assert (await customer.get("/products/1")).json()["name"] == "Lamp 1"
        assert (await order(customer))["priced_by"] == "carrier"
    assert events.refused[0].breaker == "cache"
    assert (await customer.get("/bestsellers")).json() == []


async def test_without_the_database(customer: httpx.AsyncClient, open_breaker: OpenBreaker) -> None:
    """Pages that the cache has are still there; orders are 503 at once, and who balances load knows it."""
    await customer.get("/products/1")
    open_breaker("db")
    assert (await customer.get("/products/1")).status_code == 200
    refused = await customer.post("/orders/1")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert (await customer.get("/switchgear/readyz")).status_code == 503


async def test_a_carrier_that_hangs(
    customer: httpx.AsyncClient, fault: Fault, events: Events, virtual_clock: VirtualClock
) -> None:
    """Orders have a flat rate, first after a second, then without a wait; and the carrier's own once it is back."""
    assert (await order(customer))["priced_by"] == "carrier"
    await fault("carrier", "hang")
    while not events.refused:
        assert (await order(customer))["priced_by"] == "us"
    assert events.refused[0].operation == "httpx.get"
    await fault("carrier", "heal")
    virtual_clock.advance(60)  # longer than its breaker waits
    assert (await order(customer))["priced_by"] == "carrier"


async def test_what_matters_least_is_shed_first(
    customer: httpx.AsyncClient, gear: Switchgear, virtual_clock: VirtualClock
) -> None:
    """With few connections left to the database, robots are asked to come later, and customers are served."""
    async with AsyncExitStack() as stack:
        for _ in range(13):  # of 15
            await stack.enter_async_context(gear.client("db").connect())
        virtual_clock.advance(1)  # by then somebody has looked at the health of the database
        robot = await customer.post("/orders/1", headers={"x-criticality": "bulk"})
        assert robot.status_code == 503
        assert (await order(customer))["product"] == 1
