"""Limits of time that may differ by the class of operation."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TypeAlias, get_args

from switchgear._errors import ConfigurationError
from switchgear._spec import OperationClass

#: Seconds for all classes but "blocking", which waits by design; or by class, and without a limit for those not named.
Seconds: TypeAlias = float | Mapping[OperationClass, float]


def by_class(seconds: Seconds, key: str) -> Mapping[str, float]:
    """The seconds of each class that has a limit. Raises ConfigurationError for times that nobody can keep."""
    if isinstance(seconds, Mapping):
        limits = {str(klass): limit for klass, limit in seconds.items()}
    else:
        limits = {klass: seconds for klass in get_args(OperationClass) if klass != "blocking"}
    if not limits:
        raise ConfigurationError("This limits nothing. Name a class of operations, or take it away.", key)
    for limit in limits.values():
        if not (isfinite(limit) and limit > 0):
            raise ConfigurationError(f"A limit of {limit} s cannot be kept. Give a number above 0.", key)
    return limits


def written(seconds: Seconds) -> str:
    """In a few words."""
    if not isinstance(seconds, Mapping):
        return f"{seconds:g} s"
    return ", ".join(f"{klass} {limit:g} s" for klass, limit in seconds.items())
