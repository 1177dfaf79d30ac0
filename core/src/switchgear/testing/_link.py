"""One direction of one proxied connection, and what the toxics do to it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio

from switchgear.testing._board import Applied, Board
from switchgear.testing._sockets import receive, send
from switchgear.testing.toxics import Bandwidth, Direction, Latency, LimitData, Slicer, Timeout, Toxic

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

T = TypeVar("T", bound=Toxic)
_SMOOTH = 0.1  # s; what a bandwidth lets through comes in pieces this far apart


class Chunk(NamedTuple):
    """Some bytes on their way."""

    arrived: float
    data: bytes  # none: the end


class Link:
    """Reads all that comes from `source`, and writes it to `sink` as the toxics allow."""

    def __init__(
        self,
        board: Board,
        direction: Direction,
        source: socket.socket,
        sink: socket.socket,
        end: Callable[[bool], None],
    ) -> None:
        """`end(reset)` ends the whole connection, by RST or FIN, and cancels `run`."""
        self._board = board
        self._direction: Direction = direction
        self._source = source
        self._sink = sink
        self._end = end
        self._struck: dict[Applied, bool] = {}
        self._passed: dict[Applied, int] = {}
        self.has_hole = False

    def toxics(self, kind: type[T]) -> list[tuple[Applied, T]]:
        """The toxics of a kind that this link has to bear."""
        applied = self._board.applied
        return [(entry, entry.toxic) for entry in applied if isinstance(entry.toxic, kind) and self._bears(entry)]

    def _bears(self, entry: Applied) -> bool:
        if entry.toxic.direction != self._direction:
            return False
        if entry not in self._struck:
            self._struck[entry] = self._board.rng.random() < entry.toxic.toxicity
        return self._struck[entry]

    async def run(self) -> None:
        """Ends when the source has ended and all of it is written."""
        # Reader and writer are apart, so that a byte that is late does not delay the one behind it too.
        incoming, outgoing = anyio.create_memory_object_stream[Chunk](64)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, incoming)
            try:
                await self._write(outgoing)
            except OSError:
                self._end(True)

    async def _read(self, chunks: MemoryObjectSendStream[Chunk]) -> None:
        with chunks:
            data = b"?"
            while data:
                try:
                    data = await receive(self._source)
                except OSError:  # its peer has reset it: reset the other
                    self._end(True)
                    return
                await chunks.send(Chunk(anyio.current_time(), data))

    async def _write(self, chunks: MemoryObjectReceiveStream[Chunk]) -> None:
        with chunks:
            async for arrived, data in chunks:
                await self._be_late(arrived)
                if data:
                    await self._pass_on(data)
                elif self.has_hole:  # what comes after lost bytes is lost, the end too
                    self._end(False)
                else:
                    with suppress(OSError):
                        self._sink.shutdown(socket.SHUT_WR)

    async def _be_late(self, arrived: float) -> None:
        delays: dict[Applied, float] = {}
        while True:
            latencies = self.toxics(Latency)
            for entry, latency in latencies:
                if entry not in delays:
                    delays[entry] = latency.seconds + self._board.rng.uniform(-latency.jitter, latency.jitter)
            left = arrived + sum(delays[entry] for entry, _ in latencies) - anyio.current_time()
            if left <= 0:
                return
            await self._board.change(within=left)  # toxics may go, or come, while it waits

    async def _pass_on(self, data: bytes) -> None:
        while data:
            if self.toxics(Timeout):
                self.has_hole = True
                return
            piece = data[: self._piece_size()]
            await send(self._sink, piece)
            data = data[len(piece) :]
            self._board.bytes[self._direction] += len(piece)
            for entry, limit in self.toxics(LimitData):
                self._passed[entry] = self._passed.get(entry, 0) + len(piece)
                if self._passed[entry] >= limit.bytes:
                    self._end(limit.reset)
                    return
            if pause := self._pause(len(piece)):
                await self._board.change(within=pause)

    def _piece_size(self) -> int | None:
        sizes = [limit.bytes - self._passed.get(entry, 0) for entry, limit in self.toxics(LimitData)]
        sizes += [max(1, int(bandwidth.bytes_per_second * _SMOOTH)) for _, bandwidth in self.toxics(Bandwidth)]
        for _, slicer in self.toxics(Slicer):
            sizes.append(slicer.size + self._board.rng.randint(-slicer.variation, slicer.variation))
        return min(sizes, default=None)

    def _pause(self, size: int) -> float:
        slices = sum(slicer.seconds for _, slicer in self.toxics(Slicer))
        return slices + max((size / limit.bytes_per_second for _, limit in self.toxics(Bandwidth)), default=0.0)
