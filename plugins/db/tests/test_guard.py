"""One line guards an engine, once, and says so where it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import make_url
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from plugins.db.tests.support import SELECT, Board, ask, outcome
from switchgear import CallNotPermitted, Switchgear
from switchgear.spi import ConfigurationError
from switchgear_db import BACKEND, guard
from switchgear_db._guard import address

pytestmark = pytest.mark.anyio

MEMORY = "sqlite+aiosqlite://"


async def test_the_same_engine_comes_back(board: Board) -> None:
    """In place, by the one-liner: what was made from the engine before is guarded too."""
    engine = create_async_engine(MEMORY)
    gear = Switchgear()
    async with engine.connect() as before:
        assert guard(engine, gear, name="db") is engine
        assert await before.scalar(SELECT) == 1
        await before.commit()
        gear.service("db").group.force_open("test")
        assert isinstance(await outcome(before.execute(SELECT)), CallNotPermitted)
    await engine.dispose()


async def test_guarding_twice_counts_once(board: Board) -> None:
    """One guard is enough: the second call changes nothing."""
    engine = board.engine(MEMORY)
    board.guard(engine)
    assert await ask(engine) == 1
    assert board.settled == [("db.connect", "IGNORED"), ("db.select", "SUCCESS"), ("db.commit", "SUCCESS")]


async def test_one_engine_has_one_service(board: Board) -> None:
    """Under a second name every failure would count twice: an error that names the first."""
    engine = board.engine(MEMORY)
    with pytest.raises(ConfigurationError, match="guarded already, as the service 'db'") as caught:
        guard(engine, board.gear, name="other")
    assert caught.value.key == "services.other"
    with pytest.raises(ConfigurationError):
        board.gear.service("other")


async def test_two_engines_may_share_a_service(board: Board) -> None:
    """As one primary's pools do: one's trouble is the other's."""
    one, other = board.engine(MEMORY), board.engine(MEMORY)
    assert (await ask(one), await ask(other)) == (1, 1)
    board.trip("read")
    board.trip("write")
    assert isinstance(await outcome(ask(other)), CallNotPermitted)


async def test_an_unsupported_sqlalchemy_is_refused(monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
    """A private name that is gone is said at once, instead of a guard with a hole."""
    monkeypatch.delattr(Connection, "_is_autocommit_isolation")
    with pytest.raises(ConfigurationError, match=r"SQLAlchemy 2\..* is not supported .* _is_autocommit_isolation"):
        board.engine(MEMORY)
    board.engines.clear()


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("postgresql+asyncpg://me:secret@db.example:5433/d", "db.example:5433"),
        ("postgresql+asyncpg://db.example/d", "db.example"),
        ("postgresql+psycopg://me:secret@/d?host=/run/postgresql", "/run/postgresql"),
        ("postgresql+asyncpg://me:secret@/d?host=a:5432&host=b:5433", "a:5432,b:5433"),
        ("postgresql+asyncpg://", "local"),
        ("sqlite+aiosqlite:////var/lib/app.db", "/var/lib/app.db"),
        ("sqlite+aiosqlite://", "local"),
    ],
)
def test_the_domain_is_what_fails_as_one(url: str, domain: str) -> None:
    """Host and port, the hosts that the driver may choose from, a socket, a file; never user or password."""
    assert address(make_url(url)) == domain


def test_importing_the_plugin_loads_no_sdk() -> None:
    """Neither SQLAlchemy nor a driver, until an engine is guarded or connected."""
    program = "import sys, switchgear_db; print([m for m in sys.modules if m in {'sqlalchemy', 'asyncpg', 'psycopg'}])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_backend_says_what_it_needs() -> None:
    """For listings and for the error when it is missing."""
    assert (BACKEND.name, BACKEND.sdk) == ("db", "sqlalchemy[asyncio]>=2.0.20")
