"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

import httpx
import pytest

from switchgear.testing import Server
from switchgear.testing.conformance import Conformance, rejected, served, streamed
from switchgear_httpx import HttpxSettings

# httpx leaves the generators of a stream to the garbage collector, guarded or not, and trio says so.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '.*:ResourceWarning")


class FileServer(Server):
    """Python's own server of files."""

    name = "http.server"

    def command(self) -> Sequence[str]:
        serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1"]
        return [*serve, "--directory", "files", str(self.port)]  # it runs in `directory`

    async def prepare(self) -> None:
        files = self.directory / "files"
        (files / "folder").mkdir(parents=True, exist_ok=True)
        (files / "folder" / "index.html").write_text("in a folder")
        (files / "index.html").write_text("welcome")
        (files / "large").write_bytes(bytes(1_000_000))

    async def probe(self) -> str:
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}/")
            except httpx.TransportError:
                return ""
        return answer.headers["server"]


class TestConformance(Conformance):
    plugin = "httpx"
    values: ClassVar = {"url": "/", "method": "GET", "request": httpx.Request("GET", "http://127.0.0.1:1/")}

    def server(self) -> FileServer:
        return FileServer()

    def settings(self, server: FileServer, port: int) -> HttpxSettings:
        return HttpxSettings(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": "Bearer never-shown"},
            timeout=0.5,
            connect_timeout=0.5,
        )

    @served
    async def get(self, client: httpx.AsyncClient, key: str) -> Any:
        return (await client.get("/", params={"q": key})).text

    @served
    async def get_redirected(self, client: httpx.AsyncClient, key: str) -> Any:
        return (await client.get("/folder", params={"q": key}, follow_redirects=True)).text

    @rejected
    async def get_missing(self, client: httpx.AsyncClient, key: str) -> None:
        (await client.get(f"/{key}")).raise_for_status()

    @rejected
    async def post(self, client: httpx.AsyncClient, key: str) -> None:
        """The server knows no POST, and says so by 501."""
        (await client.post("/", content=key)).raise_for_status()

    @streamed
    async def download(self, client: httpx.AsyncClient, key: str) -> AsyncGenerator[Any]:
        async with client.stream("GET", "/large", params={"q": key}) as answer:
            async for piece in answer.aiter_bytes():
                yield piece
