"""A real standby that lags behind its primary."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy.exc import DBAPIError

from plugins.db.tests.support import Board, ask, outcome, until
from switchgear import CallNotPermitted
from switchgear.testing import PostgresServer
from switchgear_db._probe import probe

pytestmark = pytest.mark.anyio


class Standby(PostgresServer):
    """Made of a primary that is stopped, and then follows it, a minute behind."""

    name = "Standby"

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__("-c", "recovery_min_apply_delay=60s", "-c", "hot_standby=on")
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


async def test_a_standby_that_lags_serves_and_takes_no_writes(
    victim: PostgresServer, standby: Standby, driver: str, board: Board
) -> None:
    """It answers with what was a minute ago: that is served, and no evidence of anything; how far behind it is, it
    tells who asks. A write is refused by it, for which its write branch opens, and no other."""
    primary, replica = board.engine(victim.url(driver)), board.engine(standby.url(driver))
    await ask(primary, "INSERT INTO news VALUES (2)")

    async def behind() -> bool:
        return bool(await ask(replica, "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"))

    await until(behind, seconds=30)
    assert await ask(primary, "SELECT count(*) FROM news") == 2
    board.settled.clear()
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
