"""The four real servers, and the ways to them on which faults are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from switchgear.testing import FaultProxy, OpenAIServer, PostgresServer, SeaweedServer, Server, ValkeyServer

T = TypeVar("T")


class Seaweed(SeaweedServer):
    """SeaweedFS, which can be told to throttle."""

    async def throttle(self, simultaneous: int | None) -> None:
        """Answer 503 to more writes at once than so many; None: to none."""
        what = "-disable" if simultaneous is None else f"-type Count -actions Write -values {simultaneous}"
        order = f"s3.circuitBreaker -global {what} -apply\n"
        master = f"127.0.0.1:{self._http['master.port']}.{self._grpc['master.port.grpc']}"
        await anyio.run_process([self.command()[0], "shell", f"-master={master}"], input=order.encode())


class Plant:
    """Four servers for all scenarios of a session.

    They live on a thread and an event loop of their own, which is in no hurry: a server needs the time that it needs to
    start. And a fixture of the whole session that held a lease of the tests' loop would hold it for other tests too.
    """

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self.cache = ValkeyServer()
        self.files = Seaweed()
        self.llm = OpenAIServer()
        # Many connections: one that hung finds those waiting that its clients have given up, beside those of now.
        self.db = PostgresServer("-c", "max_connections=80")

    @property
    def servers(self) -> tuple[Server, ...]:
        return self.cache, self.files, self.llm, self.db

    async def do(self, what: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await `what(*args)` on the servers' own thread."""
        return await to_thread.run_sync(self._portal.call, what, *args)

    async def mend(self) -> None:
        """All four in good health, whatever a scenario has done to them."""
        for server in self.servers:
            await self.do(server.resume)
            if not server.running:
                await self.do(server.restart)
        await self.do(self.llm.heal)


@contextmanager
def running() -> Generator[Plant]:
    """Starts all four at once; stops them in the end."""
    with start_blocking_portal("asyncio") as portal:
        plant = Plant(portal)

        async def start() -> None:
            async with anyio.create_task_group() as tasks:
                for server in plant.servers:
                    tasks.start_soon(server.start)

        async def stop() -> None:
            for server in plant.servers:
                await server.aclose()

        try:
            portal.call(start)
            yield plant
        finally:
            portal.call(stop)


@dataclass(frozen=True)
class Ways:
    """One proxy to the server of each service."""

    cache: FaultProxy
    files: FaultProxy
    llm: FaultProxy
    db: FaultProxy
    replica: FaultProxy

    def __getitem__(self, service: str) -> FaultProxy:
        proxy: FaultProxy = getattr(self, service)
        return proxy


@asynccontextmanager
async def ways_to(plant: Plant) -> AsyncGenerator[Ways]:
    """Open ways to all servers."""
    ports = {
        "cache": plant.cache.port,
        "files": plant.files.port,
        "llm": plant.llm.port,
        "db": plant.db.port,
        "replica": plant.db.port,
    }
    async with AsyncExitStack() as stack:
        proxies = {name: await stack.enter_async_context(FaultProxy("127.0.0.1", port)) for name, port in ports.items()}
        yield Ways(**proxies)


def environment(plant: Plant, ways: Ways) -> Mapping[str, str]:
    """What the shop's configuration refers to."""
    ports = {f"{name.upper()}_PORT": str(ways[name].port) for name in ("cache", "files", "llm", "db", "replica")}
    return {**ports, "FILES_KEY": plant.files.access_key, "FILES_SECRET": plant.files.secret_key}
