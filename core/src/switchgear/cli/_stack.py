"""The strategies of a service as they will run, and the most that a call may cost."""

from __future__ import annotations

from math import inf
from typing import Any

from switchgear._default_pipeline import fresh
from switchgear._gear_config import ServiceConfig
from switchgear._pipeline import Explanation, Pipeline


def stack(service: ServiceConfig) -> Explanation | None:
    """None for a service without a pipeline: its calls go by its breaker alone."""
    if service.pipeline is None:
        return None
    return Pipeline(*fresh(service.pipeline), name=service.name).explain()


def names(explained: Explanation | None) -> list[str]:
    """Outermost first."""
    strategies = ["breaker"] if explained is None else [name for name, _ in explained.strategies]
    return [*strategies, "call"]


def most_as_json(explained: Explanation | None) -> dict[str, Any] | None:
    """Seconds and attempts of a call, and seconds of an attempt; null where there is no limit, or no pipeline. The
    seconds do not hold for operations of the classes that are unlimited.
    """
    if explained is None:
        return None
    most = {key: None if value == inf else value for key, value in explained.bound._asdict().items()}
    return {**most, "unlimited": list(explained.unlimited)}
