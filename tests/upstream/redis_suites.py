"""redis-py: its asyncio tests, on single servers with their sentinel, and on clusters."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchgear.testing import ValkeyServer
from switchgear.testing.servers._ports import free_port
from tests.upstream.suite import Run, Suite

#: Most of the time the tests sleep, so there are more of them at once than processors.
_WORKERS = 4
#: A client of a cluster asks each of its nodes for a list of all commands first, and that is work.
_CLUSTERS = 2
_SLOTS = 16384
#: As many nodes as redis-py's own set-up has; half of them are replicas.
_NODES = 6


class SentinelServer(ValkeyServer):
    """The same program as a Sentinel, which keeps its state in its configuration file."""

    name = "Sentinel"

    def __init__(self, master: ValkeyServer) -> None:
        super().__init__()
        self._master = master

    async def prepare(self) -> None:
        """Have it watch its master, under the name that the tests know."""
        (self.directory / "sentinel.conf").write_text(f"sentinel monitor redis-py-test 127.0.0.1 {self._master.port} 1")

    def command(self) -> Sequence[str]:
        """A Sentinel takes few of the options."""
        return *super().command()[:1], "sentinel.conf", "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"

    async def probe(self) -> str:
        """It knows no QUIT, so it is asked by a client."""
        async with AsyncRedis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
            try:
                return str((await client.info("server"))["redis_version"])
            except redis.ConnectionError:
                return ""


@contextmanager
def _singles(folder: Path) -> Generator[Run]:
    with ExitStack() as stack:
        options = ("--enable-module-command", "local")
        servers = [stack.enter_context(ValkeyServer(*options)) for _ in range(_WORKERS)]
        sentinels = [stack.enter_context(SentinelServer(server)) for server in servers]
        yield _run(folder, [
            {"redis_url": server.url, "sentinels": f"127.0.0.1:{sentinel.port}"}
            for server, sentinel in zip(servers, sentinels, strict=True)
        ])  # fmt: skip


@contextmanager
def _clusters(folder: Path) -> Generator[Run]:
    with ExitStack() as stack:
        yield _run(folder, [{"redis_url": stack.enter_context(_cluster())} for _ in range(_CLUSTERS)])


@contextmanager
def _cluster() -> Generator[str]:
    """Masters, each with a replica, on ports in a row, as the tests expect. The URL of the first."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--enable-module-command", "local")
    ports, buses = _ports_in_a_row()
    with ExitStack() as stack:
        for port, bus in zip(ports, buses, strict=True):
            stack.enter_context(ValkeyServer(*options, "--cluster-port", str(bus), port=port))
        nodes: list[Any] = [stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port in ports]
        masters, replicas = nodes[: _NODES // 2], nodes[_NODES // 2 :]
        for number, master in enumerate(masters):
            first, last = number * _SLOTS // len(masters), (number + 1) * _SLOTS // len(masters) - 1
            master.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for port, bus in zip(ports, buses, strict=True):
            nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        for node in nodes:
            _until(partial(_complete, node))
        for replica, master in zip(replicas, masters, strict=True):
            replica.execute_command("CLUSTER REPLICATE", master.execute_command("CLUSTER MYID"))
        for replica in replicas:
            _until(partial(_follows, replica))
        yield f"redis://127.0.0.1:{ports[0]}/0"


def _complete(node: Any) -> bool:
    info = node.execute_command("CLUSTER INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(_NODES))


def _follows(node: Any) -> bool:
    return bool(node.info("replication").get("master_link_status") == "up")


def _ports_in_a_row() -> tuple[Sequence[int], Sequence[int]]:
    """Of the nodes, and of what they say to each other."""
    ports = [free_port() for _ in range(2 * _NODES)]
    return (ports[:_NODES], ports[_NODES:]) if ports[-1] - ports[0] == len(ports) - 1 else _ports_in_a_row()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster has not come together within a minute")
        Event().wait(0.05)


def _run(folder: Path, servers: Sequence[Mapping[str, str]]) -> Run:
    """`servers`: what each worker's pytest is to believe that its options are."""
    # The controller asks the first one for its version.
    return Run(folder, environment={"SWITCHGEAR_UPSTREAM_SERVERS": json.dumps(servers)})


_TESTS = "tests/test_asyncio"
_DEFAULT_PORT = ("multiple_connections", "max_connections", "reuse_previously_released_connection")
_OPTIONS = (
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "xdist", "-p", "upstream_redis_servers"),
    # A test that takes a second may take many on a busy machine.
    *("-q", "--dist", "loadfile", "--timeout=300"),
    # They ask for the server at 6379, and that may be somebody's own.
    *(f"--deselect={_TESTS}/test_commands.py::TestRedisCommands::test_client_setinfo",),
    *(f"--deselect={_TESTS}/test_connection_pool.py::TestConnectionPool::test_{name}" for name in _DEFAULT_PORT),
)
#: What redis-py's own CI leaves out as well, where it has no such servers.
_ELSEWHERE = "not ssl and not redismod and not multidb_integration and not cp_integration"


def _files(*names: str) -> tuple[str, ...]:
    return tuple(f"{_TESTS}/test_{name}.py" for name in names)


def _suite(
    name: str, workers: int, prepare: Callable[[Path], Any], marked: str, chosen: Sequence[str], least_guarded: float
) -> Suite:
    return Suite(
        name=name,
        distribution="redis",
        backend="redis",
        parts=("tests", "pyproject.toml"),
        prepare=prepare,
        options=(*_OPTIONS, "-n", str(workers), "-m", f"{_ELSEWHERE} and not {marked}"),
        # The scenarios need Redis' commercial server and a machine that breaks it.
        whole=(_TESTS, f"--ignore={_TESTS}/test_scenario"),
        # With a server for each worker, files need not stay together.
        slice=("--dist=load", *chosen),
        least_guarded=least_guarded,
        requirements=("pytest-asyncio==1.4.0", "redis-entraid==1.2.1", "numpy==2.4.6"),
    )


_SOME = "not TestRedisCommands or (pool and (test_x or test_z or test_h or test_s))"

SUITES = (
    _suite(
        "redis",
        _WORKERS,
        _singles,
        "onlycluster",
        (*_files("pipeline", "lock", "scripting", "monitor", "connection_pool", "commands"), "-k", _SOME),
        2.0,
    ),
    _suite("redis-cluster", _CLUSTERS, _clusters, "onlynoncluster", _files("cluster_transaction"), 1.0),
)
