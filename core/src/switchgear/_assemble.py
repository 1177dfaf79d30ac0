"""Making a service: its breakers, what it is measured by, and the strategies round its calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from switchgear._breaker_config import BreakerConfig
from switchgear._bus import Bus
from switchgear._clock import Clock
from switchgear._default_pipeline import fresh, with_breaker
from switchgear._gear_config import ServiceConfig
from switchgear._group import BreakerGroup
from switchgear._pipeline import Pipeline, Strategy
from switchgear._service import Service
from switchgear._spec import Backend


def assemble(
    name: str, backend: Backend[Any, Any], configured: ServiceConfig | None, *, breaker: BreakerConfig | None,
    pipeline: Sequence[Strategy] | None, automatic: bool, clock: Clock, bus: Bus, roll: Callable[[], float],
) -> Service:  # fmt: skip
    """A service as it is given, else as it is configured, else as its backend recommends. `automatic`: its clients come
    and go as the application makes them, on whatever event loops, so that none of them is there to check with.

    Raises ConfigurationError for strategies that do not fit each other.
    """
    health, otherwise = None, backend.recommended
    if configured is not None and configured.backend == backend:
        health, otherwise = configured.health, configured.breaker
        if pipeline is None and configured.pipeline is not None:
            pipeline = fresh(configured.pipeline)
    config = breaker or (replace(otherwise, probe_with="traffic") if automatic else otherwise)
    group = BreakerGroup(
        name, config, classify=backend.classify, classify_result=backend.classify_result, clock=clock, bus=bus,
        tolerated_for=(health or backend.health).tolerated_for, roll=roll,
    )  # fmt: skip
    service = Service(name, backend, group, health)
    service.automatic = automatic
    if pipeline is not None:
        service.pipeline = Pipeline(
            *with_breaker(pipeline, group.config), name=name, classify=backend.classify,
            classify_result=backend.classify_result, clock=clock, bus=bus,
        )  # fmt: skip
        service.pipeline.covering = service.covering
    return service
