"""Ports of 127.0.0.1 for servers that are taken down and brought back."""

from __future__ import annotations

import itertools
import secrets
import socket

# Below the ephemeral ports of Linux (from 32768) and macOS (from 49152). One of those, while its server is down, can be
# taken by anybody's outgoing connection; worse, a client that keeps dialling it ends up connected to itself.
_FIRST, _COUNT = 20_000, 12_000
# One walk per process, from a random place: no port is handed out twice, and two processes seldom meet.
_walk = itertools.count(secrets.randbelow(_COUNT))


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # As servers do: connections of the last server that wait to die (TIME_WAIT) are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of 127.0.0.1 that is free now and that this process has not handed out before."""
    for step in itertools.islice(_walk, _COUNT):
        if is_free(port := _FIRST + step % _COUNT):
            return port
    raise OSError(f"All ports from {_FIRST} to {_FIRST + _COUNT - 1} of 127.0.0.1 are in use.")
