"""Every row of the table of errors, produced by a real database: the verdict, what the breaker does, and that the
caller gets SQLAlchemy's own exception round the driver's own, both untouched.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from plugins.db.tests.support import TOUCHY, Board, ask, outcome
from switchgear import CallNotPermitted, Verdict
from switchgear.testing import PostgresServer
from switchgear_db._classify import VERDICTS, root

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
GONE = FAILURE.everywhere()


@dataclass(frozen=True)
class Below:
    """What an engine's driver itself raised, below the guard."""

    exceptions: list[tuple[Exception, BaseException | None, list[str]]] = field(default_factory=list[Any])

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except Exception as exc:
                self.exceptions.append((exc, exc.__cause__, frames(exc)))
                raise

        return watched

    def assert_untouched(self, caught: Exception) -> None:
        """SQLAlchemy's exception is of the driver's, or is that itself: the same object, its cause and its frames."""
        raised, cause, had = self.exceptions[-1]
        orig: Any = caught.orig if isinstance(caught, DBAPIError) else caught
        assert orig is raised
        assert caught is raised or caught.__cause__ is raised
        assert raised.__cause__ is cause
        assert frames(raised)[-len(had) :] == had


def frames(exc: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]


class Table:
    """An engine whose breaker opens at the first failure and stays open, and what its driver raised."""

    def __init__(self, board: Board, url: str, **options: Any) -> None:
        self.board = board
        self.below = Below()
        self.engine: AsyncEngine = create_async_engine(url, **options)
        dialect: Any = self.engine.dialect
        for name in ("do_execute", "do_commit", "connect"):
            setattr(dialect, name, self.below.watched(getattr(dialect, name)))
        board.guard(self.engine, TOUCHY)

    async def do(self, *statements: str) -> None:
        """In one transaction."""
        async with self.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def judged(self, verdict: Verdict, *statements: str, role: str = "write") -> Exception:
        """What the caller of a transaction gets that fails once; whether the next one is refused."""
        board = self.board
        board.settled.clear()
        caught = await outcome(self.do(*statements))
        assert isinstance(caught, Exception)
        self.below.assert_untouched(caught)
        kinds = [kind for operation, kind in board.settled if operation != "db.connect" or kind != "IGNORED"]
        assert kinds[-1:] == [verdict.name] or (kinds == [] and verdict == IGNORED)
        opened = {role for role, state in board.states().items() if state == "OPEN"}
        assert opened == ({"", role} if verdict == GONE else {role} if verdict == FAILURE else set())
        again = await outcome(self.do(statements[-1]))  # what was admitted before it would not be refused
        assert isinstance(again, CallNotPermitted) == (verdict.name == "FAILURE")
        assert board.in_flight() == 0
        return caught


@pytest.fixture
def postgres(healthy: PostgresServer, driver: str, board: Board) -> Table:
    """PostgreSQL through each driver."""
    return Table(board, healthy.url(driver))


def on_request(state: str) -> str:
    return f"DO $$ BEGIN RAISE 'on request' USING ERRCODE = '{state}'; END $$"


#: A code of each row that stands for a class of codes.
OF_CLASS = {"08": "08006", "28": "28P01", "3D": "3D000", "3F": "3F000", "53": "53100", "57": "57P01", "58": "58030",
            "F0": "F0001", "XX": "XX000"}  # fmt: skip
#: And codes that have no row: the server served, and said no.
NO = ("21000", "22012", "23505", "26000", "2F003", "40001", "40P01", "42601", "42P01", "55P03", "0A000", "P0001")
SQLSTATES = {
    **{OF_CLASS.get(code, code): verdict for code, verdict in VERDICTS.items() if not code.startswith("SQLITE")},
    **dict.fromkeys(NO, SUCCESS),
}


@pytest.mark.parametrize("state", SQLSTATES)
async def test_a_sqlstate(state: str, postgres: Table) -> None:
    """PostgreSQL raises each on request, and each comes through each driver."""
    await postgres.do("SELECT 1")
    caught = await postgres.judged(SQLSTATES[state], on_request(state))
    raised: Any = root(caught)
    assert getattr(raised, "sqlstate", None) == state


def test_each_row_is_produced() -> None:
    """Here, or by SQLite below."""
    produced = {code[:2] for code in SQLSTATES} | set(SQLSTATES) | set(SQLITE) | {"SQLITE_IOERR", "SQLITE_NOMEM"}
    assert VERDICTS.keys() - produced == {"SQLITE_PROTOCOL"}  # which only a broken file system brings about


