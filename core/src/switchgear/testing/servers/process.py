"""What all real servers have in common: a life that tests can hurt, and an end that leaves nothing behind."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import ClassVar, Self

import anyio

from switchgear._errors import SwitchgearError
from switchgear.testing.servers._child import Child
from switchgear.testing.servers._ports import free_port, is_free


class ServerUnavailable(SwitchgearError):
    """A real server cannot be had: not installed, its port is taken, or it does not start. Says what to do."""


class Server(ABC):
    """A real server on 127.0.0.1, as a child process with its data in a temporary directory.

    Use it as an async context manager, on asyncio or trio, or in plain code as a plain one. It does not outlive the
    thread that started it, even when that is killed (Linux). `kill`, `hang`, `resume` and `restart` are its faults;
    port and data stay till `aclose`.

    Attributes:
        name: the program that serves ("Valkey").
        version: its version, as the running server tells it; "" before the first start.
    """

    name: str
    version: str = ""

    start_timeout: ClassVar[float] = 30.0  # s; ten times what the slowest needs on two busy cores
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    grace: ClassVar[float] = 3.0  # s between stop_signal and SIGKILL
    environment: ClassVar[Mapping[str, str]] = {}
    become: Sequence[str] = ()  # a prefix that changes who runs it

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        """`arguments` are added to the server's command line; `port` is a free one by default."""
        self.arguments = arguments
        self.port = free_port() if port is None else port
        self._child: Child | None = None
        self._home: TemporaryDirectory[str] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line. Raises ServerUnavailable when the program is not installed."""

    @abstractmethod
    async def probe(self) -> str:
        """Asks the server for its version; "" while it cannot serve yet, as is an OSError."""

    async def prepare(self) -> None:  # noqa: B027  most have nothing to prepare
        """What has to be done in `directory` before the server is started; called before every start."""

    @property
    def directory(self) -> Path:
        """Where the server runs and keeps its data; RuntimeError before the first start and after `aclose`."""
        if self._home is None:
            raise RuntimeError(f"{self.name} on port {self.port} was not started.")
        return Path(self._home.name)

    @property
    def pid(self) -> int:
        """Its process, or the last one; RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} on port {self.port} was not started.")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether its process is alive; one that hangs is."""
        return self._child is not None and self._child.exit_code is None

    @property
    def log(self) -> str:
        """The last 4,000 characters that the server has written."""
        return "" if self._home is None else self._log_file.read_text(errors="replace")[-4000:]

    @property
    def _log_file(self) -> Path:
        return self.directory / "server.log"

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()

    async def start(self) -> None:
        """Starts it and waits until it serves.

        Raises ServerUnavailable when it cannot be had; then, as after a cancellation, nothing is left running.
        """
        if self.running:
            raise RuntimeError(f"{self.name} on port {self.port} is already running.")
        command = self.command()
        if not is_free(self.port):
            raise ServerUnavailable(
                f"{self.name} cannot listen on port {self.port} of 127.0.0.1: another process does. "
                "Stop that process, or leave the port out to get a free one."
            )
        if self._home is None:
            self._home = TemporaryDirectory(prefix=f"switchgear-{self.name.split()[0].lower()}-")
            self._log_file.touch()
        await self.prepare()
        self._child = self._spawn(command)
        try:
            with anyio.fail_after(self.start_timeout):
                await self._serving(self._child)
        except TimeoutError:
            self._child.kill_now()
            raise self._unavailable(f"did not serve within {self.start_timeout:.0f} s") from None
        except BaseException:
            self._child.kill_now()
            raise

    async def stop(self) -> None:
        """Stops it in good order, or kills it after `grace` seconds; keeps the data. No effect when it does not run."""
        if self._child is None:
            return
        with anyio.CancelScope(shield=True):  # `grace` bounds the wait
            if self.running:
                self._child.resume()  # frozen, it could not act on the signal
                self._child.send_signal(self.stop_signal)
                with anyio.move_on_after(self.grace):
                    await self._child.wait()
            await self._child.kill()

    async def kill(self) -> None:
        """Kills it with all its processes (SIGKILL), as a crash or the kernel's out-of-memory killer does."""
        if self._child is not None:
            await self._child.kill()

    async def hang(self) -> None:
        """Freezes it with all its processes (SIGSTOP): it accepts connections and keeps them, but answers nothing."""
        if self._child is not None:
            await self._child.hang()

    async def resume(self) -> None:
        """Ends a `hang`: the server goes on where it was."""
        if self._child is not None:
            self._child.resume()

    async def restart(self) -> None:
        """Stops it if it runs, and starts it on the same port and data; brings back one that was killed."""
        await self.stop()
        await self.start()

    async def aclose(self) -> None:
        """Stops it and removes its data."""
        await self.stop()
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # It belongs to no event loop, so plain code may keep it, and so may fixtures that outlive one.

    def __enter__(self) -> Self:
        _run(self.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _run(self.aclose)

    async def run(self, command: Sequence[str]) -> None:
        """For `prepare`: runs a command to its end, as the server is run. Raises ServerUnavailable if it fails."""
        child = self._spawn(command)
        try:
            code = await child.wait()
        finally:
            child.kill_now()
        if code:
            raise self._unavailable(f"could not be set up: {Path(command[0]).name} ended with exit code {code}")

    async def _serving(self, child: Child) -> None:
        self.version = ""
        while not self.version:
            if child.exit_code is not None:
                raise self._unavailable(f"ended with exit code {child.exit_code} while starting")
            with suppress(OSError):  # TimeoutError is one
                self.version = await self.probe()
            await anyio.sleep(0 if self.version else 0.02)

    def _spawn(self, command: Sequence[str]) -> Child:
        try:
            return Child(
                command,
                directory=self.directory,
                log=self._log_file,
                environment=self.environment,
                become=self.become,
            )
        except OSError as error:
            raise ServerUnavailable(f"{self.name} cannot be run: {error}.") from error

    def _unavailable(self, what: str) -> ServerUnavailable:
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        said = f"Its log ends: {' | '.join(lines[-8:])}" if lines else "Its log is empty."
        return ServerUnavailable(f"{self.name} on port {self.port} {what}. {said}")


def _run(work: Callable[[], Awaitable[object]]) -> None:
    # In a context of its own: a loop that sleeps elsewhere on this thread may have left its mark in this one.
    Context().run(anyio.run, work)
