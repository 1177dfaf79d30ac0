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
    CallTimedOut,
    CapabilityNotOffered,
    Cause,
    ConfigurationError,
    InjectedFault,
    LimitExceeded,
    MissingDependency,
    PluginError,
    SwitchgearError,
)
from switchgear._events import Beat, Reason, Refused, Settled, Transition, TripSuppressed
from switchgear._permit import Permit
from switchgear._state import State
from switchgear._verdict import Verdict
from switchgear._window import CountWindow, TimeWindow

if TYPE_CHECKING:
    from switchgear._budget import RetryBudget
    from switchgear._call import remaining
    from switchgear._call_events import Hedged, Injected, Limited, Retried
    from switchgear._criticality import Criticality
    from switchgear._default_pipeline import default_pipeline
    from switchgear._degradation import Assessment, SelfSuspicion
    from switchgear._degraded import Degraded, degraded
    from switchgear._gear import Switchgear
    from switchgear._graph import Capability
    from switchgear._group import BreakerGroup
    from switchgear._instrument import Instrumentation, instrument
    from switchgear._level import Level, LevelChange
    from switchgear._manager import DegradationManager
    from switchgear._pipeline import Pipeline, Strategy
    from switchgear._process import process_gear
    from switchgear._report import Report, Status
    from switchgear._retry import retry
    from switchgear._scope import criticality
    from switchgear._service import Service
    from switchgear._snapshot import Explanation, Snapshot
    from switchgear._strategies.adaptive import Adaptive
    from switchgear._strategies.breaker import Breaker
    from switchgear._strategies.bulkhead import Bulkhead
    from switchgear._strategies.chaos import Chaos
    from switchgear._strategies.deadline import Deadline
    from switchgear._strategies.fallback import Fallback
    from switchgear._strategies.hedge import Hedge
    from switchgear._strategies.ratelimit import RateLimit
    from switchgear._strategies.retry import Retry
    from switchgear._strategies.throttle import Throttle
    from switchgear._strategies.timeout import Timeout

__all__ = [
    "Adaptive",
    "Assessment",
    "Backoff",
    "Beat",
    "Breaker",
    "BreakerConfig",
    "BreakerGroup",
    "Bulkhead",
    "CallNotPermitted",
    "CallTimedOut",
    "Capability",
    "CapabilityNotOffered",
    "Cause",
    "Chaos",
    "CircuitBreaker",
    "ConfigurationError",
    "CountWindow",
    "Criticality",
    "Deadline",
    "DegradationManager",
    "Degraded",
    "Explanation",
    "Fallback",
    "Hedge",
    "Hedged",
    "Injected",
    "InjectedFault",
    "Instrumentation",
    "Level",
    "LevelChange",
    "LimitExceeded",
    "Limited",
    "MissingDependency",
    "Observer",
    "Permit",
    "Pipeline",
    "PluginError",
    "Ramp",
    "RateLimit",
    "Reason",
    "Refused",
    "Report",
    "Retried",
    "Retry",
    "RetryBudget",
    "SelfSuspicion",
    "Service",
    "Settled",
    "Snapshot",
    "State",
    "Status",
    "Strategy",
    "Switchgear",
    "SwitchgearError",
    "Throttle",
    "TimeWindow",
    "Timeout",
    "Transition",
    "TripSuppressed",
    "Verdict",
    "circuit",
    "criticality",
    "default_pipeline",
    "degraded",
    "instrument",
    "process_gear",
    "remaining",
    "retry",
]

# A breaker alone needs none of these; who uses them pays for their import, at first use.
_LATER = {
    "Adaptive": "switchgear._strategies.adaptive",
    "Assessment": "switchgear._degradation",
    "Breaker": "switchgear._strategies.breaker",
    "BreakerGroup": "switchgear._group",
    "Bulkhead": "switchgear._strategies.bulkhead",
    "Capability": "switchgear._graph",
    "Chaos": "switchgear._strategies.chaos",
    "Criticality": "switchgear._criticality",
    "Deadline": "switchgear._strategies.deadline",
    "DegradationManager": "switchgear._manager",
    "Degraded": "switchgear._degraded",
    "Explanation": "switchgear._snapshot",
    "Fallback": "switchgear._strategies.fallback",
    "Hedge": "switchgear._strategies.hedge",
    "Hedged": "switchgear._call_events",
    "Injected": "switchgear._call_events",
    "Instrumentation": "switchgear._instrument",
    "Level": "switchgear._level",
    "LevelChange": "switchgear._level",
    "Limited": "switchgear._call_events",
    "Pipeline": "switchgear._pipeline",
    "RateLimit": "switchgear._strategies.ratelimit",
    "Report": "switchgear._report",
    "Retried": "switchgear._call_events",
    "Retry": "switchgear._strategies.retry",
    "RetryBudget": "switchgear._budget",
    "SelfSuspicion": "switchgear._degradation",
    "Service": "switchgear._service",
    "Snapshot": "switchgear._snapshot",
    "Status": "switchgear._report",
    "Strategy": "switchgear._pipeline",
    "Switchgear": "switchgear._gear",
    "Throttle": "switchgear._strategies.throttle",
    "Timeout": "switchgear._strategies.timeout",
    "criticality": "switchgear._scope",
    "default_pipeline": "switchgear._default_pipeline",
    "degraded": "switchgear._degraded",
    "instrument": "switchgear._instrument",
    "process_gear": "switchgear._process",
    "remaining": "switchgear._call",
    "retry": "switchgear._retry",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
