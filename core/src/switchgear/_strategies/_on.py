"""Exceptions that a strategy is told to act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

#: Their types, or a function that knows them.
On: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]


def matching(on: On | None) -> Callable[[Exception], bool] | None:
    """A function that knows them."""
    if isinstance(on, type | tuple):
        types = cast("type[Exception] | tuple[type[Exception], ...]", on)
        return lambda exc: isinstance(exc, types)
    return on
