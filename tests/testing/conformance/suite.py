"""The suite of the Acme plugin, whose parts tests exchange for broken ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, ClassVar

from switchgear.spi import Backend
from switchgear.testing.conformance import Conformance, rejected, served, streamed
from tests.testing.conformance import acme


class Acme(Conformance):
    plugin = "acme"
    settings_type: ClassVar[Any] = acme.Settings
    kind: ClassVar[Backend[Any, Any]] = acme.ACME

    def backend(self) -> Backend[Any, Any]:
        return self.kind

    def module(self) -> str:
        return "tests.testing.conformance.acme"

    def sdk_modules(self) -> list[str]:
        return ["sqlite3"]

    def server(self) -> AbstractAsyncContextManager[Any]:
        return acme.server()

    def settings(self, server: Any, port: int) -> Any:
        return self.settings_type(port=port)

    @served
    async def get(self, client: Any, key: str) -> Any:
        return await client.get(key)

    @served
    async def batch(self, client: Any, key: str) -> Any:
        return await client.batch().run()

    @rejected
    async def decline(self, client: Any, key: str) -> Any:
        return await client.decline(key)

    @streamed
    async def listing(self, client: Any, key: str) -> AsyncGenerator[str]:
        async with aclosing(client.listing(key)) as lines:
            async for line in lines:
                yield line
