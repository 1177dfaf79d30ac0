"""The shop, on real servers that can be hurt."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from shop import create_app
from shop._shelves import Shelves
from switchgear import Switchgear
from switchgear.testing import FaultProxy, Server, ValkeyServer, VirtualClock


class Carrier(Server):
    """The other company's service, which the shop's breakers have to do with."""

    name = "Carrier"

    def command(self) -> Sequence[str]:
        return [sys.executable, str(Path(__file__).with_name("carrier.py")), str(self.port)]

    async def probe(self) -> str:
        try:
            async with httpx.AsyncClient() as client:
                return str((await client.get(f"http://127.0.0.1:{self.port}/")).headers["server"])
        except httpx.TransportError:
            return ""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # redis and SQLAlchemy know no other


@pytest.fixture(scope="session")
def servers() -> Generator[Mapping[str, Server]]:
    with ValkeyServer() as cache, Carrier() as carrier:
        yield {"cache": cache, "carrier": carrier}


@pytest.fixture
async def proxies(servers: Mapping[str, Server]) -> AsyncGenerator[Mapping[str, FaultProxy]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(FaultProxy("127.0.0.1", server.port))
            for name, server in servers.items()
        }


@pytest.fixture
async def gear(
    proxies: Mapping[str, FaultProxy], virtual_clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Switchgear]:
    monkeypatch.setenv("CACHE_URL", f"redis://127.0.0.1:{proxies['cache'].port}/0")
    monkeypatch.setenv("CARRIER_URL", f"http://127.0.0.1:{proxies['carrier'].port}")
    monkeypatch.setenv("DB_URL", f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    async with Switchgear.from_toml(Path(__file__).parents[1] / "shop.toml", clock=virtual_clock) as gear:
        await gear.client("cache").flushdb()
        await Shelves(gear).fill()
        yield gear


@pytest.fixture
async def customer(gear: Switchgear) -> AsyncGenerator[httpx.AsyncClient]:
    """Who asks the shop."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(gear)), base_url="http://shop") as client:
        yield client
