"""SQLAlchemy: its compliance tests for dialects, and those of engines and of asyncio, on three drivers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from switchgear.testing import PostgresServer
from tests.upstream.suite import Run, Suite

#: What SQLAlchemy's README.unittests asks of a database, and its test.requirements looks for.
_ROLE = "CREATE ROLE scott SUPERUSER LOGIN PASSWORD 'tiger'", "CREATE DATABASE test OWNER scott"
_SCHEMAS = "CREATE SCHEMA test_schema AUTHORIZATION scott", "CREATE SCHEMA test_schema_2 AUTHORIZATION scott"
_EXTENSIONS = "CREATE EXTENSION IF NOT EXISTS hstore", "CREATE EXTENSION IF NOT EXISTS citext"


def _sqlite(folder: Path) -> AbstractContextManager[Run]:
    return _run(folder, "sqlite+aiosqlite:///:memory:")


@contextmanager
def _postgres(driver: str, folder: Path) -> Generator[Run]:
    with PostgresServer("-c", "max_prepared_transactions=20", "-c", "max_connections=60") as server:
        _execute(server, "postgres", *_ROLE)
        _execute(server, "test", *_SCHEMAS, *_EXTENSIONS)
        with _run(folder, f"postgresql+{driver}://scott:tiger@127.0.0.1:{server.port}/test") as run:
            yield run


def _execute(server: PostgresServer, database: str, *statements: str) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname=database, autocommit=True
    ) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def _run(folder: Path, url: str) -> Generator[Run]:
    with TemporaryDirectory() as scratch:  # the tests write databases beside them, and read what they find there
        copy = shutil.copytree(folder, Path(scratch, "sqlalchemy"))
        # Without a user's site, its conftest takes the SQLAlchemy that is installed instead of the one beside it.
        yield Run(copy, ("--dburi", url), {"PYTHONNOUSERSITE": "1"})


def _again(test: str) -> str:
    """The name of a test before SQLAlchemy has added to its class the database, and to itself the parameters."""
    return re.sub(r"_\w+\+[^:]+(?=::)", "", test.partition("[")[0])


#: Its own options stop after 250 failures. The plugins switched off are those that it switches off for itself.
_OPTIONS = ("-q", "-o", "addopts=", "-p", "no:warnings", "-p", "no:logging")
_DIALECT = "test/dialect/test_suite.py"
_ENGINES = "test/engine", "test/ext/asyncio"
#: Of the dialects' tests those of transactions, of results with and without a cursor on the server, and of errors.
_SLICE = "Isolation or Returning or ServerSideCursors or RowFetch or RowCount or Insert or UpdateDelete or HasTable"


def _suite(name: str, prepare: Callable[[Path], AbstractContextManager[Run]]) -> Suite:
    return Suite(
        name=f"sqlalchemy-{name}",
        distribution="sqlalchemy",
        backend="db",
        parts=("test", "lib/sqlalchemy/testing/plugin", "setup.cfg", "pyproject.toml"),
        prepare=prepare,
        options=_OPTIONS,
        whole=(_DIALECT, *_ENGINES),
        slice=(_DIALECT, "-k", _SLICE),
        least_guarded=3.0,
        again=_again,
    )


SUITES = (
    _suite("aiosqlite", _sqlite),
    _suite("asyncpg", partial(_postgres, "asyncpg")),
    _suite("psycopg", partial(_postgres, "psycopg_async")),
)