# -- connecting --------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_gone(victim: PostgresServer, driver: str, board: Board) -> None:
    """Nobody listens: asyncpg's own ConnectionRefusedError, psycopg's own OperationalError."""
    table = Table(board, victim.url(driver))
    await victim.kill()
    caught = await table.judged(GONE, "SELECT 1", role="read")
    assert isinstance(caught, (ConnectionRefusedError, DBAPIError))


async def test_a_session_that_is_ended(victim: PostgresServer, driver: str, board: Board) -> None:
    """In the middle of a transaction: the connection is gone, the exception is the driver's."""
    table = Table(board, victim.url(driver))
    await table.judged(GONE, "SELECT 1", "SELECT pg_terminate_backend(pg_backend_pid())", role="read")


@pytest.mark.parametrize("asked_first", [False, True])
async def test_a_session_that_ended_while_it_was_idle(
    asked_first: bool, victim: PostgresServer, driver: str, board: Board
) -> None:
    """As by a firewall: one failed statement, or none where connections are asked first (pool_pre_ping)."""
    engine = create_async_engine(victim.url(driver), pool_pre_ping=asked_first)
    board.guard(engine)
    await ask(engine)
    await victim.restart()
    board.settled.clear()
    raised = await outcome(ask(engine))
    assert (raised == 1) == asked_first
    assert isinstance(raised, DBAPIError) == (not asked_first)
    assert await ask(engine) == 1
    failures = [operation for operation, verdict in board.settled if verdict == "FAILURE"]
    assert failures == ([] if asked_first else ["db.select"])
    assert "OPEN" not in board.states().values()


@pytest.mark.parametrize("wrong", ["database", "user"])
async def test_what_is_configured_wrong(wrong: str, healthy: PostgresServer, driver: str, board: Board) -> None:
    """It does not heal, and nothing opens for it."""
    url = healthy.url(driver)
    table = Table(board, f"{url}x" if wrong == "database" else url.replace("postgres@", "nobody@"))
    await table.judged(IGNORED, "SELECT 1")


# -- SQLite ------------------------------------------------------------------------------------------------------------


async def cannot_be_opened(folder: Path, _table: Table) -> None:
    (folder / "file.db").mkdir()


async def no_database(folder: Path, _table: Table) -> None:
    (folder / "file.db").write_bytes(b"this is no database, but a text of more than a hundred characters " * 4)


async def corrupt(folder: Path, table: Table) -> None:
    await table.do("CREATE TABLE t (x TEXT)", FILL)
    await table.engine.dispose()
    with (folder / "file.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)


async def a_table(_folder: Path, table: Table) -> None:
    await table.do("CREATE TABLE t (x TEXT UNIQUE)", "INSERT INTO t VALUES ('x')")


FILL = (
    "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
    "SELECT hex(randomblob(5000)) FROM n"
)
SQLITE: dict[str, tuple[Any, tuple[str, ...], str, Verdict]] = {
    "SQLITE_CANTOPEN": (cannot_be_opened, ("SELECT 1",), "read", GONE),
    "SQLITE_NOTADB": (no_database, ("SELECT * FROM t",), "read", GONE),
    "SQLITE_CORRUPT": (corrupt, ("SELECT * FROM t",), "read", FAILURE),
    "SQLITE_FULL": (a_table, ("PRAGMA max_page_count = 3", FILL), "write", FAILURE),
    "SQLITE_READONLY": (a_table, ("PRAGMA query_only = ON", "INSERT INTO t VALUES ('y')"), "write", FAILURE),
    "SQLITE_CONSTRAINT": (a_table, ("INSERT INTO t VALUES ('x')",), "write", SUCCESS),
    "SQLITE_ERROR": (a_table, ("SELEC 1",), "write", SUCCESS),
}


@pytest.mark.parametrize("name", SQLITE)
async def test_an_error_of_sqlite(name: str, tmp_path: Path, board: Board) -> None:
    """Each that a file can be brought to."""
    bring_about, statements, role, verdict = SQLITE[name]
    table = Table(board, f"sqlite+aiosqlite:///{tmp_path}/file.db")
    await bring_about(tmp_path, table)
    caught = await table.judged(verdict, *statements, role=role)
    raised: Any = root(caught)
    assert raised.sqlite_errorname.startswith(name)
