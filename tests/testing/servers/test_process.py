from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from switchgear.testing import Server, ServerUnavailable, ValkeyServer
from tests.testing.support import is_dead, until

pytestmark = pytest.mark.anyio


async def command(server: ValkeyServer, line: bytes) -> bytes:
    """What the server answers to one inline command."""
    with anyio.fail_after(5):
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(line + b"\r\n")
            return await stream.receive()


class Fake(Server):
    """A shell script for a server."""

    name = "Fake"
    script = "exec sleep 1000"

    def command(self) -> Sequence[str]:
        return ("sh", "-c", self.script)

    async def probe(self) -> str:
        return ""


async def test_it_serves_when_started_and_is_gone_when_left() -> None:
    """`async with` is its whole life: after it neither the process nor its data are there."""
    async with ValkeyServer() as server:
        assert server.running
        assert await command(server, b"PING") == b"+PONG\r\n"
        directory, pid = server.directory, server.pid
    assert not server.running
    assert is_dead(pid)
    assert not directory.exists()


async def test_it_listens_on_loopback_only() -> None:
    """A server for tests is nobody else's business: its one listening socket is on 127.0.0.1."""
    async with ValkeyServer() as server:
        with socket.socket() as elsewhere, pytest.raises(OSError, match=r"refused|unreachable"):
            elsewhere.connect(("127.0.0.2", server.port))


async def test_killed_it_refuses_and_restarted_it_serves_on_the_same_port() -> None:
    """`kill` is a crash; `restart` brings it back where clients look for it."""
    async with ValkeyServer() as server:
        port, first = server.port, server.pid
        await server.kill()
        assert not server.running
        with pytest.raises(OSError, match="connect"):
            await command(server, b"PING")
        await server.restart()
        assert (server.port, server.pid != first) == (port, True)
        assert await command(server, b"PING") == b"+PONG\r\n"


async def test_hung_it_accepts_and_says_nothing_and_resumed_it_answers() -> None:
    """`hang` leaves a client waiting for an answer that it gets after `resume`."""
    async with ValkeyServer() as server:
        await server.hang()
        assert server.running
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(b"PING\r\n")
            with anyio.move_on_after(0.2) as patience:
                await stream.receive()
            assert patience.cancelled_caught
            await server.resume()
            with anyio.fail_after(5):
                assert await stream.receive() == b"+PONG\r\n"


async def test_a_hung_server_can_be_stopped() -> None:
    """`stop` wakes it first: it ends by itself, well before it would be killed."""
    async with ValkeyServer() as server:
        pid = server.pid
        await server.hang()
        started = anyio.current_time()
        await server.stop()
        assert anyio.current_time() - started < ValkeyServer.grace
        assert is_dead(pid)


async def test_one_that_ignores_the_signal_is_killed() -> None:
    """`grace` seconds after being asked in vain, it is killed with its children."""

    class Stubborn(Fake):
        grace = 0.1
        script = "trap '' TERM; sleep 1000 & echo $!; wait; while :; do sleep 0.1; done"

        async def probe(self) -> str:
            return "1" if self.log else ""

    async with Stubborn() as server:
        pids = (server.pid, int(server.log))
        assert not any(map(is_dead, pids))
    assert all(map(is_dead, pids))


async def test_stopping_twice_and_starting_twice() -> None:
    """A second `stop` has no effect; a second `start` is a mistake and says so."""
    async with ValkeyServer() as server:
        with pytest.raises(RuntimeError, match="already running"):
            await server.start()
        await server.stop()
        await server.stop()
        await server.start()
        assert await command(server, b"PING") == b"+PONG\r\n"


async def test_a_port_in_use_is_said() -> None:
    """The error names the port, and nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = ValkeyServer(port=port)
        with pytest.raises(ServerUnavailable, match=f"port {port} .* another process does"):
            await server.start()
        assert not server.running


async def test_a_server_that_ends_while_starting_shows_its_log() -> None:
    """What it said last stands in the error."""

    class Broken(Fake):
        script = "echo 'no room for data'; exit 3"

    with pytest.raises(ServerUnavailable, match=r"exit code 3 while starting\. Its log ends: no room for data"):
        async with Broken():
            pass


async def test_a_server_that_never_serves_is_given_up() -> None:
    """After `start_timeout` it is killed, and the error says so."""

    class Slow(Fake):
        start_timeout = 0.1

    server = Slow()
    with pytest.raises(ServerUnavailable, match=r"did not serve within .* Its log is empty"):
        await server.start()
    assert is_dead(server.pid)
    await server.aclose()


async def test_cancelled_while_starting_it_is_killed() -> None:
    """Whoever gives up waiting for the start leaves no process."""
    server = Fake()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.start)
        await until(lambda: server.running)
        tasks.cancel_scope.cancel()
    assert is_dead(server.pid)
    await server.aclose()


async def test_a_program_that_cannot_be_run_is_said() -> None:
    """An unreadable or foreign binary is one sentence with the system's reason, not a traceback of subprocess."""

    class Missing(Fake):
        def command(self) -> Sequence[str]:
            return ("/nonexistent/server",)

    with pytest.raises(ServerUnavailable, match=r"Fake .*(exit code 127|No such file).*"):
        async with Missing():
            pass


LAST_WORDS = """
import sys, anyio
from switchgear.testing import OpenAIServer, PostgresServer, ValkeyServer

async def main():
    async with {server}() as server:
        print(server.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main, backend={backend!r})
"""


@pytest.mark.parametrize("server", ["ValkeyServer", "PostgresServer", "OpenAIServer"])
async def test_it_does_not_outlive_a_killed_starter(server: str, anyio_backend_name: str, tmp_path: Path) -> None:
    """SIGKILL to the process that started it, which no handler can catch, takes the server with it."""
    code = LAST_WORDS.format(server=server, backend=anyio_backend_name)
    given = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=given) as starter:  # noqa: ASYNC220
        assert starter.stdout is not None
        pid = int(await anyio.to_thread.run_sync(starter.stdout.readline))
        assert not is_dead(pid)
        starter.kill()
    await until(lambda: is_dead(pid))
    shutil.rmtree(tmp_path, ignore_errors=True)  # its data stay, and pytest would keep them
