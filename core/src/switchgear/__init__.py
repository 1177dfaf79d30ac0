"""switchgear: a board of circuit breakers for Python services.

For applications. Authors of plugins import `switchgear.spi`, authors of frameworks `switchgear.lowlevel`; for tests
there is `switchgear.testing`.
"""

from __future__ import annotations

from switchgear._breaker_config import Backoff, BreakerConfig, Ramp
from switchgear._bus import Observer
from switchgear._circuit import CircuitBreaker, circuit
from switchgear._errors import (
    CallNotPermitted,
    Cause,
    ConfigurationError,
    MissingDependency,
    PluginError,
    SwitchgearError,
)
from switchgear._events import Reason, Refused, Settled, Transition, TripSuppressed
from switchgear._gear import Switchgear
from switchgear._group import BreakerGroup
from switchgear._permit import Permit
from switchgear._service import Service
from switchgear._snapshot import Explanation, Snapshot
from switchgear._state import State
from switchgear._verdict import Verdict
from switchgear._window import CountWindow, TimeWindow

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
