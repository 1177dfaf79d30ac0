"""Tools for tests of code that uses switchgear: a clock to move by hand, real servers, and faults to hurt them with."""

from __future__ import annotations

from switchgear.testing.clock import VirtualClock
from switchgear.testing.events import Events
from switchgear.testing.fixtures import Fault, OpenBreaker
from switchgear.testing.proxy import FaultProxy, ProxyStatistics
from switchgear.testing.servers import (
    MotoServer,
    OpenAIServer,
    PostgresServer,
    SeaweedServer,
    Server,
    ServerUnavailable,
    ValkeyServer,
)
from switchgear.testing.toxics import Bandwidth, Latency, LimitData, ResetPeer, Slicer, Timeout, Toxic

__all__ = [
    "Bandwidth",
    "Events",
    "Fault",
    "FaultProxy",
    "Latency",
    "LimitData",
    "MotoServer",
    "OpenAIServer",
    "OpenBreaker",
    "PostgresServer",
    "ProxyStatistics",
    "ResetPeer",
    "SeaweedServer",
    "Server",
    "ServerUnavailable",
    "Slicer",
    "Timeout",
    "Toxic",
    "ValkeyServer",
    "VirtualClock",
]
