"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fake_server import FakeServer, fake_server
from switchgear.testing.conformance import Conformance, rejected, served

from switchgear_acme import AcmeSettings
from switchgear_acme.client import Client


class TestConformance(Conformance):
    plugin = "acme"

    @asynccontextmanager
    async def server(self) -> AsyncGenerator[FakeServer]:
        with fake_server() as server:
            yield server

    def settings(self, server: FakeServer, port: int) -> AcmeSettings:
        return AcmeSettings(port=port, timeout=0.5)

    @served
    async def put(self, client: Client, key: str) -> None:
        await client.put(key, "value")

    @served
    async def get(self, client: Client, key: str) -> str:
        await client.put(key, "value")
        return await client.get(key)

    @rejected
    async def missing(self, client: Client, key: str) -> str:
        return await client.get(key)

    # A client with answers that come piece by piece shows one by @streamed: an asynchronous generator.
