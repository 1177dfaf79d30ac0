"""What an error says about the database: by its code, as data.

SQLAlchemy's classes do not tell: through asyncpg a full server, a lost lock and a division by zero all come as plain
DBAPIError, through psycopg a deadlock and an outage both as OperationalError. What decides is the SQLSTATE, or SQLite's
name of the error. No driver is imported here: an error is known by what it carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchgear.spi import Verdict

#: It is not there, so neither for reads nor for writes.
_GONE = Verdict.FAILURE.everywhere()

#: A whole code, or the first two characters of an SQLSTATE (its class). Any other code is an answer: the server served.
VERDICTS: Mapping[str, Verdict] = {
    "08": _GONE,  # connection exceptions
    "25006": Verdict.FAILURE,  # read-only transaction: after a failover we talk to a standby
    "25P02": Verdict.IGNORED,  # the transaction had failed before: only a consequence
    "25P03": Verdict.IGNORED,  # idle in transaction for too long: the application's fault, as is 57P05
    "28": Verdict.IGNORED,  # credentials, and below databases and schemas that do not exist: configuration
    "3D": Verdict.IGNORED,
    "3F": Verdict.IGNORED,
    "53": Verdict.FAILURE,  # out of disk, out of memory
    "53300": Verdict.THROTTLED,  # too many connections: alive, but full
    "53400": Verdict.THROTTLED,
    "57": _GONE,  # shut down, crashed, starting up
    "57014": Verdict.SUCCESS,  # cancelled, by whatever deadline: how long it took is what tells, as a slow call
    "57P04": Verdict.IGNORED,  # the database was dropped
    "57P05": Verdict.IGNORED,
    "58": Verdict.FAILURE,  # the server's I/O
    "F0": Verdict.FAILURE,
    "XX": Verdict.FAILURE,  # internal errors, corrupted data
    "SQLITE_CANTOPEN": _GONE,
    "SQLITE_CORRUPT": Verdict.FAILURE,
    "SQLITE_FULL": Verdict.FAILURE,
    "SQLITE_IOERR": Verdict.FAILURE,
    "SQLITE_NOMEM": Verdict.FAILURE,
    "SQLITE_NOTADB": _GONE,
    "SQLITE_PROTOCOL": Verdict.FAILURE,
    "SQLITE_READONLY": Verdict.FAILURE,
}

#: The server said no to a write: it may well serve reads, even those that turn out to write (SELECT ... FOR UPDATE).
NO_WRITES = frozenset({"25006", "SQLITE_READONLY"})

#: Sessions that were in each other's way: the server works as it should, and counts as having served.
CONTENTION: Mapping[str, str] = {
    "40001": "serialization",
    "40P01": "deadlock",
    "55P03": "lock",
    "57014": "cancelled",
    "SQLITE_BUSY": "lock",
    "SQLITE_LOCKED": "lock",
}

#: Credentials, databases, schemas: no fault of the server, and nothing that time will heal.
CONFIGURATION = frozenset({"28", "3D", "3F"})

#: psycopg hands over what libpq says of a failed connect as text, without the SQLSTATE the server had sent.
_TEXTS = {
    "too many clients": "53300",
    "too many connections": "53300",
    "connection slots are reserved": "53300",
    "starting up": "57P03",
    "not yet accepting connections": "57P03",
    "shutting down": "57P03",
    "in recovery mode": "57P03",
    "authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "does not exist": "3D000",
    "connection is closed": "08003",
}

#: Parameters that the driver could not send.
_MISTAKES = (TypeError, ValueError, ArithmeticError)
#: PEP 249's errors for a wrong use of the driver: without a code, they too were raised before anything was sent.
_MISUSE = frozenset({"InterfaceError", "ProgrammingError", "DataError", "IntegrityError", "NotSupportedError"})


def root(exc: BaseException) -> BaseException:
    """The driver's own error, which SQLAlchemy wraps, for asyncpg even twice."""
    orig = getattr(exc, "orig", None)
    return root(orig) if isinstance(orig, BaseException) and orig is not exc else exc


def code_of(exc: BaseException) -> str:
    """The SQLSTATE or SQLite's name ("SQLITE_BUSY") of an error of SQLAlchemy or of a driver; "" if it has none."""
    orig: Any = root(exc)
    if sqlite_name := getattr(orig, "sqlite_errorname", None):
        return "_".join(sqlite_name.split("_")[:2])  # without the detail: SQLITE_IOERR_WRITE
    if sqlstate := getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None):
        return str(sqlstate)
    if isinstance(orig, OSError):  # a missing socket file "does not exist" either
        return ""
    text = str(orig)
    return next((code for said, code in _TEXTS.items() if said in text), "")


def classify(exc: BaseException) -> Verdict:
    """The verdict on an error of SQLAlchemy, of a driver, or of the network."""
    if code := code_of(exc):
        return VERDICTS.get(code) or VERDICTS.get(code[:2], Verdict.SUCCESS)
    orig = root(exc)
    if type(orig).__module__ == "sqlalchemy.exc":  # without a driver's error inside
        return Verdict.IGNORED  # it is about this process: an exhausted pool, a closed result
    kinds = {kind.__name__ for kind in type(orig).__mro__}
    if isinstance(orig, OSError):  # first, since a certificate that is refused is also a ValueError
        return _GONE
    if isinstance(orig, _MISTAKES) or kinds & _MISUSE:
        return Verdict.IGNORED
    return _GONE if "OperationalError" in kinds else Verdict.FAILURE
