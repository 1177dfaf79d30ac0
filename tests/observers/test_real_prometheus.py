"""A real Prometheus scrapes a real run: a killed Redis raises its alert, and when it is back the alert ends."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

import anyio
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

import switchgear_redis
from switchgear import Switchgear
from switchgear._rules import as_yaml
from switchgear.asgi import create_app
from switchgear.asgi._running import running
from switchgear.testing.servers import ServerUnavailable, ValkeyServer
from tests.observers.prometheus_server import PrometheusServer, needs_prometheus

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(180),
    needs_prometheus,
]

_CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


def scraping(port: int) -> PrometheusServer:
    """It scrapes one process, and has our rules; what has to hold for minutes there has to hold for a second here."""
    rules = re.sub("for: [1-9][0-9]*m", "for: 1s", as_yaml(0.99))
    return PrometheusServer(_CONFIG.format(port=port), files={"rules.yml": rules})


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
                    scraping(listening.getsockname()[1]) as prometheus,
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
