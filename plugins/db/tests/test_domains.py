"""Of ten databases that are one service, each at its own address, one is broken: the other nine serve every call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from plugins.db.tests.support import CONFIG, Board, ask, outcome
from switchgear import CallNotPermitted
from switchgear.testing import FaultProxy, PostgresServer
from switchgear_db import BACKEND, DbSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio

_ROUNDS = 8
_QUICK = replace(CONFIG, consecutive_failures=2)
_READ, _WRITE = "SELECT 7", "CREATE TEMPORARY TABLE IF NOT EXISTS t (x int)"


class Ten:
    """Ten shards of one service: engines of one connection each, through proxies of their own."""

    def __init__(self, proxies: list[FaultProxy], engines: list[AsyncEngine]) -> None:
        self.proxies, self.engines = proxies, engines


@pytest.fixture
async def ten(healthy: PostgresServer, driver: str, board: Board) -> AsyncIterator[Ten]:
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(FaultProxy("127.0.0.1", healthy.port)) for _ in range(10)]
        engines: list[AsyncEngine] = []
        for proxy in proxies:
            url = healthy.url(driver).replace(f":{healthy.port}/", f":{proxy.port}/")
            settings = DbSettings(url=url, pool_size=1, max_overflow=0, connect_timeout=3)
            engine = await stack.enter_async_context(BACKEND.connect(settings))
            engines.append(board.gear.guard(engine, BACKEND, name="db", breaker=_QUICK))
        yield Ten(proxies, engines)


async def rounds(engine: AsyncEngine, outcomes: list[Any]) -> None:
    for _ in range(_ROUNDS):
        outcomes.append(await outcome(ask(engine, _READ)))
        outcomes.append(await outcome(ask(engine, _WRITE)))


@pytest.mark.parametrize("broken", ["down", "unreachable"])
async def test_one_address_of_ten(broken: str, ten: Ten, board: Board) -> None:
    """All ten are asked at once, again and again. Those who ask the broken one get an error and then refusals; of the
    calls to the nine not one is refused or fails. When it is back, so are its calls."""
    for engine in ten.engines:
        assert await ask(engine, _READ) == 7
    victim = ten.proxies[4]
    await victim.down()
    if broken == "unreachable":
        await victim.blackhole()
    outcomes: list[list[Any]] = [[] for _ in ten.engines]
    async with anyio.create_task_group() as tasks:
        for engine, answers in zip(ten.engines, outcomes, strict=True):
            tasks.start_soon(rounds, engine, answers)
    lost = outcomes.pop(4)
    assert outcomes == [[7, None] * _ROUNDS] * 9
    assert all(isinstance(error, Exception) for error in lost)
    assert sum(isinstance(error, CallNotPermitted) for error in lost) > len(lost) / 2
    states = {shot.domain: str(shot.state) for shot in board.gear.service("db").group.snapshots()}
    opened = {domain for domain, state in states.items() if state == "OPEN"}
    assert opened
    assert opened <= {f"127.0.0.1:{victim.port}/{half}" for half in ("read", "write")}

    await victim.up()
    board.clock.advance(60.0)
    for _ in range(6):
        assert await ask(ten.engines[4], _READ) == 7
        await ask(ten.engines[4], _WRITE)
    assert {"CLOSED"} == {str(shot.state) for shot in board.gear.service("db").group.snapshots()}


async def test_an_address_that_takes_no_writes_is_alone_in_that(ten: Ten, board: Board) -> None:
    """Host and role: what fails for writes at one address is served for reads there, and for both everywhere else."""
    for _ in range(3):
        await outcome(ask(ten.engines[4], "DO $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$"))
    assert isinstance(await outcome(ask(ten.engines[4], _WRITE)), CallNotPermitted)
    assert await ask(ten.engines[4], _READ) == 7
    for number in (0, 1, 2, 3, 5, 6, 7, 8, 9):
        assert await outcome(ask(ten.engines[number], _WRITE)) is None
        assert await ask(ten.engines[number], _READ) == 7
