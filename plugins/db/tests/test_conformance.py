"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from switchgear.testing import PostgresServer
from switchgear.testing.conformance import Conformance, rejected, served
from switchgear_db import DbSettings


class TestConformance(Conformance):
    plugin = "db"
    event_loops = ("asyncio",)

    def server(self) -> PostgresServer:
        return PostgresServer()

    def settings(self, server: PostgresServer, port: int) -> DbSettings:
        url = f"postgresql+asyncpg://postgres:never-shown@127.0.0.1:{port}/postgres"
        return DbSettings(
            url=url,
            connect_timeout=0.9,
            statement_timeout=0.9,
            pool_timeout=0.9,
            # A connect that is cancelled while asyncpg asks for TLS leaves an error behind that nobody retrieves.
            connect_args={"ssl": False},
        )

    async def prepare(self, client: Any) -> None:
        async with client.begin() as connection:
            await connection.execute(text("CREATE TABLE kept (key text)"))

    @served
    async def select(self, client: Any, key: str) -> Any:
        async with client.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM kept WHERE key = :key"), {"key": key})

    @served
    async def insert(self, client: Any, key: str) -> Any:
        async with client.begin() as connection:
            result = await connection.execute(text("INSERT INTO kept VALUES (:key)"), {"key": key})
            return result.rowcount

    @rejected
    async def unknown_table(self, client: Any, key: str) -> None:
        async with client.connect() as connection:
            await connection.execute(text("SELECT :key FROM nowhere"), {"key": key})
