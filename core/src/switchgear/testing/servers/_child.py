"""A child process and its descendants: started, stopped, frozen, killed, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

_TICK = 0.01  # s between two looks at a process; a look costs a few microseconds
_HAS_PROC = Path("/proc/self/stat").exists()


def _stat(pid: int) -> tuple[str, int]:
    """State letter and parent of a process, from /proc; ("X", 0) once it is gone."""
    try:
        # The command's name stands in parentheses and may hold any character, ")" too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def _family(root: int) -> set[int]:
    """`root` and all its descendants that are alive. Without a /proc (macOS): `root` alone."""
    parents = {int(entry): _stat(int(entry))[1] for entry in os.listdir("/proc") if entry.isdigit()} if _HAS_PROC else {}
    family, found = {root}, {root}
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - family
        family |= found
    return family


class Child:
    """A running command. Everything that it starts is treated as one with it.

    The kernel kills it when the thread that made it ends, however that ends (Linux, through util-linux' `setpriv`); hence it
    must be made by the thread that runs the event loop, not by a worker thread, and `anyio.open_process` will not do: on
    trio that starts processes in worker threads, which end when idle.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        become: Sequence[str] = (),
    ) -> None:
        """Starts `command` in `directory`, all its output appended to `log`.

        `become` is a prefix that changes credentials (`unshare -U`). It comes first, since changing them would make the
        kernel forget the promise to kill. Raises OSError when the command cannot be run.
        """
        leash = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*become, *leash, *command],
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for whoever started us; we then stop the child in good order
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, -N after signal N."""
        return self._process.poll()

    async def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        while (code := self.exit_code) is None:
            await anyio.sleep(_TICK)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """To the command itself, not to its descendants."""
        self._process.send_signal(number)

    async def hang(self) -> None:
        """Freezes the whole family (SIGSTOP); returns when all have stopped. Its sockets stay open and say nothing."""
        frozen: set[int] = set()
        while self.exit_code is None and (moving := _family(self.pid) - frozen):  # frozen parents have no more children
            _signal(moving, signal.SIGSTOP)
            while _HAS_PROC and any(_stat(pid)[0] not in "TtZX" for pid in moving):
                await anyio.sleep(_TICK)
            frozen |= moving

    def resume(self) -> None:
        """Lets a frozen family go on (SIGCONT)."""
        if self.exit_code is None:
            _signal(_family(self.pid), signal.SIGCONT)

    def kill_now(self) -> None:
        """Kills the whole family (SIGKILL) and waits the moment that the kernel needs to end the command. Never awaits."""
        if self.exit_code is None:
            _signal(_family(self.pid), signal.SIGKILL)
            self._process.wait()

    async def kill(self) -> None:
        """Kills the whole family; returns when all are gone, so that their port and memory are free again."""
        family = _family(self.pid) if self.exit_code is None else set[int]()
        self.kill_now()
        while _HAS_PROC and any(_stat(pid)[0] not in "ZX" for pid in family):
            await anyio.sleep(_TICK)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in sorted(pids):  # parents, being older, mostly first
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
