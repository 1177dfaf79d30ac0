"""Each code has the verdict that the reference table gives it."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy.exc

from switchgear import Verdict
from switchgear_db._classify import classify, code_of

GONE = Verdict.FAILURE.everywhere()


class DriverError(Exception):
    """An error as asyncpg's and psycopg's: with a SQLSTATE, or none."""

    def __init__(self, text: str = "", sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class OperationalError(DriverError):
    """PEP 249's name for what goes wrong with the database itself; psycopg's whenever a connection fails."""


class ProgrammingError(DriverError):
    """PEP 249's name for a mistake in using the database, or the driver."""


class InterfaceError(DriverError):
    """PEP 249's name for a mistake in using the driver."""


@pytest.mark.parametrize(
    ("verdict", "states"),
    [
        (GONE, "08000 08003 08006 57000 57P01 57P02 57P03"),
        (Verdict.FAILURE, "25006 53000 53100 53200 58030 F0000 XX000 XX001"),
        (Verdict.THROTTLED, "53300 53400"),
        (Verdict.SUCCESS, "40001 40P01 55P03 57014 22012 23505 23503 42601 42P01 42501 21000 2F005 0A000 26000 P0001"),
        (Verdict.SUCCESS, "25001 55006 54001 ABCDE"),
        (Verdict.IGNORED, "25P02 25P03 57P04 57P05 28000 28P01 3D000 3F000"),
    ],
)
def test_a_sqlstate_decides(verdict: Verdict, states: str) -> None:
    """A server that is gone fails for all, one in trouble where it is; one that says no has served."""
    assert dict.fromkeys(states.split(), verdict) == {
        state: classify(DriverError("text", state)) for state in states.split()
    }


@pytest.mark.parametrize(
    ("text", "state", "verdict"),
    [
        ("connection failed: FATAL:  sorry, too many clients already", "53300", Verdict.THROTTLED),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER", "53300", Verdict.THROTTLED),
        ("FATAL:  the database system is starting up", "57P03", GONE),
        ("FATAL:  the database system is not yet accepting connections", "57P03", GONE),
        ("FATAL:  the database system is shutting down", "57P03", GONE),
        ('FATAL:  database "nowhere" does not exist', "3D000", Verdict.IGNORED),
        ('FATAL:  password authentication failed for user "u"', "28P01", Verdict.IGNORED),
        ("FATAL:  no pg_hba.conf entry for host", "28000", Verdict.IGNORED),
        ("the connection is closed", "08003", GONE),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "", GONE),
    ],
)
def test_libpq_says_it_in_words(text: str, state: str, verdict: Verdict) -> None:
    """Where the driver kept the SQLSTATE to itself, the text of the server tells it."""
    error = OperationalError(text)
    assert (code_of(error), classify(error)) == (state, verdict)


@pytest.mark.parametrize(
    ("exc", "verdict"),
    [
        (ConnectionRefusedError(), GONE),
        (FileNotFoundError(2, "the socket does not exist"), GONE),
        (TimeoutError(), GONE),
        (DriverError("nobody knows"), Verdict.FAILURE),
        (InterfaceError("connection is closed"), GONE),
        (InterfaceError("another operation is in progress"), Verdict.IGNORED),
        (ProgrammingError("the query has 2 placeholders but 1 parameters were passed"), Verdict.IGNORED),
        (ProgrammingError("no such column", "42703"), Verdict.SUCCESS),
        (OverflowError("int too large to convert"), Verdict.IGNORED),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Verdict.IGNORED),
        (sqlalchemy.exc.TimeoutError("QueuePool limit of size 5 reached"), Verdict.IGNORED),
        (sqlalchemy.exc.PendingRollbackError("rolled back"), Verdict.IGNORED),
        (sqlalchemy.exc.ResourceClosedError("closed"), Verdict.IGNORED),
    ],
)
def test_without_a_code_the_kind_decides(exc: Exception, verdict: Verdict) -> None:
    """The network fails, wrong uses of SQLAlchemy and the driver say nothing, and what is unknown is a failure."""
    assert classify(exc) == verdict


def test_sqlalchemys_wrapper_is_looked_into() -> None:
    """The driver's error inside decides, whatever class SQLAlchemy wrapped it in."""
    wrapped = sqlalchemy.exc.OperationalError("SELECT 1", None, DriverError("deadlock", "40P01"))
    assert classify(wrapped) == Verdict.SUCCESS


@pytest.mark.parametrize(
    ("name", "code", "verdict"),
    [
        ("SQLITE_BUSY", "SQLITE_BUSY", Verdict.SUCCESS),
        ("SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY", Verdict.SUCCESS),
        ("SQLITE_LOCKED_SHAREDCACHE", "SQLITE_LOCKED", Verdict.SUCCESS),
        ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT", Verdict.SUCCESS),
        ("SQLITE_ERROR", "SQLITE_ERROR", Verdict.SUCCESS),
        ("SQLITE_IOERR_WRITE", "SQLITE_IOERR", Verdict.FAILURE),
        ("SQLITE_FULL", "SQLITE_FULL", Verdict.FAILURE),
        ("SQLITE_CANTOPEN_ISDIR", "SQLITE_CANTOPEN", GONE),
        ("SQLITE_READONLY_DBMOVED", "SQLITE_READONLY", Verdict.FAILURE),
        ("SQLITE_CORRUPT", "SQLITE_CORRUPT", Verdict.FAILURE),
        ("SQLITE_NOTADB", "SQLITE_NOTADB", GONE),
    ],
)
def test_sqlite_names_its_errors(name: str, code: str, verdict: Verdict) -> None:
    """A locked database is contention; one that cannot be opened, read or written fails."""
    error = sqlite3.OperationalError("text")
    error.sqlite_errorname = name
    assert (code_of(error), classify(error)) == (code, verdict)
