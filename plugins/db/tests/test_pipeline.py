"""A service's strategies hold for its guarded engines, as the server sees it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from sqlalchemy import NullPool, StaticPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from plugins.db.tests.support import CONFIG, SELECT, Board, ask, outcome, until
from switchgear import (
    CallTimedOut,
    Chaos,
    ConfigurationError,
    Fallback,
    Hedge,
    InjectedFault,
    LimitExceeded,
    Retry,
    State,
    Strategy,
    Switchgear,
    Timeout,
)
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND
from switchgear_db._refusal import DbCallNotPermitted

if TYPE_CHECKING:
    from switchgear import Service

pytestmark = pytest.mark.anyio

#: Never opens.
PATIENT = replace(CONFIG, failure_rate_threshold=None, slow_call_rate_threshold=None, consecutive_failures=None)


def strategies(board: Board, url: str, *strategies: Strategy, **options: Any) -> AsyncEngine:
    engine = create_async_engine(url, **options)
    board.engines.append(engine)
    guarded: AsyncEngine = board.gear.guard(engine, BACKEND, name="db", breaker=PATIENT, pipeline=strategies)
    return guarded


async def in_a_transaction(engine: AsyncEngine, sql: str) -> Any:
    return await ask(engine, sql)


async def in_a_session(engine: AsyncEngine, sql: str) -> Any:
    async with AsyncSession(engine) as session:
        return await session.scalar(text(sql))


async def in_autocommit(engine: AsyncEngine, sql: str) -> Any:
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return await connection.scalar(text(sql))


@asynccontextmanager
async def a_lock(server: PostgresServer) -> AsyncIterator[tuple[str, Callable[[], Awaitable[int]]]]:
    """A statement that waits in the server until the context is left, and how many sessions execute it."""
    statement = "SELECT 1 FROM pg_advisory_xact_lock_shared(42)"
    observer = create_async_engine(server.url("asyncpg"), isolation_level="AUTOCOMMIT")
    async with observer.connect() as holder, observer.connect() as connection:

        async def waiting() -> int:
            sessions = text("SELECT count(*) FROM pg_stat_activity WHERE query = :query AND wait_event_type = 'Lock'")
            return int(await connection.scalar(sessions, {"query": statement}) or 0)

        await holder.execute(text("SELECT pg_advisory_lock(42)"))
        try:
            yield statement, waiting
        finally:
            await holder.execute(text("SELECT pg_advisory_unlock(42)"))
    await observer.dispose()


@pytest.mark.parametrize("way", [in_a_transaction, in_a_session, in_autocommit])
@pytest.mark.parametrize("limit", [2, None])
async def test_a_bulkhead_bounds_what_the_server_sees(
    way: Callable[..., Awaitable[Any]], limit: int | None, healthy: PostgresServer, driver: str, board: Board
) -> None:
    """Of six transactions at once two reach the server while four wait for a place, though the pool has room for all;
    without a bulkhead all do. When it goes on, all are served."""
    bulkhead = Bulkhead(limit or 6, queue=6)
    engine = strategies(board, healthy.url(driver), bulkhead, pool_size=6)
    results: list[Any] = []

    async with anyio.create_task_group() as tasks, a_lock(healthy) as (statement, waiting):

        async def one() -> None:
            results.append(await way(engine, statement))

        for _ in range(6):
            tasks.start_soon(one)

        async def full() -> bool:
            return await waiting() == (limit or 6)

        await until(full)
        assert bulkhead.waiting == 6 - (limit or 6)
        assert await full()
    assert results == [1] * 6
    assert bulkhead.in_flight == 0


async def test_a_configured_pipeline_leaves_the_pools_times_alone(
    healthy: PostgresServer, driver: str, tmp_path: Path
) -> None:
    """A bulkhead takes two keys of a file. The strategies that come with it do not cut short what the pool has time
    for, nor ask it again: a full one says so in its own words, after its own time."""
    file = tmp_path / "switchgear.toml"
    file.write_text(
        f"""
        [services.db]
        plugin = "db"
        settings = {{ url = "{healthy.url(driver)}", pool_size = 2, max_overflow = 0, pool_timeout = 0.05 }}
        pipeline.bulkhead = {{ limit = 3, queue = 8 }}
        """
    )
    async with Switchgear.from_toml(file) as gear:
        engine: AsyncEngine = gear.client("db")
        pipeline = gear.service("db").pipeline
        assert pipeline is not None
        async with engine.connect(), engine.connect():
            assert pipeline.saturations()["bulkhead"] == pytest.approx(2 / 3)
            assert isinstance(await outcome(ask(engine)), PoolTimeoutError)
            assert pipeline.saturations()["bulkhead"] == pytest.approx(2 / 3)
        assert pipeline.saturations()["bulkhead"] == 0


async def test_who_finds_no_place_gets_sqlalchemys_own_error(board: Board, url: str) -> None:
    """As a refusal of the breaker is. The transaction that has the place goes on undisturbed, and the breaker's own
    check of the server needs none."""
    bulkhead = Bulkhead(1)
    engine = strategies(board, url, bulkhead)
    async with engine.begin() as connection:
        await connection.execute(SELECT)
        with pytest.raises(OperationalError) as caught:
            await ask(engine)
        assert isinstance(caught.value, LimitExceeded)
        assert isinstance(caught.value, DbCallNotPermitted)
        assert caught.value.strategy == "bulkhead"
        service: Service = board.gear.service("db")
        assert await service.check(engine, service.group.main)
        await connection.execute(SELECT)
    assert await ask(engine) == 1


async def closed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(SELECT)


async def invalidated(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        await connection.invalidate()


async def failed(engine: AsyncEngine) -> None:
    with suppress(DBAPIError):
        await ask(engine, "SELECT nonsense FROM nowhere")


async def cancelled(engine: AsyncEngine) -> None:
    with anyio.CancelScope() as scope:
        async with engine.connect() as connection:
            scope.cancel()
            await connection.execute(SELECT)


async def detached(engine: AsyncEngine) -> None:
    connection = await engine.raw_connection()
    own: Any = connection.driver_connection
    connection.detach()
    await own.close()


async def disposed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(SELECT)
        await engine.dispose()  # its successor takes over; this one still has a connection to get back
        await connection.invalidate()


@pytest.mark.parametrize("end", [closed, invalidated, failed, cancelled, detached, disposed])
@pytest.mark.parametrize("pool", [{}, {"poolclass": NullPool}, {"poolclass": StaticPool}])
async def test_the_place_is_the_connections_until_the_pool_has_it_back(
    end: Callable[[AsyncEngine], Awaitable[None]], pool: dict[str, Any], board: Board, url: str
) -> None:
    """Whatever becomes of the connection, the place is free again, once."""
    if "StaticPool" in str(pool) and end in {detached, disposed}:
        pytest.skip("StaticPool does not let its one connection go")
    bulkhead = Bulkhead(2)
    engine = strategies(board, url, bulkhead, **pool)
    for _ in range(3):
        await end(engine)
        assert bulkhead.in_flight == 0
    assert await ask(engine) == 1


async def test_taking_a_connection_is_tried_again(victim: PostgresServer, driver: str, board: Board) -> None:
    """Not a statement: what its transaction did before it is lost with the connection."""
    retry = Retry(attempts=3, initial=0.001)
    engine = strategies(board, victim.url(driver), retry)
    assert await ask(engine) == 1
    await victim.kill()
    assert isinstance(await outcome(ask(engine)), Exception)
    assert board.settled[-1] == ("db.select", "FAILURE")
    assert retry.counts()["retries"] == 0
    assert isinstance(await outcome(ask(engine)), Exception)
    assert board.settled[-3:] == [("db.connect", "FAILURE")] * 3
    assert retry.counts()["retries"] == 2


async def test_a_full_server_lowers_an_adaptive_limit(victim: PostgresServer, driver: str, board: Board) -> None:
    """THROTTLED is a drop for it, though the breaker stays closed; wrong statements are none."""
    adaptive = Adaptive(limit=4)
    engine = strategies(board, victim.url(driver), adaptive, poolclass=NullPool)

    async def many(sql: str) -> None:
        for _ in range(40):
            assert isinstance(await outcome(ask(engine, sql)), Exception)
            board.clock.advance(0.1)

    await many("SELECT nonsense FROM nowhere")
    assert adaptive.limit >= 4
    async with AsyncExitStack() as held:
        crowd = create_async_engine(victim.url(driver), pool_size=200)
        try:
            while True:
                await held.enter_async_context(crowd.connect())
        except Exception:  # noqa: BLE001 - the server is full: each driver says so in its own way
            await many("SELECT 1")
    await crowd.dispose()
    assert adaptive.limit < 4
    assert board.gear.breaker("db").state is State.CLOSED


def test_threads_have_no_strategies() -> None:
    """They need an event loop; said when the engine is guarded."""
    engine = create_engine("sqlite://")
    with pytest.raises(ConfigurationError, match=r"made for threads.*AsyncEngine") as caught:
        Switchgear().guard(engine, BACKEND, name="db", pipeline=[Bulkhead(2)])
    assert caught.value.key == "services.db.pipeline"


@pytest.mark.parametrize("strategy", [Fallback(None), Hedge()])
async def test_nothing_stands_in_for_a_connection(strategy: Strategy, board: Board) -> None:
    """Neither an answer from elsewhere nor a second one at the same time; the error says where these belong."""
    with pytest.raises(ConfigurationError, match="round the function that does the whole transaction") as caught:
        strategies(board, "sqlite+aiosqlite://", strategy)
    assert caught.value.key == f"services.db.pipeline.{strategy.name}"


async def test_lack_of_time_and_chaos_have_the_clients_own_errors(board: Board, url: str) -> None:
    """A call that takes too long raises what the client does, and so does a fault of chaos: `except` clauses are put to
    the test by it. Both cross processes.
    """
    chaos = Chaos()
    engine = strategies(board, url, Timeout(0.05), chaos)
    chaos.switch_on(Chaos.Latency(60), rate=1, for_=60, reason="a test")
    with pytest.raises(PoolTimeoutError) as late:
        await ask(engine)
    assert isinstance(late.value, CallTimedOut)
    assert str(pickle.loads(pickle.dumps(late.value))) == str(late.value)
    chaos.switch_off()
    chaos.switch_on(Chaos.Fault(), rate=1, for_=60, reason="a test")
    with pytest.raises(OperationalError) as fault:
        await ask(engine)
    assert isinstance(fault.value, InjectedFault)
    assert str(pickle.loads(pickle.dumps(fault.value))) == str(fault.value)
