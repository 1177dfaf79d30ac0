"""Where a server cannot run another takes its place, openly; where none can, nothing stays behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from switchgear import MissingDependency
from switchgear.demo import _servers
from switchgear.demo._servers import SqliteFile, start_servers
from switchgear.testing import ServerUnavailable

pytestmark = pytest.mark.anyio


class Fake:
    """A server that is a name."""

    def __init__(self, name: str, log: list[str], *, missing: bool = False, slow: bool = False) -> None:
        self.name, self._log, self._missing, self._slow = name, log, missing, slow

    def __str__(self) -> str:
        return f"{self.name} 1.0"

    async def start(self) -> None:
        if self._missing:
            raise ServerUnavailable(f"{self.name} is not installed.")
        self._log.append(f"+{self.name}")
        if self._slow:
            await anyio.sleep_forever()

    async def aclose(self) -> None:
        self._log.append(f"-{self.name}")


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> dict[str, list[Callable[[], Any]]]:
    """What can play the four parts; a test changes what it is about."""

    def make(name: str) -> Callable[[], Fake]:
        return lambda: Fake(name, log)

    made: dict[str, list[Callable[[], Any]]] = {name: [make(name)] for name in ("cache", "files", "llm", "db")}
    monkeypatch.setattr(_servers, "_CHOICES", made)
    return made


async def test_the_first_choice_is_taken_without_a_word_about_others(
    choices: dict[str, list[Callable[[], Any]]], log: list[str]
) -> None:
    """All four are started, each line says who serves what, and the stack ends them."""
    choices["db"].append(lambda: Fake("SQLite", log))
    said: list[str] = []
    async with AsyncExitStack() as stack:
        servers = await start_servers(stack, said.append)
        assert servers.names() == {"cache": "cache 1.0", "files": "files 1.0", "llm": "llm 1.0", "db": "db 1.0"}
        assert sorted(log) == ["+cache", "+db", "+files", "+llm"]
        assert sorted(line.partition(" serves")[0] for line in said) == [
            "cache  cache 1.0", "db     db 1.0", "files  files 1.0", "llm    llm 1.0"
        ]  # fmt: skip
    assert {"-cache", "-db", "-files", "-llm"} <= set(log)


async def test_a_second_choice_is_announced(choices: dict[str, list[Callable[[], Any]]], log: list[str]) -> None:
    """With the reason, which says what to do about it."""
    choices["db"] = [lambda: Fake("PostgreSQL", log, missing=True), lambda: Fake("SQLite", log)]
    said: list[str] = []
    async with AsyncExitStack() as stack:
        servers = await start_servers(stack, said.append)
        assert servers.names()["db"] == "SQLite 1.0"
    assert "Note: SQLite 1.0 takes the place of PostgreSQL. PostgreSQL is not installed." in said


async def test_without_any_choice_the_others_are_not_waited_for(
    choices: dict[str, list[Callable[[], Any]]], log: list[str]
) -> None:
    """The error has every reason, and whatever had been started, or half started, is ended."""
    choices["db"] = [lambda: Fake("PostgreSQL", log, missing=True), lambda: Fake("SQLite", log, missing=True)]
    choices["files"] = [lambda: Fake("files", log, slow=True)]
    with anyio.fail_after(5):
        async with AsyncExitStack() as stack:
            with pytest.raises(ServerUnavailable, match=r"PostgreSQL is not installed\. SQLite is not installed\."):
                await start_servers(stack, lambda _: None)
    assert {"-cache", "-files", "-llm"} <= set(log)


async def test_a_missing_sdk_names_the_extra_that_brings_it(
    choices: dict[str, list[Callable[[], Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo needs what no user of one plugin needs."""
    monkeypatch.setattr(_servers, "_SDKS", ("no_such_sdk",))
    async with AsyncExitStack() as stack:
        with pytest.raises(MissingDependency, match=r'no_such_sdk.*pip install "switchgear\[demo\]"'):
            await start_servers(stack, lambda _: None)


async def test_sqlite_hangs_while_it_is_locked() -> None:
    """A file cannot be stopped like a server, but for its users it looks the same."""
    file = SqliteFile()
    await file.start()
    path = file.path
    other = sqlite3.connect(path, timeout=0.01)
    try:
        await file.hang()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("CREATE TABLE orders (product INTEGER)")
        await file.resume()
        other.execute("CREATE TABLE orders (product INTEGER)")
    finally:
        other.close()
        await file.aclose()
    assert not path.parent.exists()
