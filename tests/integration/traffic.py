"""The customers: they come when they come, however long the last ones are being served."""

from __future__ import annotations

import random
from collections.abc import Mapping

import anyio

from tests.integration.ledger import Ledger
from tests.integration.shop import PRODUCTS, Shop

#: Requests a second.
RATES: Mapping[str, float] = {
    "checkout": 3.0,
    "catalogue": 5.0,
    "images": 1.5,
    "photos": 1.0,
    "search": 2.0,
    "assistant": 1.5,
    "reports": 1.0,
}


class Traffic:
    """An open loop of requests, the same in every run; which ones, when, and about what is decided by a seed."""

    def __init__(self, shop: Shop, ledger: Ledger, *, rates: Mapping[str, float] = RATES, seed: int = 1) -> None:
        self.rates = dict(rates)
        self.products = PRODUCTS  #: that are asked about
        self._shop = shop
        self._ledger = ledger
        self._rng = random.Random(seed)

    async def run(self) -> None:
        """Until cancelled."""
        due = anyio.current_time()
        async with anyio.create_task_group() as requests:
            while True:
                due += self._rng.expovariate(sum(self.rates.values()))
                [capability] = self._rng.choices([*self.rates], [*self.rates.values()])
                product = int(self.products * self._rng.random() ** 2)  # some are in greater demand
                await anyio.sleep_until(due)
                requests.start_soon(self._serve, capability, product, due)

    async def _serve(self, capability: str, product: int, due: float) -> None:
        # Waits count from when the customer came, not from when this busy process got round to it.
        phase = self._ledger.phase
        answer = await self._shop.serve(capability, product)
        self._ledger.answered(capability, phase, answer, anyio.current_time() - due)
