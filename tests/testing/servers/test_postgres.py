from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import asyncpg
import pytest

from switchgear.testing import PostgresServer, ServerUnavailable
from switchgear.testing.servers import postgres

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # asyncpg knows no other


@pytest.fixture
async def server() -> AsyncIterator[PostgresServer]:
    async with PostgresServer("-c", "max_connections=7") as server:
        yield server


async def connect(server: PostgresServer) -> asyncpg.Connection:
    return await asyncpg.connect(server.url(), timeout=5)


async def test_data_outlive_a_crash(server: PostgresServer) -> None:
    """What was committed before `kill` is there after `restart`, after PostgreSQL's own recovery."""
    assert str(server).startswith("PostgreSQL 1")
    connection = await connect(server)
    assert await connection.fetchval("SHOW max_connections") == "7"
    assert await connection.fetchval("SHOW server_version") == server.version
    await connection.execute("CREATE TABLE facts AS SELECT 42 AS answer")
    await server.kill()
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    await server.restart()
    connection = await connect(server)
    assert await connection.fetchval("SELECT answer FROM facts") == 42
    await connection.close()


async def test_a_hang_stops_sessions_that_are_open(server: PostgresServer) -> None:
    """Every process of PostgreSQL is frozen, the sessions' too, not only the one that accepts new ones."""
    connection = await connect(server)
    await server.hang()
    async with anyio.create_task_group() as tasks:
        answer: list[int] = []

        async def ask() -> None:
            answer.append(await connection.fetchval("SELECT 1"))

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.2):
            await anyio.sleep_forever()
        assert answer == []
        await server.resume()
    assert answer == [1]
    await connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
async def test_without_namespaces_root_serves_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel forbids user namespaces, the data directory is given to a real other user."""
    program = postgres._programs() / "initdb"
    if not all(parent.stat().st_mode & 0o001 for parent in program.parents):
        pytest.skip(f"user nobody cannot reach {program}")
    monkeypatch.setattr(postgres, "_NAMESPACE", ("false",))
    async with PostgresServer() as server:
        assert Path(f"/proc/{server.pid}").owner() == "nobody"


async def test_a_wrong_choice_of_programs_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SWITCHGEAR_PG_BIN goes before all others, so that a typing error in it is no silent fallback."""
    monkeypatch.setenv("SWITCHGEAR_PG_BIN", str(tmp_path))
    with pytest.raises(ServerUnavailable, match=r"SWITCHGEAR_PG_BIN names .* no program postgres"):
        await PostgresServer().start()


async def test_a_refused_setting_is_said() -> None:
    """The server's own complaint reaches the error."""
    with pytest.raises(ServerUnavailable, match="no_such_setting"):
        async with PostgresServer("-c", "no_such_setting=1"):
            pass
