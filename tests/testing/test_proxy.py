from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from switchgear.testing import (
    Bandwidth,
    FaultProxy,
    Latency,
    LimitData,
    ProxyStatistics,
    ResetPeer,
    Slicer,
    Timeout,
    Toxic,
)
from tests.testing.support import until

pytestmark = pytest.mark.anyio


class Echo:
    """A server that says again what it hears, until the client ends; then it says "end" and ends too."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard = b""
        self.resets = 0

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            try:
                async for data in stream:
                    self.heard += data
                    await stream.send(data)
                await stream.send(b"end")
            except anyio.BrokenResourceError:
                self.resets += 1


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        server = Echo(listener.extra(SocketAttribute.local_port))  # noqa: S610
        tasks.start_soon(listener.serve, server.serve)
        yield server
        tasks.cancel_scope.cancel()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("localhost", echo.port) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[SocketStream]:
    async with await connect(proxy) as stream:
        yield stream


async def connect(proxy: FaultProxy) -> SocketStream:
    return await anyio.connect_tcp(proxy.host, proxy.port)


async def exchange(stream: SocketStream, data: bytes = b"ping") -> bytes:
    """Sends, and reads as much as was sent."""
    await stream.send(data)
    return await read(stream, len(data))


async def read(stream: SocketStream, size: int) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while len(data) < size:
            data += await stream.receive(size - len(data))
    return data


async def is_silent(stream: SocketStream) -> bool:
    """Nothing comes for a while."""
    with anyio.move_on_after(0.1) as patience:
        await stream.receive()
    return patience.cancelled_caught


async def is_reset(stream: SocketStream) -> bool:
    """It ends by RST; False when by FIN."""
    try:
        with anyio.fail_after(5):
            while True:
                await stream.receive()
    except anyio.EndOfStream:
        return False
    except anyio.BrokenResourceError as error:
        return isinstance(error.__cause__, ConnectionResetError)


class TestWithoutToxics:
    async def test_bytes_pass_both_ways_and_are_counted(self, proxy: FaultProxy, client: SocketStream) -> None:
        """A megabyte arrives unchanged, and the statistics know of it."""
        data = random.Random(1).randbytes(2**20)

        async def send() -> None:
            await client.send(data)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            assert await read(client, len(data)) == data
        assert proxy.statistics() == ProxyStatistics(1, 1, len(data), len(data))

    async def test_one_side_may_end_before_the_other(self, client: SocketStream) -> None:
        """A half-closed connection stays half-closed: the server hears the end and still answers."""
        await client.send(b"last words ")
        await client.send_eof()
        assert await read(client, 14) == b"last words end"
        assert not await is_reset(client)

    async def test_a_reset_is_passed_on(self, echo: Echo, proxy: FaultProxy) -> None:
        """A client that resets its connection resets the server's."""
        with socket.create_connection((proxy.host, proxy.port)) as client:
            await until(lambda: proxy.statistics().open_connections == 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: echo.resets == 1)

    async def test_a_dead_server_is_a_reset(self, unused_port: int) -> None:
        """Nobody behind it: accepted, since a proxy is there, then reset."""
        async with FaultProxy("127.0.0.1", unused_port) as proxy, await connect(proxy) as stream:
            assert await is_reset(stream)
            await until(lambda: proxy.statistics().open_connections == 0)

    async def test_left_it_is_gone(self, echo: Echo) -> None:
        """At the end of `async with` connections are closed and the port refuses."""
        async with FaultProxy("127.0.0.1", echo.port) as proxy:
            stream = await connect(proxy)
            assert await exchange(stream) == b"ping"
        async with stream:
            assert not await is_reset(stream)
        with pytest.raises(OSError, match="connect"):
            await connect(proxy)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestToxics:
    @pytest.mark.parametrize("direction", ["upstream", "downstream"])
    async def test_latency(self, proxy: FaultProxy, client: SocketStream, direction: str) -> None:
        """Every answer is late by it, in either direction, on a connection that was open before."""
        assert await exchange(client) == b"ping"
        proxy.add(Latency(0.15, direction=direction))  # type: ignore[arg-type]
        for _ in range(2):
            started = anyio.current_time()
            assert await exchange(client) == b"ping"
            assert anyio.current_time() - started >= 0.15

    async def test_latency_is_no_bandwidth(self, proxy: FaultProxy, client: SocketStream) -> None:
        """What is sent while earlier bytes are late is not later than they: 20 sends take one delay, not 20."""
        proxy.add(Latency(0.5))
        started = anyio.current_time()
        for number in range(20):
            await client.send(b"%04d" % number)
            await until(lambda sent=number: proxy.statistics().bytes_upstream == 4 * (sent + 1))  # type: ignore[misc]
        assert await read(client, 80) == b"".join(b"%04d" % number for number in range(20))
        assert 0.5 <= anyio.current_time() - started < 10

    async def test_late_bytes_come_at_once_when_it_is_removed(self, proxy: FaultProxy, client: SocketStream) -> None:
        """A toxic that is gone delays nobody, those who wait for it neither."""
        endless = proxy.add(Latency(1000))
        await client.send(b"ping")
        assert await is_silent(client)
        proxy.remove(endless)
        assert await read(client, 4) == b"ping"

    async def test_jitter_is_drawn_from_the_callers_random(self, echo: Echo) -> None:
        """The same seed gives the same delays."""
        delays: list[list[float]] = []
        for _ in range(2):
            rng = Recorder(7)
            async with FaultProxy("127.0.0.1", echo.port, rng=rng) as proxy, await connect(proxy) as stream:
                proxy.add(Latency(0.02, jitter=0.02))
                for _ in range(3):
                    assert await exchange(stream) == b"ping"
            delays.append(rng.drawn)
        assert delays[0] == delays[1]
        assert len(set(delays[0])) == 3

    async def test_bandwidth(self, proxy: FaultProxy, client: SocketStream) -> None:
        """30 kB at 100 kB/s take 0.3 s less the last piece."""
        proxy.add(Bandwidth(100_000))
        started = anyio.current_time()
        assert await exchange(client, b"x" * 30_000) == b"x" * 30_000
        assert anyio.current_time() - started >= 0.19

    async def test_timeout_swallows(self, echo: Echo, proxy: FaultProxy, client: SocketStream) -> None:
        """The connection is there, the server hears and answers, and nothing comes back."""
        proxy.add(Timeout())
        await client.send(b"ping")
        await until(lambda: echo.heard == b"ping")
        assert await is_silent(client)
        assert proxy.statistics().open_connections == 1

    async def test_timeout_upstream_keeps_it_from_the_server(
        self, echo: Echo, proxy: FaultProxy, client: SocketStream
    ) -> None:
        """In the other direction the server hears nothing."""
        proxy.add(Timeout(direction="upstream"))
        await client.send(b"ping")
        assert await is_silent(client)
        assert echo.heard == b""

    async def test_removed_timeout_leaves_no_stream_with_a_hole(self, proxy: FaultProxy, client: SocketStream) -> None:
        """A connection that lost bytes is reset; one that lost none goes on."""
        async with await connect(proxy) as other:
            proxy.add(Timeout())
            await client.send(b"ping")
            assert await is_silent(client)
            proxy.clear()
            assert await is_reset(client)
            assert await exchange(other) == b"ping"

    async def test_an_end_after_lost_bytes_is_no_good_end(
        self, echo: Echo, proxy: FaultProxy, client: SocketStream
    ) -> None:
        """A client that says all and ends is not heard to end in good order by a server that has heard nothing."""
        assert await exchange(client, b"heard") == b"heard"
        proxy.add(Timeout(direction="upstream"))
        await client.send(b"not heard")
        await client.send_eof()
        await until(lambda: echo.resets == 1)
        assert echo.heard == b"heard"

    async def test_timeout_closes_after_its_time(self, proxy: FaultProxy, client: SocketStream) -> None:
        """With seconds, the silent connection ends."""
        started = anyio.current_time()
        proxy.add(Timeout(0.1))
        assert not await is_reset(client)
        assert anyio.current_time() - started >= 0.1

    async def test_reset_peer(self, echo: Echo, proxy: FaultProxy, client: SocketStream) -> None:
        """An idle connection is reset at both ends, and every new one is."""
        assert await exchange(client) == b"ping"
        proxy.add(ResetPeer())
        assert await is_reset(client)
        await until(lambda: echo.resets == 1)
        async with await connect(proxy) as another:
            assert await is_reset(another)

    async def test_reset_peer_later(self, proxy: FaultProxy, client: SocketStream) -> None:
        """With seconds, each connection is served until then, however long the toxic has been there."""
        started = anyio.current_time()
        proxy.add(ResetPeer(0.5))
        assert await exchange(client) == b"ping"
        assert await is_reset(client)
        assert anyio.current_time() - started >= 0.5
        async with await connect(proxy) as another:
            assert await exchange(another) == b"ping"
            assert await is_reset(another)

    async def test_slicer(self, proxy: FaultProxy, client: SocketStream) -> None:
        """10 bytes in slices of 2 to 4 take at least 3 slices, with a pause after each but the last."""
        proxy.add(Slicer(3, variation=1, seconds=0.05))
        started = anyio.current_time()
        assert await exchange(client, b"0123456789") == b"0123456789"
        assert anyio.current_time() - started >= 0.1

    @pytest.mark.parametrize("reset", [False, True])
    async def test_limit_data(self, proxy: FaultProxy, client: SocketStream, reset: bool) -> None:
        """An answer is cut after so many bytes, counted from when the toxic came, by FIN or RST."""
        assert await exchange(client) == b"ping"
        proxy.add(LimitData(6, reset=reset))
        assert await exchange(client) == b"ping"
        await client.send(b"0123")
        if reset:
            assert await is_reset(client)
        else:
            with anyio.fail_after(5):
                assert [part async for part in client] == [b"01"]

    async def test_toxicity_strikes_a_part(self, echo: Echo) -> None:
        """Each connection is drawn once, from the caller's random."""
        async with FaultProxy("127.0.0.1", echo.port, rng=random.Random(7)) as proxy:
            proxy.add(ResetPeer(toxicity=0.5))
            struck = []
            for _ in range(12):
                async with await connect(proxy) as stream:
                    try:
                        struck.append(await exchange(stream) != b"ping")
                    except anyio.BrokenResourceError:
                        struck.append(True)
        rng = random.Random(7)
        assert struck == [rng.random() < 0.5 for _ in range(12)]
        assert {True, False} == set(struck)

    async def test_toxics_add_up(self, proxy: FaultProxy, client: SocketStream) -> None:
        """Two latencies are one long one; removing one leaves the other."""
        first = proxy.add(Latency(0.1))
        proxy.add(Latency(0.1))
        started = anyio.current_time()
        assert await exchange(client) == b"ping"
        assert anyio.current_time() - started >= 0.2
        proxy.remove(first)
        started = anyio.current_time()
        assert await exchange(client) == b"ping"
        assert anyio.current_time() - started >= 0.1

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: Latency(1, toxicity=2),
            lambda: Latency(1, direction="sideways"),  # type: ignore[arg-type]
            lambda: Bandwidth(0),
            lambda: Slicer(1, variation=1),
        ],
    )
    def test_nonsense_is_refused(self, wrong: type[Toxic]) -> None:
        """A toxic that cannot be is an error when it is made."""
        with pytest.raises(ValueError, match=r"\w"):
            wrong()

    async def test_removing_what_is_not_there_is_a_mistake(self, proxy: FaultProxy) -> None:
        """A typing error in a test's clean-up does not pass in silence."""
        with pytest.raises(ValueError, match="not in"):
            proxy.remove(Latency(1))


