"""All that decides when a service's breaker opens and closes, key by key, with where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from switchgear._breaker_config import BreakerConfig
from switchgear._gear_config import ServiceConfig
from switchgear._keypath import KeyPath, dotted, is_table


def thresholds(service: ServiceConfig) -> Iterator[tuple[str, Any, str]]:
    """Key, value and source: "default", "plugin", or the file or variable that set it."""
    from switchgear._breaker_table import breaker_table  # loads cattrs

    defaults = dict(_leaves(breaker_table(BreakerConfig())))
    for path, value in _leaves(breaker_table(service.breaker)):
        yield dotted(path), value, _set_by(service, path) or ("default" if defaults.get(path) == value else "plugin")


def _set_by(service: ServiceConfig, path: KeyPath) -> str | None:
    """Who set the key, or a table round it."""
    for end in range(len(path), 0, -1):
        if source := service.origins.get(dotted(path[:end])):
            return source
    return None


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if is_table(value):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, value
