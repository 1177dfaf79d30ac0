"""A real Prometheus scrapes a real run: a killed Redis raises its alert, and when it is back the alert ends."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

import switchgear_redis
from switchgear import Switchgear
from switchgear._rules import as_yaml
from switchgear.asgi import create_app
from switchgear.asgi._running import running
from switchgear.testing.servers import ServerUnavailable, ValkeyServer
from switchgear.testing.servers.process import Server

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no Prometheus is installed (Debian: apt-get install prometheus)"
    ),
]

_CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


class PrometheusServer(Server):
    """Scrapes one process, and has our rules; what has to hold for minutes there has to hold for a second here."""

    name = "Prometheus"

    def __init__(self, scraped: int) -> None:
        super().__init__()
        self._scraped = scraped

    def command(self) -> Sequence[str]:
        return ("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{self.port}")  # fmt: skip

    async def prepare(self) -> None:
        (self.directory / "prometheus.yml").write_text(_CONFIG.format(port=self._scraped))
        (self.directory / "rules.yml").write_text(re.sub("for: [1-9][0-9]*m", "for: 1s", as_yaml(0.99)))

    async def probe(self) -> str:
        build: str = (await self.ask("status/buildinfo"))["version"]
        return build

    async def ask(self, what: str) -> Any:
        def get() -> Any:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", f"/api/v1/{what}")
                with connection.getresponse() as response:
                    if response.status != HTTPStatus.OK:  # it is starting
                        raise OSError(response.reason)
                    return json.load(response)["data"]

        return await anyio.to_thread.run_sync(get)

    async def ask_for(self, query: str) -> list[Any]:
        """The series that a query finds."""
        found: list[Any] = (await self.ask(f"query?query={quote(query)}"))["result"]
        return found

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, with their services."""
        alerts = (await self.ask("alerts"))["alerts"]
        told = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        return {(labels["alertname"], labels.get("service", "")) for labels in told}


BREAKER, REFUSALS = ("SwitchgearBreakerOpen", "cache"), ("SwitchgearRefusals", "cache")


async def test_the_alert_for_a_killed_redis_fires_and_resolves() -> None:
    """By the rules that `switchgear rules` prints, from the endpoint of a gear whose Redis is really gone."""
    gear = Switchgear()
    try:
        async with ValkeyServer() as valkey, gear, Redis.from_url(valkey.url) as client:
            cache = switchgear_redis.guard(client, gear, name="cache")
            with socket.create_server(("127.0.0.1", 0)) as listening:
                async with (
                    running(create_app(gear), listening),
                    PrometheusServer(listening.getsockname()[1]) as prometheus,
                    anyio.create_task_group() as tasks,
                ):
                    tasks.start_soon(traffic, cache)
                    with anyio.fail_after(60):
                        while not await prometheus.ask_for("switchgear_breaker_calls_total > 10"):
                            await anyio.sleep(0.2)
                        assert await prometheus.firing() == set()
                        await valkey.kill()
                        while not await prometheus.firing() >= {BREAKER, REFUSALS}:
                            await anyio.sleep(0.2)
                        await valkey.restart()
                        while BREAKER in await prometheus.firing():
                            await anyio.sleep(0.2)
                    tasks.cancel_scope.cancel()
    except ServerUnavailable as exc:
        pytest.skip(str(exc))


async def traffic(cache: Redis) -> None:
    """Of an application that can do without it."""
    while True:
        with suppress(RedisError, OSError):
            await cache.set("key", "value")
        await anyio.sleep(0.02)
