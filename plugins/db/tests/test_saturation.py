"""How full an engine's pool is, while transactions really hold its connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import NullPool, StaticPool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from plugins.db.tests.support import SELECT, Board, ask
from switchgear_db import BACKEND

pytestmark = pytest.mark.anyio

assert BACKEND.saturation
saturation: Callable[[Any], Mapping[str, float]] = BACKEND.saturation


async def test_a_pool_is_full_when_the_overflow_is_used_up_too(board: Board, url: str) -> None:
    """Of 2 connections kept and 2 more allowed, each that is taken is a quarter; with the fourth the next caller waits
    in vain, for which the database is not blamed, and the pool is: the service says that it is full. When all are given
    back it is empty."""
    engine = board.engine(url, pool_size=2, max_overflow=2, pool_timeout=0.05)
    assert saturation(engine) == {"pool": 0.0}
    async with AsyncExitStack() as held:
        for taken in range(1, 5):
            connection = await held.enter_async_context(engine.connect())
            await connection.execute(SELECT)
            assert saturation(engine) == {"pool": taken / 4}
        with pytest.raises(PoolTimeoutError):
            await ask(engine)
        assert board.states() == {"": "CLOSED", "read": "CLOSED"}
        assert board.gear.service("db").saturations()["pool"] == 1
    assert saturation(engine) == {"pool": 0.0}


@pytest.mark.parametrize(
    "options", [{"max_overflow": -1}, {"pool_size": 0}, {"poolclass": NullPool}, {"poolclass": StaticPool}]
)
async def test_a_pool_without_a_limit_is_never_full(board: Board, url: str, options: dict[str, Any]) -> None:
    """There is no share to tell, also while connections are taken."""
    engine = board.engine(url, **options)
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        assert saturation(engine) == {}
