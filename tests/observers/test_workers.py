"""prometheus_client's multi-process mode, with uvicorn's workers: any of them answers for all, also for the dead."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from urllib.request import urlopen

import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

ROOT = Path(__file__).parents[2]


class Application:
    """The application, as its clients and its operators see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        #: Calls that were made, by the worker that made them.
        self.calls: Counter[int] = Counter()

    async def get(self, path: str) -> bytes:
        def ask() -> bytes:
            with urlopen(self.url + path, timeout=5) as response:
                body: bytes = response.read()
                return body

        return await anyio.to_thread.run_sync(ask)

    async def call(self) -> int:
        """One call by whichever worker takes it; the worker's pid."""
        pid: int = json.loads(await self.get("/call"))
        self.calls[pid] += 1
        return pid

    async def metrics(self) -> dict[str, float]:
        """The samples of the service, by name and the labels that matter here."""
        shown: dict[str, float] = {}
        for family in parse_text((await self.get("/metrics")).decode()):
            for sample in family.samples:
                if sample.labels.get("service") == "it":
                    labels = [sample.labels[label] for label in ("state", "verdict", "le") if label in sample.labels]
                    shown[" ".join((sample.name, *labels))] = sample.value
        return shown

    async def shows(self, **expected: float) -> None:
        """Comes back when the metrics show that; TimeoutError when they never do."""
        with anyio.fail_after(20):
            while True:
                shown = await self.metrics()
                if {name: shown.get(name) for name in expected} == expected:
                    return
                await anyio.sleep(0.05)


@asynccontextmanager
async def application(directory: Path) -> AsyncIterator[Application]:
    command = [sys.executable, "-m", "uvicorn", "tests.observers.worker_app:app", "--workers", "2", "--port", "0"]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory), "PYTHONPATH": str(ROOT)}
    log = directory / "uvicorn.log"
    with log.open("wb") as output:
        process = await anyio.open_process(
            command, stdin=DEVNULL, stdout=DEVNULL, stderr=output, env=environment, cwd=ROOT
        )
    async with process as supervisor:
        try:
            with anyio.fail_after(30):
                while not (running := re.search(r"running on (http://[\d.:]+)", log.read_text())):
                    await anyio.sleep(0.05)
                while log.read_text().count("startup complete") < 2:
                    await anyio.sleep(0.05)
            yield Application(running[1])
        finally:
            supervisor.terminate()


async def test_any_worker_answers_for_all(tmp_path: Path) -> None:
    """Counters add up over workers and never fall, not even when one is killed; its gauges go with it."""
    async with application(tmp_path) as app:
        with anyio.fail_after(30):
            while len(app.calls) < 2 or sum(app.calls.values()) < 20:
                await app.call()
        first, second = app.calls
        calls, counted = (
            "switchgear_breaker_calls_total success",
            "switchgear_breaker_call_duration_seconds_bucket success +Inf",
        )
        total = sum(app.calls.values())
        await app.shows(**{calls: total, counted: total, "switchgear_breaker_state closed": 2})
        assert (await app.metrics())["switchgear_health_score_ratio"] == 1

        with anyio.fail_after(30):
            while json.loads(await app.get(f"/isolate?pid={first}")) != first:
                pass
        await app.shows(**{
            "switchgear_breaker_state forced_open": 1,
            "switchgear_breaker_state closed": 1,
            "switchgear_health_score_ratio": 0,
        })  # fmt: skip

        os.kill(first, signal.SIGKILL)
        await app.shows(**{"switchgear_breaker_state forced_open": 0, "switchgear_health_score_ratio": 1, calls: total})
        with anyio.fail_after(30):
            while await app.call() in {first, second}:
                pass
        total = sum(app.calls.values())
        await app.shows(**{calls: total, counted: total, "switchgear_breaker_state closed": 2})
