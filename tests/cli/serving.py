"""A process to look at: the real endpoints over real HTTP, in a thread of this one, of a shop with toy backends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import uvicorn

from switchgear import Chaos, Criticality, Switchgear
from switchgear.asgi import create_app
from tests.backends import GET, Client, backend_of
from tests.support import DOWN, SMALL

Clock = Callable[[], float]

TOKEN = "a-token-of-the-operators"


class Shop:
    """db is required by checkout, cache is preferred by it; search stands on index alone and may be missing. The cache
    is ready for chaos.
    """

    def __init__(self, token: str | None, clock: Clock) -> None:
        self.gear = Switchgear(clock=clock)
        self._token = token
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.server: uvicorn.Server | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="shop")

    def fails(self, service: str, times: int = SMALL.minimum_number_of_calls) -> None:
        """So many calls to it fail; as many as that open its breaker."""
        for _ in range(times):
            with contextlib.suppress(type(DOWN)), self.gear.service(service).admit(GET, "shard-1"):
                raise DOWN
        self.gear.degradation.look()  # rather than wait for the next heartbeat

    def serves(self, service: str, times: int = 100) -> None:
        for _ in range(times):
            self.gear.client(service).get("shard-1")
        self.gear.degradation.look()

    def watched(self) -> bool:
        """Whether somebody listens to its events."""
        return self.server is not None and bool(self.server.server_state.tasks)

    def hang_up(self) -> None:
        """Close all connections, as a restart does; new ones are taken."""
        assert self.server is not None
        for connection in list(self.server.server_state.connections):
            self.loop.call_soon_threadsafe(connection.transport.abort)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(20)

    def stop(self) -> None:
        if self.server is not None:
            self.server.should_exit = True
        self._thread.join(20)
        self._socket.close()
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with self.gear as gear:
            for name in ("db", "cache", "index"):
                pipeline = [Chaos()] if name == "cache" else None
                gear.guard(Client(name), replace(backend_of(), operations=(GET,)), name=name, pipeline=pipeline)
            gear.capability("checkout", requires=["db"], prefers={"cache": 0.4})
            gear.capability("search", requires=["index"], criticality=Criticality.BEST_EFFORT)
            app: Any = create_app(gear, token=self._token)
            config = uvicorn.Config(
                app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1, access_log=False
            )
            self.server = uvicorn.Server(config)
            self._started.set()
            await self.server.serve(sockets=[self._socket])


@contextlib.contextmanager
def serving(*, token: str | None = TOKEN, clock: Clock = time.monotonic) -> Iterator[Shop]:
    shop = Shop(token, clock)
    shop.start()
    try:
        yield shop
    finally:
        shop.stop()
