"""A proxy that does to TCP connections what networks and servers do on bad days."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from switchgear.testing import _sockets
from switchgear.testing._board import Applied, Board
from switchgear.testing._connection import Connection
from switchgear.testing.servers._ports import free_port
from switchgear.testing.toxics import Toxic

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

T = TypeVar("T", bound=Toxic)


@dataclass(frozen=True, slots=True)
class ProxyStatistics:
    """What has gone through a proxy: connections accepted, those open now, bytes delivered."""

    connections: int
    open_connections: int
    bytes_upstream: int
    bytes_downstream: int


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and passes on to a server what the toxics let through.

    Use it as an async context manager, on asyncio or trio. Toxics come and go in it, and strike open connections too:

        async with FaultProxy("127.0.0.1", server.port) as proxy:
            slow = proxy.add(Latency(0.2, jitter=0.05))
            ...
            proxy.remove(slow)

    When the server is down, connections are accepted and then reset; it is `down` that refuses them.
    """

    host = "127.0.0.1"

    def __init__(
        self, upstream_host: str, upstream_port: int, *, port: int | None = None, rng: random.Random | None = None
    ) -> None:
        """`port` is a free one by default. `rng` draws jitter, slices and whom a toxic strikes; by default it draws the
        same in every run.
        """
        self.port = free_port() if port is None else port
        self._upstream = (upstream_host, upstream_port)
        self._board = Board(rng or random.Random(0))  # noqa: S311  faults that come back the same are the point
        self._listening: anyio.CancelScope | None = None
        self._fillers: list[socket.socket] = []
        self._open: set[Connection] = set()
        self._accepted = 0

    def add(self, toxic: T) -> T:
        """Puts a toxic in force, and returns it."""
        self._board.replace(*self._board.applied, Applied(toxic, anyio.current_time()))
        return toxic

    def remove(self, toxic: Toxic) -> None:
        """Ends a toxic, or one equal to it. Raises ValueError when there is none."""
        index = [entry.toxic for entry in self._board.applied].index(toxic)
        self._board.replace(*self._board.applied[:index], *self._board.applied[index + 1 :])

    def clear(self) -> None:
        """Ends all toxics."""
        self._board.replace()

    async def down(self) -> None:
        """Refuses new connections and closes the open ones, as a host does whose server has ended."""
        await self._stop_listening()
        for connection in self._open:
            connection.end(reset=False)

    async def blackhole(self) -> None:
        """Lets new connections time out: nobody answers them. Open ones go on; Timeout silences them.

        A client's kernel tries again after 1, 3 and 7 s; so long it may take to connect after `up`.
        """
        await self._stop_listening()
        self._fillers.append(_sockets.listen(self.port, backlog=0))
        # Once the queue of a listener that accepts nobody is full, the kernel drops all that ask to connect.
        full = False
        while not full:
            with anyio.move_on_after(0.05) as patience:
                self._fillers.append(await _sockets.connect((socket.AF_INET, (self.host, self.port))))
            full = patience.cancelled_caught

    async def up(self) -> None:
        """Listens, on the same port as ever; no effect when it does."""
        if self._listening is None:
            self._free_fillers()
            self._listening = await self._tasks.start(self._listen)

    async def heal(self) -> None:
        """Ends all faults: `clear` and `up`."""
        self.clear()
        await self.up()

    def statistics(self) -> ProxyStatistics:
        """What has gone through so far."""
        counted = self._board.bytes
        return ProxyStatistics(self._accepted, len(self._open), counted["upstream"], counted["downstream"])

    async def __aenter__(self) -> Self:
        self._address = await _sockets.resolve(*self._upstream)
        self._tasks: TaskGroup = anyio.create_task_group()
        await self._tasks.__aenter__()
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._free_fillers()
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, traceback)

    async def _listen(self, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
        with _sockets.listen(self.port) as listener, anyio.CancelScope() as scope:
            self._deaf = anyio.Event()
            task_status.started(scope)
            while True:
                client = await _sockets.accept(listener)
                self._accepted += 1
                self._tasks.start_soon(self._serve, client)
        self._deaf.set()

    async def _serve(self, client: socket.socket) -> None:
        connection = Connection(self._board, client, self._address)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.remove(connection)

    async def _stop_listening(self) -> None:
        self._free_fillers()
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
            await self._deaf.wait()

    def _free_fillers(self) -> None:
        while self._fillers:
            self._fillers.pop().close()
