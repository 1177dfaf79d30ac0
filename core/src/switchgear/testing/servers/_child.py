"""A child process and its descendants: started, stopped, frozen, killed, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from switchgear.testing.servers._family import family, send_signal, until, until_all


class Child:
    """A running command. Everything that it starts is treated as one with it.

    When the thread that made it ends, however that ends, the kernel kills it (Linux, by util-linux' `setpriv`). So it
    must be made by the thread that runs the event loop, and `anyio.open_process` will not do: on trio that starts
    processes from worker threads, which end when they are idle.
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
        """The command's process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, -N after signal N."""
        return self._process.poll()

    async def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        await until(lambda: self.exit_code is not None)
        return self._process.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """To the command itself, not to its descendants."""
        self._process.send_signal(number)

    async def hang(self) -> None:
        """Freezes the whole family (SIGSTOP); returns when all have stopped. Its sockets stay open and say nothing."""
        frozen: set[int] = set()
        # A frozen process has no more children: soon there is none left that moves.
        while self.exit_code is None and (moving := family(self.pid) - frozen):
            send_signal(signal.SIGSTOP, moving)
            await until_all("TtZX", moving)
            frozen |= moving

    def resume(self) -> None:
        """Lets a frozen family go on (SIGCONT)."""
        if self.exit_code is None:
            send_signal(signal.SIGCONT, family(self.pid))

    def kill_now(self) -> None:
        """Kills the whole family (SIGKILL) and blocks for the moment that the kernel needs to end the command."""
        if self.exit_code is None:
            send_signal(signal.SIGKILL, family(self.pid))
            self._process.wait()

    async def kill(self) -> None:
        """Kills the whole family; returns when all are gone, so that their port and memory are free again."""
        members = family(self.pid) if self.exit_code is None else set[int]()
        self.kill_now()
        await until_all("ZX", members)
