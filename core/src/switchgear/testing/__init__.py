"""Tools for tests of code that uses switchgear: a clock to move by hand, real servers, and faults to hurt them with."""

from __future__ import annotations

from switchgear.testing.clock import VirtualClock
from switchgear.testing.servers import (
    MotoServer,
    OpenAIServer,
    PostgresServer,
    SeaweedServer,
    Server,
    ServerUnavailable,
    ValkeyServer,
)

__all__ = [
    "MotoServer",
    "OpenAIServer",
    "PostgresServer",
    "SeaweedServer",
    "Server",
    "ServerUnavailable",
    "ValkeyServer",
    "VirtualClock",
]
