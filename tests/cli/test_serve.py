"""`switchgear serve`: real backends watched by a program of its own, asked over real HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from switchgear import BreakerConfig, State, Switchgear
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear.cli._rounds import check_all, for_watching
from switchgear.cli._serve import _listen
from switchgear.testing.servers.valkey import ValkeyServer
from tests.backends import Client, Settings, backend_of, until
from tests.cli.support import PROGRAM, environment, program

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-operators"

CONFIGURATION = """\
[services.cache]
plugin = "redis"
settings = {{ url = "{url}", socket_timeout = 0.5, socket_connect_timeout = 0.5 }}

[services.db]
plugin = "db"
settings.url = "sqlite+aiosqlite:///{folder}/serve.db"

[capabilities.shop]
requires = ["cache"]

[capabilities.reports]
requires = ["db"]
criticality = "bulk"
"""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """The program, running."""

    def __init__(self, process: anyio.abc.Process, url: str, told: list[str]) -> None:
        self.process, self.url, self.told = process, url, told

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def ask(self, path: str, *, token: str | None = None, method: str = "GET", body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"

        def ask() -> Answer:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request(method, path, content, headers)
                response = connection.getresponse()
                return Answer(response.status, response.read())
            finally:
                connection.close()

        return await anyio.to_thread.run_sync(ask)

    async def until(self, path: str, condition: Callable[[Answer], object]) -> Answer:
        with anyio.fail_after(40):
            while True:
                answer = await self.ask(path)
                if condition(answer):
                    return answer
                await anyio.sleep(0.05)


@asynccontextmanager
async def serving(*arguments: str, **environ: str) -> AsyncGenerator[Served]:
    """The program on a free port, until the end, or until it was told to stop."""
    command = [PROGRAM, "serve", "--port", "0", "--interval", "0.2", *arguments]
    env = environment(**environ)
    process = await anyio.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        text = ""
        with anyio.fail_after(40):
            while "Operator actions" not in text:
                text += (await process.stdout.receive()).decode()
        told = text.splitlines()
        yield Served(process, told[0].split(": ")[1].split("/ (")[0], told)
    finally:
        if process.returncode is None:
            process.terminate()
            with anyio.CancelScope(shield=True):
                await process.wait()
        await process.aclose()


@pytest.fixture
def write_for(tmp_path: Path) -> Callable[[ValkeyServer], str]:
    def write(server: ValkeyServer) -> str:
        file = tmp_path / "switchgear.toml"
        file.write_text(CONFIGURATION.format(url=server.url, folder=tmp_path))
        return str(file)

    return write


async def test_it_sees_a_backend_die_and_come_back(write_for: Callable[[ValkeyServer], str]) -> None:
    """Nobody calls it but the checks. Required ones make it unready; the page, the metrics and the rest answer."""
    async with ValkeyServer() as server, serving("--config", write_for(server)) as served:
        assert served.told[0].startswith("Watching cache, db: http://127.0.0.1:")
        healthy = {"cache": "HEALTHY", "db": "HEALTHY"}
        await served.until("/api/state", lambda answer: statuses(answer) == healthy)
        assert (await served.ask("/readyz")).status == 200
        for path in ("/", "/livez", "/metrics", "/api/openapi.json"):
            assert (await served.ask(path)).status == 200
        state = (await served.ask("/api/state")).json()
        assert [plugin["name"] for plugin in state["plugins"]] == ["db", "redis"]
        assert all(plugin["state"] == "ACTIVE" and plugin["version"] for plugin in state["plugins"])
        await server.kill()
        await served.until("/readyz", lambda answer: answer.status == 503)
        assert (await served.ask("/livez")).status == 200
        await served.until("/api/state", lambda answer: levels(answer) == {"shop": "OFF", "reports": "FULL"})
        await server.start()
        await served.until("/readyz", lambda answer: answer.status == 200)
        told = (await served.ask("/api/timeline")).json()
        assert {"OPEN", "HALF_OPEN", "CLOSED"} <= {entry["to"] for entry in told if entry["name"] == "cache"}


def statuses(answer: Answer) -> dict[str, str]:
    return {service["name"]: service["status"] for service in answer.json()["services"]}


def levels(answer: Answer) -> dict[str, str]:
    return {capability["name"]: capability["level"] for capability in answer.json()["capabilities"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_and_nothing_is_left(
    write_for: Callable[[ValkeyServer], str], number: signal.Signals
) -> None:
    """Also while somebody listens to its events, whose stream it ends; and it says nothing that looks like an error."""
    async with ValkeyServer() as server, serving("--config", write_for(server)) as served:
        async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
            await stream.send(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head = await stream.receive()
            assert b"text/event-stream" in head
            served.process.send_signal(number)
            with anyio.fail_after(20):
                received = head + b"".join([chunk async for chunk in stream])
            assert received.endswith(b"0\r\n\r\n")  # a stream that was ended, not cut off
        with anyio.fail_after(20):
            assert await served.process.wait() == 0
        assert served.process.stdout is not None
        rest = b"".join([chunk async for chunk in served.process.stdout])
        assert rest == b"Stopped; nothing is left running.\n"
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.1", served.port)


async def test_operators_need_the_token_of_the_file(write_for: Callable[[ValkeyServer], str], tmp_path: Path) -> None:
    """And whoever asks by another name than this machine's is not answered: it may be a web site's."""
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    order = {"reason": "why not", "for": 60}
    path = "/api/services/cache/isolate"
    async with ValkeyServer() as server:
        async with serving("--config", write_for(server), "--token-file", str(secret)) as served:
            assert served.told[1] == "Operator actions are on, for those who have the token."
            assert (await served.ask(path, method="POST", body=order)).status == 401
            assert (await served.ask(path, method="POST", body=order, token="a-wrong-one")).status == 401
            answer = await served.ask(path, method="POST", body=order, token=TOKEN)
            assert (answer.status, answer.json()["breakers"][0]["state"]) == (200, "FORCED_OPEN")
            assert b"HTTP/1.1 400" in await raw(served, "Host: evil.example")
            assert b"HTTP/1.1 200" in await raw(served, "Host: localhost")
            assert b"HTTP/1.1 413" in await raw(
                served, f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
                "Content-Length: 5000", method=f"POST {path}", body=b"x" * 5000,
            )  # fmt: skip
        async with serving("--config", write_for(server)) as served:
            assert served.told[1] == "Operator actions are off: there is no token."
            assert (await served.ask(path, method="POST", body=order, token=TOKEN)).status == 403


async def raw(served: Served, headers: str, *, method: str = "GET /livez", body: bytes = b"") -> bytes:
    """The beginning of an answer to a request written by hand."""
    async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        await stream.send(f"{method} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body)
        return await stream.receive()


def test_it_listens_beyond_this_machine_only_with_a_token(tmp_path: Path) -> None:
    """A usage error, before anything is connected."""
    (tmp_path / "switchgear.toml").write_text("")
    run = program("serve", "--config", str(tmp_path / "switchgear.toml"), "--host", "0.0.0.0")  # noqa: S104 - refused
    assert run.returncode == 2
    assert "everybody who can reach 0.0.0.0" in run.stderr


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    """One paragraph, with what to do."""
    (tmp_path / "switchgear.toml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = program("serve", "--config", str(tmp_path / "switchgear.toml"), "--port", port)
    assert run.returncode == 2
    assert f"127.0.0.1 port {port} cannot be listened at" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets go of what a peer does not take")
def test_a_client_that_takes_nothing_keeps_no_connection() -> None:
    """What it was last sent is given up by the kernel, and the connection with it; accepted ones inherit that."""
    with _listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


def test_a_short_token_and_a_wrong_configuration_are_said_so(tmp_path: Path) -> None:
    """As everywhere; the token is not repeated."""
    file = tmp_path / "switchgear.toml"
    file.write_text("")
    run = program("serve", "--config", str(file), "--port", "0", SWITCHGEAR_TOKEN="hunter2")
    assert run.returncode == 2
    assert "7 characters" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr
    file.write_text("[services.cache]\nplugin = 'rediss'\n")
    run = program("serve", "--config", str(file))
    assert (run.returncode, "Did you mean 'redis'?" in run.stderr) == (2, True)


async def test_services_that_nobody_calls_are_checked_again_and_again() -> None:
    """Three checks that failed in a row open the breaker, and the checks of the gear close it."""
    client = Client()
    client.answer = lambda _domain: ConnectionError("down")
    breaker = for_watching(configured(BreakerConfig()), interval=0.01).services[0].breaker
    gear = Switchgear()
    gear.guard(client, backend_of(breaker), name="toy")
    async with gear, anyio.create_task_group() as tasks:
        tasks.start_soon(check_all, gear, 0.01)
        await until(lambda: gear.breaker("toy", "").state is State.OPEN)
        assert client.happened.count("check ") == 3
        client.answer = lambda _domain: True
        await until(lambda: gear.breaker("toy", "").state is State.CLOSED)
        checks = len(client.happened)
        await until(lambda: len(client.happened) > checks + 3)
        tasks.cancel_scope.cancel()


async def test_a_service_whose_plugin_has_no_check_is_left_alone() -> None:
    """There is nothing that could be asked; it stays unknown."""
    gear = Switchgear()
    client = Client()
    gear.guard(client, backend_of(probe=False), name="toy")
    async with gear:
        await check_all(gear, 0.01)
    assert client.happened == []


def configured(breaker: BreakerConfig) -> GearConfig:
    service = ServiceConfig(name="toy", plugin="toy", backend=backend_of(), settings=Settings(), breaker=breaker)
    return GearConfig(services=(service,))


def test_for_watching_breakers_open_soon_and_wait_not_long() -> None:
    """Whatever the configuration of the application says, but for what is stricter."""
    [watched] = for_watching(configured(BreakerConfig()), 2.0).services
    assert (watched.breaker.consecutive_failures, watched.breaker.probe_with, watched.breaker.ramp) == (
        3,
        "health",
        None,
    )
    assert (watched.breaker.backoff.initial, watched.breaker.backoff.max, watched.breaker.backoff.jitter) == (
        2.0,
        15.0,
        0.0,
    )
    [watched] = for_watching(configured(BreakerConfig(consecutive_failures=2)), 60.0).services
    assert (watched.breaker.consecutive_failures, watched.breaker.backoff.max) == (2, 60.0)


def test_its_help_has_examples_and_exit_codes() -> None:
    """As every command's."""
    run = program("serve", "--help")
    assert run.returncode == 0
    assert "switchgear serve --config switchgear.toml" in run.stdout
    assert "Exit codes:" in run.stdout
    assert json.dumps(run.stderr) == '""'
