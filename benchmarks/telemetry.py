"""What telemetry adds to a guarded call, beside the peers that have some: `python -m benchmarks.telemetry`.

A service of a gear is called as a guard calls it: a permit, the call, its outcome. OpenTelemetry exports by its SDK, to
an exporter that throws all away; nothing is collected while calls are timed, as in production nearly always.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics import export as otlp
from prometheus_client import CollectorRegistry

import switchgear_redis
from benchmarks.cases import CALLS, _time, serve
from benchmarks.measure import interleave
from switchgear import CallNotPermitted, Switchgear
from switchgear.observers.otel import HistogramExporter, OtelObserver
from switchgear.observers.prometheus import PrometheusObserver
from switchgear.spi import Operation, Service

Call = Callable[[], Awaitable[Any]]
GET = Operation(name="redis.get", idempotent=True)
DOMAIN = "127.0.0.1:6379/read"
BACKEND = replace(switchgear_redis.BACKEND, guard=lambda client, _service: client, owner=None, gauges=None)


class Away(otlp.MetricExporter):
    """Sends nothing anywhere."""

    def export(self, *_: Any, **__: Any) -> otlp.MetricExportResult:
        return otlp.MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None: ...


def provider(exporter: otlp.MetricExporter) -> MeterProvider:
    return MeterProvider([otlp.PeriodicExportingMetricReader(exporter, math.inf)], shutdown_on_exit=False)


KEPT: list[object] = []


def service(*, prometheus: bool, otel: bool) -> Service:
    gear = Switchgear()
    gear.guard(object(), BACKEND, name="cache")
    KEPT.append(gear)
    if prometheus:
        KEPT.append(PrometheusObserver(gear, registry=CollectorRegistry()))
    if otel:
        exporter = HistogramExporter(Away())
        KEPT.append(OtelObserver(gear, meter_provider=provider(exporter), histograms=exporter))
    return gear.service("cache")


def served(**observers: bool) -> Call:
    admit = service(**observers).admit

    async def call() -> int:
        with admit(GET, DOMAIN):
            return await serve()

    return call


def refused(**observers: bool) -> Call:
    watched = service(**observers)
    watched.group.branch(DOMAIN).force_open("bench")

    async def call() -> None:
        try:
            watched.admit(GET, DOMAIN)
        except CallNotPermitted:
            pass

    return call


def interlock(*, otel: bool) -> Call:
    module = importlib.import_module("interlock")
    listener = importlib.import_module("interlock.integrations.otel").OTelEventListener
    hears = listener(provider(Away()).get_meter("interlock")) if otel else None
    config = module.Config(minimum_number_of_calls=20, slow_call_duration_threshold=1.0)
    return module.CircuitBreaker(name="bench", config=config, listener=hears)(serve)  # type: ignore[no-any-return]


def fluxgate(*, prometheus: bool) -> Call:
    module, windows = importlib.import_module("fluxgate"), importlib.import_module("fluxgate.windows")
    listener = importlib.import_module("fluxgate.listeners.prometheus").PrometheusListener
    trippers = importlib.import_module("fluxgate.trippers")
    listeners = [listener("bench", CollectorRegistry())] if prometheus else []
    rules = trippers.MinRequests(20) & (trippers.FailureRate(0.5) | trippers.SlowRate(0.5, threshold=1.0))
    breaker = module.AsyncCircuitBreaker(window=windows.CountWindow(100), tripper=rules, listeners=listeners)
    return breaker(serve)  # type: ignore[no-any-return]


#: What -> the call, and what it is compared with.
RUNS: dict[str, tuple[Callable[[], Call], str]] = {
    "bare": (lambda: serve, ""),
    "switchgear": (lambda: served(prometheus=False, otel=False), ""),
    "... Prometheus": (lambda: served(prometheus=True, otel=False), "switchgear"),
    "... OpenTelemetry": (lambda: served(prometheus=False, otel=True), "switchgear"),
    "... both": (lambda: served(prometheus=True, otel=True), "switchgear"),
    "switchgear, refused": (lambda: refused(prometheus=False, otel=False), ""),
    "... both, refused": (lambda: refused(prometheus=True, otel=True), "switchgear, refused"),
    "interlock-cb": (lambda: interlock(otel=False), ""),
    "... its OpenTelemetry": (lambda: interlock(otel=True), "interlock-cb"),
    "fluxgate": (lambda: fluxgate(prometheus=False), ""),
    "... its Prometheus, of transitions alone": (lambda: fluxgate(prometheus=True), "fluxgate"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="interleaved rounds (default 60)")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in RUNS}

    def measured(name: str, call: Call) -> Callable[[], float]:
        def run() -> float:
            times[name].append(asyncio.run(_time(call, CALLS)))
            return times[name][-1]

        return run

    runs = {name: measured(name, make()) for name, (make, _) in RUNS.items()}
    figures = interleave(runs, rounds=options.rounds, against=("bare",))
    print("| | ns, the least | x bare | telemetry adds, ns |\n|---|---|---|---|")
    for name, (_, other) in RUNS.items():
        added = median(mine - theirs for mine, theirs in zip(times[name], times[other], strict=True)) if other else None
        cells = f"{figures[name].least:,.0f} | {figures[name].ratios['bare']:.1f}"
        print(f"| {name} | {cells} | {'' if added is None else f'{added:,.0f}'} |")


if __name__ == "__main__":
    main()
