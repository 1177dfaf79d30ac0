"""A short outage as an exporter would have told of it: half an hour of an application, scraped every fifteen seconds.

The database fails for five minutes, and with it the language model, which requires it. Everything that there is a
metric for happens at some time. The clock is virtual, so it takes a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from switchgear import (
    CallNotPermitted,
    Chaos,
    Criticality,
    Fallback,
    Hedge,
    Retry,
    Service,
    Switchgear,
    Verdict,
    criticality,
)
from switchgear._gear_config import GearConfig
from switchgear._plugins import FIRST_PARTY, PluginInfo, Plugins, PluginState
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.observers.prometheus import PrometheusObserver
from switchgear.spi import Backend, Operation
from switchgear.testing import VirtualClock
from tests.backends import Client
from tests.support import Said, as_said

STEP, STEPS = 15, 120
#: Steps in which the database fails, chaos is on, files are only watched, and everything fails at once.
OUTAGE, DRILL, WATCHED, STALL = range(40, 60), range(80, 90), range(90, 100), range(110, 111)
#: The services that fail then.
_FAILING = (
    (OUTAGE, {"orders", "llm"}), (WATCHED, {"files"}), (STALL, {"orders", "sessions", "files"}),
)  # fmt: skip
JOB, INSTANCE, CAPABILITY = "shop", "127.0.0.1:8000", "checkout"
#: By backend.
SERVICES = {"db": "orders", "openai": "llm", "redis": "cache", "s3": "files"}

_ASK = Operation(name="toy.ask", idempotent=True)


def _toy(backend: Backend[Any, Any]) -> Backend[Any, Any]:
    """A backend with its own metrics, and clients that are none."""
    shown: Mapping[str, float] = {metric.name: 3.0 for metric in backend.metrics if metric.kind == "gauge"}
    return replace(
        backend, guard=lambda client, _service: client, owner=None, classify=as_said, classify_result=None,
        convention=None, gauges=lambda _client: shown, saturation=None,
    )  # fmt: skip


class Recording:
    """The application, and what was scraped of it since `began`, in seconds since the epoch."""

    def __init__(self, began: float) -> None:
        self.began, self.ended = began, began + STEP * (STEPS - 1)
        self._clock = VirtualClock()
        states = {"redis": PluginState.ACTIVE, "legacy": PluginState.BROKEN}
        plugins = tuple(PluginInfo(name=name, dist=name, version="1", state=state) for name, state in states.items())
        self._gear = Switchgear(GearConfig(plugins=plugins), clock=self._clock)
        self._chaos = Chaos(clock=self._clock)
        self._backends = {SERVICES[each.name]: _toy(each) for name in FIRST_PARTY for each in Plugins().load(name)}
        self._backends["sessions"] = self._backends["cache"]
        retry = Retry(attempts=2, initial=0.0, idempotent_only=False)
        pipelines: dict[str, list[Any]] = {
            "cache": [Fallback(stale=60.0, function=_replica, canary=0.0), retry, Bulkhead(1, queue=1), self._chaos],
            "llm": [Hedge(delay=0.0)],
        }
        for name, backend in self._backends.items():
            self._gear.guard(Client(), backend, name=name, pipeline=pipelines.get(name))
        self._gear.degradation.declare({"llm": ("orders",)}, {})
        self._gear.capability(CAPABILITY, requires=["orders"])
        self._observer = PrometheusObserver(self._gear, registry=CollectorRegistry())
        self._families: dict[str, list[str]] = {}

    async def run(self) -> str:
        """All of it, as OpenMetrics with times."""
        for step in range(STEPS):
            began = self._clock()
            self._orders(step)
            self._shed()
            for name in self._backends:
                self._count(name, step)
                failing = any(step in steps and name in services for steps, services in _FAILING)
                for number in range(20):
                    self._call(name, failing=failing and number < 15)
            async with self._pipelines(step):
                self._gear.degradation.look()
                self._scrape(self.began + step * STEP)
            self._clock.advance(began + STEP - self._clock())
        return "".join(line for lines in self._families.values() for line in lines) + "# EOF\n"

    def _orders(self, step: int) -> None:
        """What operators do, and how late the event loop is."""
        self._gear.degradation.lag = 0.8 if step in OUTAGE else 0.002
        if step == DRILL.start:
            self._chaos.switch_on(Chaos.Latency(0.0), rate=1.0, for_=len(DRILL) * STEP, reason="a drill")
        if step == WATCHED.start:
            self._gear.service("files").group.metrics_only("a trial")
        if step == WATCHED.stop:
            self._gear.service("files").group.reset("the trial is over")

    def _count(self, name: str, step: int) -> None:
        """What the plugin counts by itself; of files with ever new labels, so that some find no place."""
        service = self._gear.service(name)
        for metric in self._backends[name].metrics:
            for number in range(2):
                labels = dict.fromkeys(metric.labels, f"{step}-{number}" if name == "files" else "any")
                if metric.kind == "counter":
                    service.count(metric.name, 2, **labels)
                elif metric.kind == "histogram":
                    service.observe(metric.name, 0.2, **labels)

    def _shed(self) -> None:
        """What may as well be done tonight, while the pool is nearly full."""
        with suppress(CallNotPermitted), criticality(Criticality.BULK):
            cache = self._gear.service("cache")
            cache.saturated = {"pool": 0.85}
            cache.admit(_ASK)

    def _call(self, name: str, *, failing: bool) -> None:
        with suppress(CallNotPermitted):
            permit = self._gear.service(name).admit(_ASK, "a" if name == "orders" else "")
            self._clock.advance(0.01)
            if failing:
                permit.fail(Said(Verdict.FAILURE))
            else:
                permit.succeed()

    @asynccontextmanager
    async def _pipelines(self, step: int) -> AsyncIterator[None]:
        """Calls that are tried again, hedged, limited or answered from elsewhere; some are under way while inside."""
        cache, llm = self._gear.service("cache"), self._gear.service("llm")
        for _ in range(3):
            await _ask(cache, _down)
        # Seldom slow, or the budget would not pay for a second attempt.
        await _ask(llm, partial(_slow_once, iter([step % 10 == 0, False])))
        with ExitStack() as held:
            if step < OUTAGE.start:
                held.enter_context(llm.admit(_ASK))
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(_ask, cache, anyio.sleep_forever)
                await anyio.wait_all_tasks_blocked()
                yield
                tasks.cancel_scope.cancel()

    def _scrape(self, at: float) -> None:
        registry = CollectorRegistry()
        registry.register(self._observer)
        encode, _ = choose_encoder("application/openmetrics-text")
        family: list[str] = []
        for line in encode(registry).decode().splitlines():
            if line.startswith("# HELP"):
                family = self._families.setdefault(line.split()[2], [])
            if not line.startswith("#"):
                name, labels, value = _parts(line)
                family.append(f'{name}{{job="{JOB}",instance="{INSTANCE}"{labels}}} {value} {at}\n')
            elif line != "# EOF" and f"{line}\n" not in family[:2]:
                family.append(f"{line}\n")


def _parts(line: str) -> tuple[str, str, str]:
    """Name, labels (after a comma) and value of a sample."""
    series, _, value = line.partition(" # ")[0].rpartition(" ")
    name, _, labels = series.partition("{")
    return name, f",{labels[:-1]}" if labels else "", value


async def _ask(service: Service, fn: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    with suppress(Said, CallNotPermitted):
        await service.run(_ASK, "", fn)


async def _down() -> str:
    raise Said(Verdict.FAILURE)


async def _slow_once(slow: Iterator[bool]) -> str:
    if next(slow):
        await anyio.sleep_forever()
    return "answer"


_replicas = iter(range(10**6))


async def _replica() -> str:
    if next(_replicas) % 2:
        raise OSError("gone, too")
    return "from the replica"
