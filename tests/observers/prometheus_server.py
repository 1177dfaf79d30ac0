"""A real Prometheus; not a Python package, so it may not be there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
import pytest

from switchgear.testing.servers.process import Server
from tests.observers.promtool import promtool

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no Prometheus is installed (Debian: apt-get install prometheus)"
)


class PrometheusServer(Server):
    """Runs with a configuration, files beside it (rules), and samples of the past, which are OpenMetrics with times."""

    name = "Prometheus"

    def __init__(self, configuration: str, *, files: Mapping[str, str] | None = None, past: str = "") -> None:
        super().__init__()
        self._files = {**(files or {}), "prometheus.yml": configuration}
        self._past = past

    def command(self) -> Sequence[str]:
        return ("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{self.port}")  # fmt: skip

    async def prepare(self) -> None:
        for name, text in self._files.items():
            (self.directory / name).write_text(text)
        if self._past:
            past = self.directory / "past.txt"
            past.write_text(self._past)
            promtool("tsdb", "create-blocks-from", "openmetrics", str(past), str(self.directory / "data"))

    async def probe(self) -> str:
        build: str = (await self.ask("status/buildinfo"))["version"]
        return build

    async def ask(self, what: str, **parameters: str | float) -> Any:
        """What its API answers; an AssertionError with its words where that is no."""

        def get() -> Any:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", f"/api/v1/{what}?{urlencode(parameters)}")
                with connection.getresponse() as response:
                    body = response.read()
                    assert response.status != HTTPStatus.BAD_REQUEST, body.decode()
                    if response.status != HTTPStatus.OK:  # it is starting
                        raise OSError(response.reason)
                    return json.loads(body)["data"]

        return await anyio.to_thread.run_sync(get)

    async def ask_for(self, query: str) -> list[Any]:
        """The series that a query finds now."""
        found: list[Any] = (await self.ask("query", query=query))["result"]
        return found

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, with their services."""
        alerts = (await self.ask("alerts"))["alerts"]
        told = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        return {(labels["alertname"], labels.get("service", "")) for labels in told}
