"""switchgear: a board of circuit breakers for Python services.

For applications. Authors of plugins import `switchgear.spi`, authors of frameworks `switchgear.lowlevel`; for tests
there is `switchgear.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchgear._breaker_config import Backoff, BreakerConfig, Ramp
from switchgear._bus import Observer
from switchgear._circuit import CircuitBreaker, circuit
from switchgear._errors import (
    CallNotPermitted,
    Cause,
    ConfigurationError,
    LimitExceeded,
    MissingDependency,
    PluginError,
    SwitchgearError,
)
from switchgear._events import Reason, Refused, Settled, Transition, TripSuppressed
from switchgear._permit import Permit
from switchgear._state import State
from switchgear._verdict import Verdict
from switchgear._window import CountWindow, TimeWindow

if TYPE_CHECKING:
    from switchgear._gear import Switchgear
    from switchgear._group import BreakerGroup
    from switchgear._service import Service
    from switchgear._snapshot import Explanation, Snapshot

__all__ = [
    "Backoff",
    "BreakerConfig",
    "BreakerGroup",
    "CallNotPermitted",
    "Cause",
    "CircuitBreaker",
    "ConfigurationError",
    "CountWindow",
    "Explanation",
    "LimitExceeded",
    "MissingDependency",
    "Observer",
    "Permit",
    "PluginError",
    "Ramp",
    "Reason",
    "Refused",
    "Service",
    "Settled",
    "Snapshot",
    "State",
    "Switchgear",
    "SwitchgearError",
    "TimeWindow",
    "Transition",
    "TripSuppressed",
    "Verdict",
    "circuit",
]

# A breaker alone needs none of these; who uses them pays for their import, at first use.
_LATER = {
    "BreakerGroup": "switchgear._group",
    "Explanation": "switchgear._snapshot",
    "Service": "switchgear._service",
    "Snapshot": "switchgear._snapshot",
    "Switchgear": "switchgear._gear",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
