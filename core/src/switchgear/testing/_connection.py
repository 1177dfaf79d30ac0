"""One proxied connection: two links, and the toxics that end it."""

from __future__ import annotations

import socket
from math import inf

import anyio

from switchgear.testing._board import Board
from switchgear.testing._link import Link
from switchgear.testing._sockets import Address, close, connect
from switchgear.testing.toxics import ResetPeer, Timeout


class Connection:
    """Joins a client's socket to the server; owns both sockets until `run` returns."""

    def __init__(self, board: Board, client: socket.socket, upstream: Address) -> None:
        self._board = board
        self._client = client
        self._upstream = upstream
        self._opened = anyio.current_time()
        self._scope = anyio.CancelScope()
        self._links: tuple[Link, ...] = ()
        self._reset = False

    def end(self, reset: bool) -> None:
        """Ends both sides, by RST or FIN; by RST also when bytes were lost, for FIN says that these were all."""
        self._reset |= reset
        self._scope.cancel()

    async def run(self) -> None:
        """Passes bytes both ways until both sides or a toxic have ended it. Cannot connect: resets the client."""
        sockets = [self._client]
        try:
            with self._scope:
                sockets.append(await connect(self._upstream))
                await self._join(*sockets)
        except OSError:
            self._reset = True
        finally:
            reset = self._reset or any(link.has_hole for link in self._links)
            for each in sockets:
                close(each, reset=reset)

    async def _join(self, client: socket.socket, server: socket.socket) -> None:
        self._links = (
            Link(self._board, "upstream", client, server, self.end),
            Link(self._board, "downstream", server, client, self.end),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            async with anyio.create_task_group() as links:
                for link in self._links:
                    links.start_soon(link.run)
            tasks.cancel_scope.cancel()

    async def _watch(self) -> None:
        """Carries out the toxics that end a connection after a time, also when nothing is sent."""
        while True:
            if any(link.has_hole and not link.toxics(Timeout) for link in self._links):
                self.end(reset=False)
            resets = [
                (entry.since, toxic.seconds, True) for link in self._links for entry, toxic in link.toxics(ResetPeer)
            ]
            closes = [
                (entry.since, toxic.seconds, False)
                for link in self._links
                for entry, toxic in link.toxics(Timeout)
                if toxic.seconds is not None
            ]
            due = [(max(since, self._opened) + seconds, reset) for since, seconds, reset in resets + closes]
            when, reset = min(due, default=(inf, False))
            if when <= anyio.current_time():
                self.end(reset)
            await self._board.change(within=when - anyio.current_time())
