"""A real standby that lags behind its primary."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from plugins.db.tests.support import CONFIG, Board, ask, outcome, until
from switchgear import Breaker, CallNotPermitted, CircuitBreaker, Fallback, Pipeline, State, degraded
from switchgear.testing import PostgresServer, VirtualClock
from switchgear_db._probe import probe

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio


class Standby(PostgresServer):
    """Made of a primary that is stopped, and then follows it, a minute behind."""

    name = "Standby"

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__("-c", "hot_standby=on")
        self._primary = primary

    async def prepare(self) -> None:
        """As pg_basebackup would, where the wheel has none."""
        await super().prepare()  # which also finds out as whom it can run
        data = self.directory / "data"
        if (data / "standby.signal").exists():
            return
        shutil.rmtree(data)
        shutil.copytree(self._primary.directory / "data", data, ignore=shutil.ignore_patterns("postmaster.*"))
        data.chmod(0o700)
        (data / "standby.signal").touch()
        self.lag_behind(60)

    def lag_behind(self, seconds: int) -> None:
        """Show what happened so long ago; from the next start on, or when it is told to read its configuration."""
        with (self.directory / "data" / "postgresql.auto.conf").open("a") as config:
            config.write(f"recovery_min_apply_delay = {seconds}s\n")

    def command(self) -> Sequence[str]:
        """Where it finds the primary."""
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres"
        return *super().command(), "-c", f"primary_conninfo={source}"


@pytest.fixture
async def standby(victim: PostgresServer) -> AsyncIterator[Standby]:
    """Of the victim, which has a table with one row."""
    setup = Board()
    engine = setup.engine(victim.url("asyncpg"))
    await ask(engine, "DROP TABLE IF EXISTS news")
    await ask(engine, "CREATE TABLE news (x int)")
    await ask(engine, "INSERT INTO news VALUES (1)")
    await engine.dispose()
    await victim.stop()
    async with Standby(victim) as standby:
        await victim.start()
        yield standby


@pytest.fixture
def primary(victim: PostgresServer, driver: str, board: Board) -> AsyncEngine:
    return board.engine(victim.url(driver))


@pytest.fixture
async def replica(primary: AsyncEngine, standby: Standby, driver: str, board: Board) -> AsyncEngine:
    """Behind the primary by one row, which it has and will not show for a minute."""
    replica = board.engine(standby.url(driver))
    await ask(primary, "INSERT INTO news VALUES (2)")

    async def behind() -> bool:
        return bool(await ask(replica, "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"))

    await until(behind, seconds=30)
    board.settled.clear()
    return replica


async def test_a_standby_that_lags_serves_and_takes_no_writes(
    victim: PostgresServer, standby: Standby, primary: AsyncEngine, replica: AsyncEngine, board: Board
) -> None:
    """It answers with what was a minute ago: that is served, and no evidence of anything; how far behind it is, it
    tells who asks. A write is refused by it, for which its write branch opens, and no other."""
    assert await ask(replica, "SELECT count(*) FROM news") == 1
    assert {verdict for _, verdict in board.settled} == {"SUCCESS"}

    errors = [await outcome(ask(replica, "INSERT INTO news VALUES (3)")) for _ in range(3)]
    assert all(isinstance(error, DBAPIError) and "read-only" in str(error) for error in errors)
    assert isinstance(await outcome(ask(replica, "INSERT INTO news VALUES (3)")), CallNotPermitted)
    assert await ask(replica, "SELECT count(*) FROM news") == 1
    await ask(primary, "INSERT INTO news VALUES (3)")
    open_ = [shot.domain for shot in board.gear.service("db").group.snapshots() if str(shot.state) == "OPEN"]
    assert open_ == [f"127.0.0.1:{standby.port}/write"]
    assert not await probe(replica, open_[0])
    assert await probe(primary, f"127.0.0.1:{victim.port}/write")


#: Seconds that a standby is behind: none when all is shown that it has, infinitely many before the first transaction.
LAG = """SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 'infinity') END"""


class TooOldError(Exception):
    """The standby is further behind than the reader can bear."""


async def test_reads_that_must_be_fresh_go_to_the_primary_and_say_so(
    standby: Standby, primary: AsyncEngine, replica: AsyncEngine, board: Board
) -> None:
    """As the plugin's README tells: who must not read what is old asks how old it is, and by a fallback goes to the
    primary, flagged. After some such answers a breaker of its own spares him the question, until the standby is back;
    those of the database have seen nothing but success."""
    asked: list[str] = []
    clock = VirtualClock()
    fresh = CircuitBreaker("fresh", replace(CONFIG, permitted_calls_in_half_open=1), clock=clock)

    async def from_primary() -> int:
        asked.append("primary")
        return int(await ask(primary, "SELECT count(*) FROM news"))

    @Pipeline(Fallback(function=from_primary, canary=0), Breaker(fresh), name="fresh", clock=clock)
    async def news() -> int:
        asked.append("replica")
        async with replica.connect() as connection:
            if await connection.scalar(text(LAG)) > 10:
                raise TooOldError
            return int(await connection.scalar(text("SELECT count(*) FROM news")) or 0)

    for _ in range(5):
        with degraded() as answers:
            assert await news() == 2
        assert ["from_primary" in answer.source for answer in answers] == [True]
    assert asked == ["replica", "primary"] * 3 + ["primary"] * 2
    assert fresh.state is State.OPEN
    assert {verdict for _, verdict in board.settled} == {"SUCCESS"}
    assert set(board.states().values()) == {"CLOSED"}

    standby.lag_behind(0)
    assert await ask(replica, "SELECT pg_reload_conf()")

    async def up_to_date() -> bool:
        return bool(await ask(replica, LAG) == 0)

    await until(up_to_date)
    clock.advance(60)
    with degraded() as answers:
        assert await news() == 2
    assert (asked[-1], answers) == ("replica", [])
    assert str(fresh.state) == "CLOSED"
