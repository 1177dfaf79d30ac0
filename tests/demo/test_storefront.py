"""The traffic is open and repeatable, and the shop does without what it can."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from switchgear.demo._ledger import Answer
from switchgear.demo._storefront import Kind, Storefront
from switchgear.testing import ServerUnavailable
from tests.demo.support import Plant

pytestmark = pytest.mark.anyio

Request = tuple[str, int, float]


class Clients:
    """In place of a gear: a test that calls no backend needs no clients."""

    def client(self, _name: str) -> Any:
        return None


async def requests(seed: int, number: int, *, patience: float = 0.0) -> list[Request]:
    """The first requests that come, each of which takes `patience` seconds to serve."""
    shop = Storefront(Clients(), random.Random(seed))  # type: ignore[arg-type]
    seen: list[Request] = []
    enough = anyio.Event()

    def record(kind: Kind) -> Kind:
        async def serve(product: int, dice: float) -> Answer:
            seen.append((kind.name, product, dice))
            if len(seen) == number:
                enough.set()
            await anyio.sleep(patience)
            return Answer.FULL

        return Kind(kind.name, kind.weight, kind.requires, serve)

    shop.kinds = tuple(map(record, shop.kinds))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.run, Plant().ledger)
            await enough.wait()
            tasks.cancel_scope.cancel()
    return seen[:number]


async def test_a_seed_brings_the_same_requests() -> None:
    """Which come, for what, and every choice in serving them: what the machine is busy with has no say."""
    first = await requests(7, 20)
    assert await requests(7, 20) == first
    assert await requests(8, 20) != first


async def test_requests_do_not_wait_for_each_other() -> None:
    """An open loop: those who come do not know that the shop is slow."""
    assert await requests(7, 20, patience=1000) == await requests(7, 20)


async def test_a_shop_that_cannot_be_filled_is_one_sentence() -> None:
    """A server that fails before anything was broken is no part of the show."""

    class Down:
        def begin(self) -> None:
            raise OSError("refused")

    shop = Storefront(Clients(), random.Random(7))  # type: ignore[arg-type]
    shop._db = Down()  # type: ignore[assignment]
    with pytest.raises(ServerUnavailable, match="does not serve: OSError: refused"):
        await shop.open()