class TestListening:
    async def test_down_refuses_and_closes(self, proxy: FaultProxy, client: SocketStream) -> None:
        """As a host whose server has ended: a refusal, and no connection left."""
        assert await exchange(client) == b"ping"
        await proxy.down()
        await proxy.down()
        with pytest.raises(OSError, match="connect"):
            await connect(proxy)
        assert not await is_reset(client)

    async def test_up_listens_on_the_same_port(self, proxy: FaultProxy) -> None:
        """Clients find it where it was; a second `up` has no effect."""
        port = proxy.port
        await proxy.down()
        await proxy.up()
        await proxy.up()
        async with await connect(proxy) as stream:
            assert await exchange(stream) == b"ping"
        assert proxy.port == port

    async def test_blackhole_is_a_connect_timeout(self, proxy: FaultProxy, client: SocketStream) -> None:
        """Nobody answers who asks to connect, while those who are connected are served."""
        await proxy.blackhole()
        for _ in range(2):
            with anyio.move_on_after(0.2) as patience:
                await connect(proxy)
            assert patience.cancelled_caught
        assert await exchange(client) == b"ping"

    async def test_out_of_the_blackhole(self, proxy: FaultProxy) -> None:
        """Who asked in vain is connected after `heal`, when its kernel asks again."""
        await proxy.blackhole()
        async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
            connected = anyio.Event()

            async def ask() -> None:
                await stack.enter_async_context(await connect(proxy))
                connected.set()

            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert not connected.is_set()
            await proxy.heal()
            with anyio.fail_after(10):
                await connected.wait()

    async def test_heal_ends_everything(self, proxy: FaultProxy) -> None:
        """Toxics are gone and it listens."""
        proxy.add(ResetPeer())
        proxy.add(Latency(1000, direction="upstream"))
        await proxy.down()
        await proxy.heal()
        async with await connect(proxy) as stream:
            assert await exchange(stream) == b"ping"


class Recorder(random.Random):
    """Remembers what was drawn from it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.drawn: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.drawn.append(super().uniform(a, b))
        return self.drawn[-1]
