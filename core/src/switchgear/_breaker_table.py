"""The configuration of a breaker as a table of TOML, and back.

    failure_rate_threshold = 0.5                   # a rule set to false is off
    slow_call_duration_threshold = {read = 0.5}    # or one number for all operation classes
    window = {count = 100}                         # or {seconds = 60, buckets = 10}
    wait_duration_in_open = {initial = 1, max = 20, multiplier = 1.15, jitter = 1, forget = 15}    # or one number
    ramp = {initial = 0.1, duration = 5}

Keys that are given are laid over what the plugin recommends, tables key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from switchgear._breaker_config import Backoff, BreakerConfig, Ramp
from switchgear._converter import make_converter, table
from switchgear._environment import value_of
from switchgear._errors import ConfigurationError
from switchgear._keypath import KeyPath, Table, is_table
from switchgear._spec import OperationClass
from switchgear._structure import read
from switchgear._window import CountWindow, TimeWindow, Window


@dataclass(frozen=True, kw_only=True)
class _Count:
    count: int


_WINDOW = {"count", "seconds", "buckets"}


def _window(given: object, _: object) -> Window:
    names = set(table(given))
    for name in sorted(names - _WINDOW):
        raise ConfigurationError.unknown("key", name, _WINDOW, key=f"window.{name}")
    if names == {"count"}:
        return CountWindow(_converter.structure(given, _Count).count)
    if "count" in names:
        raise ConfigurationError("A window is either of calls (count) or of time (seconds, buckets).", key="window")
    return _converter.structure(given, TimeWindow)


def _by_class(given: object, _: object) -> Mapping[str, float]:
    by_class = _converter.structure(given, Mapping[OperationClass, float | None])  # type: ignore[type-abstract]
    return {name: seconds for name, seconds in by_class.items() if seconds is not None}


_converter = make_converter(off=True)
_converter.register_structure_hook_func(lambda t: t == Window, _window)
_converter.register_structure_hook_func(lambda t: t == Mapping[str, float], _by_class)


def read_breaker(
    given: Table, recommended: BreakerConfig, path: KeyPath, errors: list[ConfigurationError]
) -> BreakerConfig | None:
    """The recommended configuration with the given keys laid over it. All that is wrong is added to the errors."""
    base = breaker_table(recommended)
    return read(given, lambda given: _converter.structure(_laid_over(base, given), BreakerConfig), path, errors)


def breaker_table(config: BreakerConfig) -> Table:
    """The configuration as it would be written in full."""
    return {field.name: _written(getattr(config, field.name)) for field in fields(config)}


def _written(value: Any) -> Any:
    match value:
        case None:
            return False
        case CountWindow():
            return {"count": value.size}
        case TimeWindow() | Backoff() | Ramp():
            return asdict(value)
        case Mapping():
            return dict(cast("Mapping[str, float]", value))
        case _:
            return value


def _laid_over(base: Table, given: Table) -> Table:
    laid = dict(base)
    for name, value in given.items():
        below, above = base.get(name), value_of(value)
        if is_table(below) and is_table(above) and not _other_window(below, above):
            above = {**below, **above}
        laid[name] = above if is_table(above) else value
    return laid


def _other_window(below: Table, above: Table) -> bool:
    by_time = above.keys() & {"seconds", "buckets"}
    return ("count" in below and bool(by_time)) or ("seconds" in below and "count" in above)
