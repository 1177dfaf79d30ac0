"""Real servers for tests and demos, started on free ports of 127.0.0.1 and never left behind."""

from __future__ import annotations

from switchgear.testing.servers.moto import MotoServer
from switchgear.testing.servers.openai import OpenAIServer
from switchgear.testing.servers.postgres import PostgresServer
from switchgear.testing.servers.process import Server, ServerUnavailable
from switchgear.testing.servers.seaweedfs import SeaweedServer
from switchgear.testing.servers.valkey import ValkeyServer

__all__ = [
    "MotoServer",
    "OpenAIServer",
    "PostgresServer",
    "SeaweedServer",
    "Server",
    "ServerUnavailable",
    "ValkeyServer",
]
