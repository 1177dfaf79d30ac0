"""Engines that an application makes for itself are guarded: each kind, once, as the service that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, engine_from_config, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import async_engine_from_config, create_async_engine

import switchgear
import switchgear_db
from plugins.db.tests.support import Board, ask, outcome
from switchgear import ConfigurationError, Switchgear, instrument
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import PostgresServer
from switchgear_db import BACKEND, DbSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def found(board: Board) -> Iterator[Switchgear]:
    """Whose services are all engines that are made from now on."""
    with instrument(board.gear, plugins=["db"]):
        yield board.gear


@pytest.fixture
def made(board: Board) -> Any:
    """create_async_engine, of engines that are disposed of."""

    def made(url: str, **options: Any) -> AsyncEngine:
        engine = create_async_engine(url, **options)
        board.engines.append(engine)
        return engine

    return made


def verdicts(board: Board) -> list[tuple[str, str]]:
    return [each for each in board.settled if each[0] != "db.connect"]


SERVED = [("db.select", "SUCCESS"), ("db.commit", "SUCCESS")]


# -- instrument() ------------------------------------------------------------------------------------------------------


async def test_each_way_to_make_an_engine_is_covered(url: str, board: Board, found: Switchgear, made: Any) -> None:
    """One service, named after the address and the database."""
    configured = async_engine_from_config({"sqlalchemy.url": url})
    board.engines.append(configured)
    for engine in (made(url), configured):
        assert await ask(engine) == 1
    assert verdicts(board) == SERVED * 2
    [name] = found.services
    assert name.startswith("db-")
    assert not set(name) & set("/@?=&")


async def test_engines_for_threads_are_covered_too(tmp_path: Path, board: Board, found: Switchgear) -> None:
    """The guard is the same."""
    for engine in (
        create_engine(f"sqlite:///{tmp_path}/shop.db"),
        engine_from_config({"sqlalchemy.url": f"sqlite:///{tmp_path}/shop.db"}),
    ):
        with engine.begin() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
    assert verdicts(board) == SERVED * 2


async def test_an_engine_keeps_its_arguments(healthy: PostgresServer, found: Switchgear, made: Any) -> None:
    """What create_engine is told reaches the engine, and what it does not know is still an error."""
    engine = made(healthy.url("asyncpg"), pool_size=3, echo=False, execution_options={"isolation_level": "AUTOCOMMIT"})
    assert engine.pool.size() == 3
    assert engine.get_execution_options() == {"isolation_level": "AUTOCOMMIT"}
    with pytest.raises(TypeError, match="Invalid argument"):
        create_async_engine(healthy.url("asyncpg"), no_such_argument=1)


async def test_who_guards_by_hand_takes_over(url: str, board: Board, found: Switchgear, made: Any) -> None:
    """Also an engine that has connections: calls are counted by the service that the application meant."""
    engine, own = made(url), Board()
    assert await ask(engine) == 1
    before = list(board.settled)
    assert switchgear_db.guard(engine, own.gear, name="orders") is engine
    assert await ask(engine) == 1
    assert (board.settled, verdicts(own)) == (before, SERVED)
    assert own.gear.service("orders").counts()["transactions", (("outcome", "commit"),)] == 1
    [automatic] = found.services.values()
    assert automatic.clients == []
    with pytest.raises(ConfigurationError, match="guarded already, as the service 'orders'"):
        own.gear.guard(engine, BACKEND, name="other")


async def test_who_takes_over_brings_his_strategies(healthy: PostgresServer, found: Switchgear, made: Any) -> None:
    """They stand round the taking of a connection, of an engine that had none before."""
    engine, own = made(healthy.url("asyncpg")), Switchgear()
    assert await ask(engine) == 1
    own.guard(engine, BACKEND, name="orders", pipeline=[Bulkhead(1)])
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
        assert isinstance(await outcome(ask(engine)), OperationalError)
    assert await ask(engine) == 1


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql+asyncpg://me:hush@host:5433/shop", "host:5433/shop"),
        ("postgresql+psycopg://me:hush@host/shop?sslmode=require", "host/shop"),
        ("postgresql+asyncpg://me:hush@/shop?host=a:1&host=b:2", "a:1,b:2/shop"),
        ("sqlite+aiosqlite:////run/shop.db", "/run/shop.db"),
        ("sqlite+aiosqlite://", "local"),
    ],
)
async def test_a_configured_service_is_found_by_its_address(url: str, address: str) -> None:
    """The same for the settings as for an engine that is made of them; and no secret is in it."""
    assert BACKEND.instrument is not None
    assert BACKEND.instrument.address_in(DbSettings(url=url)) == address
    async with BACKEND.connect(DbSettings(url=url)) as engine:
        assert BACKEND.instrument.address(engine) == address


def test_a_url_that_is_none_has_no_address() -> None:
    """Whoever connects it says what is wrong with it."""
    assert BACKEND.instrument is not None
    assert BACKEND.instrument.address_in(DbSettings(url="nonsense:hush")) is None


# -- ?plugin=switchgear ------------------------------------------------------------------------------------------------


@pytest.fixture
def process_gear(board: Board, monkeypatch: pytest.MonkeyPatch) -> Switchgear:
    """That of this test."""
    monkeypatch.setattr(switchgear, "process_gear", lambda: board.gear)
    return board.gear


def with_plugin(url: str, more: str = "") -> str:
    return f"{url}{'&' if '?' in url else '?'}plugin=switchgear{more}"


async def test_an_engine_is_guarded_because_its_url_says_so(
    url: str, board: Board, process_gear: Switchgear, made: Any
) -> None:
    """Through each driver, of which none sees a key of ours; others are left alone."""
    engine = made(with_plugin(url, "&switchgear_name=orders"))
    assert await ask(engine) == 1
    assert await ask(made(url)) == 1
    assert list(process_gear.services) == ["orders"]
    assert verdicts(board) == SERVED
    assert not {"plugin", "switchgear_name"} & engine.url.query.keys()


async def test_without_a_name_it_is_named_after_its_address(
    healthy: PostgresServer, process_gear: Switchgear, made: Any
) -> None:
    """As instrument() would name it."""
    made(with_plugin(healthy.url("psycopg")))
    database = healthy.url("psycopg").rpartition("/")[2].partition("?")[0]
    assert list(process_gear.services) == [f"db-127.0.0.1:{healthy.port}-{database}"]


async def test_the_plugin_can_be_given_to_create_engine(board: Board, process_gear: Switchgear, made: Any) -> None:
    """As SQLAlchemy documents it, where the URL is somebody else's."""
    engine = made("sqlite+aiosqlite://", plugins=["switchgear"], switchgear_name="orders")
    assert await ask(engine) == 1
    assert verdicts(board) == SERVED


async def test_the_url_and_instrument_are_one_guard(
    url: str, board: Board, found: Switchgear, process_gear: Switchgear, made: Any
) -> None:
    """Under `switchgear run`, an engine whose URL names its service is that service, once."""
    engine = made(with_plugin(url, "&switchgear_name=orders"))
    assert await ask(engine) == 1
    assert verdicts(board) == SERVED
    assert [name for name, service in found.services.items() if service.clients] == ["orders"]
