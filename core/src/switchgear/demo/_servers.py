"""Which real server plays which part, and what takes its place where it cannot run."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from anyio import to_thread

from switchgear._clock import monotonic
from switchgear._errors import MissingDependency, SwitchgearError
from switchgear.testing import (
    MotoServer,
    OpenAIServer,
    PostgresServer,
    SeaweedServer,
    ServerUnavailable,
    ValkeyServer,
)


class SqliteFile:
    """A database without a server: a file. It hangs while somebody else has it locked."""

    name = "SQLite"
    version = sqlite3.sqlite_version

    def __init__(self) -> None:
        self._home: TemporaryDirectory[str] | None = None
        self._holder: sqlite3.Connection | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    async def start(self) -> None:
        """Makes an empty one. Raises ServerUnavailable where its driver is not installed."""
        if find_spec("aiosqlite") is None:
            raise ServerUnavailable('aiosqlite is not installed. Install it with: pip install "switchgear-db[sqlite]"')
        self._home = TemporaryDirectory(prefix="switchgear-sqlite-")

    @property
    def path(self) -> Path:
        """The file. RuntimeError before `start`."""
        if self._home is None:
            raise RuntimeError("SQLite's file was not made.")
        return Path(self._home.name, "shop.db")

    async def hang(self) -> None:
        """Locks it, so that others neither read nor write; waits for those who do."""

        def lock() -> None:
            self._holder = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._holder.execute("BEGIN EXCLUSIVE")

        await to_thread.run_sync(lock)

    async def resume(self) -> None:
        """Ends a `hang`."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    async def aclose(self) -> None:
        """Removes it."""
        await self.resume()
        if self._home is not None:
            self._home.cleanup()
            self._home = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The four backends, running."""

    cache: ValkeyServer
    files: SeaweedServer | MotoServer
    llm: OpenAIServer
    db: PostgresServer | SqliteFile

    def names(self) -> dict[str, str]:
        """Service -> the real server behind it, and its version."""
        return {name: str(getattr(self, name)) for name in ("cache", "files", "llm", "db")}


def _postgres() -> PostgresServer:
    # Many connections: one that hung finds those waiting that its clients have given up, beside those they have now.
    return PostgresServer("-c", "max_connections=60")


#: For each service the servers that can play it, the best first. (ValkeyServer itself makes do with a redis-server.)
_CHOICES: dict[str, Sequence[Callable[[], Any]]] = {
    "cache": (ValkeyServer,),
    "files": (SeaweedServer, MotoServer),
    "llm": (OpenAIServer,),
    "db": (_postgres, SqliteFile),
}
_SDKS = ("redis.asyncio", "openai", "aioboto3", "sqlalchemy.ext.asyncio")
_PAUSE = 0.05  # s


async def start_servers(stack: AsyncExitStack, say: Callable[[str], None]) -> Servers:
    """All four at once; `stack` stops them. The clients' SDKs are loaded meanwhile: both take seconds.

    Raises ServerUnavailable when a server cannot be had, MissingDependency when an SDK is not installed.
    """
    started: dict[str, Any] = {}
    failures: list[SwitchgearError] = []
    began = monotonic()

    async def start(service: str) -> None:
        server = started[service] = await _first(_CHOICES[service], stack, say)
        say(f"{service:5}  {server} serves after {monotonic() - began:.1f} s")

    async def attempt(job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except SwitchgearError as failure:
            failures.append(failure)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for service in _CHOICES:
            tasks.start_soon(attempt, partial(start, service))
        tasks.start_soon(attempt, _load_clients)
    if failures:
        raise failures[0]
    return Servers(**started)


async def _load_clients() -> None:
    # Not in a thread, where it would race with other imports; so with pauses, for the servers that are being started.
    for sdk in _SDKS:
        await anyio.sleep(_PAUSE)
        try:
            import_module(sdk)
        except ModuleNotFoundError as error:
            raise MissingDependency(f"{error.name}, which the demo uses,", install="switchgear[demo]") from error


async def _first(choices: Sequence[Callable[[], Any]], stack: AsyncExitStack, say: Callable[[str], None]) -> Any:
    """The first of the servers that starts. One that is not the first choice is announced."""
    candidates = [choice() for choice in choices]
    wanted = candidates[0].name
    reasons: list[str] = []
    for server in candidates:
        stack.push_async_callback(server.aclose)  # first, for a start may fail, or be cancelled, half-way
        try:
            await server.start()
        except ServerUnavailable as failure:
            reasons.append(str(failure))
            continue
        if server.name != wanted:
            say(" ".join((f"Note: {server} takes the place of {wanted}.", *reasons)))
        return server
    raise ServerUnavailable(" ".join(reasons))
