"""Configurations of the planted plugin "memory", and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from switchgear import BreakerConfig, ConfigurationError
from switchgear._gear_config import GearConfig, ServiceConfig

#: What the planted plugin recommends.
RECOMMENDED = BreakerConfig(consecutive_failures=7, slow_call_duration_threshold={"read": 0.5, "write": 1.0})

#: Reads the text of a file, with variables of the environment.
Read = Callable[..., GearConfig]


def memory(settings: str = "", breaker: str = "") -> str:
    """A file with the service "cache"."""
    return f"""
        [services.cache]
        plugin = "memory"
        [services.cache.settings]
        {settings}
        [services.cache.breaker]
        {breaker}
    """


def service(config: GearConfig) -> ServiceConfig:
    """The only one."""
    [service] = config.services
    return service


def problems(read: Callable[[], object]) -> dict[str, str]:
    """Key to problem, of all that is wrong."""
    with pytest.raises(ConfigurationError) as raised:
        read()
    return {error.key: error.problem for error in raised.value.errors}
