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
    CapabilityNotOffered,
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
    from switchgear._criticality import Criticality
    from switchgear._degradation import Assessment, SelfSuspicion
    from switchgear._gear import Switchgear
    from switchgear._graph import Capability
    from switchgear._group import BreakerGroup
    from switchgear._level import Level, LevelChange
    from switchgear._manager import DegradationManager
    from switchgear._report import Report, Status
    from switchgear._scope import criticality
    from switchgear._service import Service
    from switchgear._snapshot import Explanation, Snapshot

__all__ = [
    "Assessment",
    "Backoff",
    "BreakerConfig",
    "BreakerGroup",
    "CallNotPermitted",
    "Capability",
    "CapabilityNotOffered",
    "Cause",
    "CircuitBreaker",
    "ConfigurationError",
    "CountWindow",
    "Criticality",
    "DegradationManager",
    "Explanation",
    "Level",
    "LevelChange",
    "LimitExceeded",
    "MissingDependency",
    "Observer",
    "Permit",
    "PluginError",
    "Ramp",
    "Reason",
    "Refused",
    "Report",
    "SelfSuspicion",
    "Service",
    "Settled",
    "Snapshot",
    "State",
    "Status",
    "Switchgear",
    "SwitchgearError",
    "TimeWindow",
    "Transition",
    "TripSuppressed",
    "Verdict",
    "circuit",
    "criticality",
]

# A breaker alone needs none of these; who uses them pays for their import, at first use.
_LATER = {
    "Assessment": "switchgear._degradation",
    "BreakerGroup": "switchgear._group",
    "Capability": "switchgear._graph",
    "Criticality": "switchgear._criticality",
    "DegradationManager": "switchgear._manager",
    "Explanation": "switchgear._snapshot",
    "Level": "switchgear._level",
    "LevelChange": "switchgear._level",
    "Report": "switchgear._report",
    "SelfSuspicion": "switchgear._degradation",
    "Service": "switchgear._service",
    "Snapshot": "switchgear._snapshot",
    "Status": "switchgear._report",
    "Switchgear": "switchgear._gear",
    "criticality": "switchgear._scope",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
