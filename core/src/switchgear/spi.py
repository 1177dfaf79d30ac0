"""For authors of plugins: everything that a plugin needs, and the only module of switchgear it should import."""

from __future__ import annotations

from switchgear._breaker_config import Backoff, BreakerConfig, Ramp
from switchgear._call import Call
from switchgear._errors import CallNotPermitted, CallTimedOut, ConfigurationError, MissingDependency
from switchgear._hookspecs import VERSION, hookimpl
from switchgear._imports import when_imported
from switchgear._permit import Permit
from switchgear._pipeline import CODE, Bound, Next, Strategy, SyncNext
from switchgear._score import HealthConfig
from switchgear._service import Service
from switchgear._spec import Backend, ClientLimits, Convention, Instrument, Metric, Operation, OperationClass
from switchgear._state import State
from switchgear._verdict import Verdict
from switchgear._window import CountWindow, TimeWindow

__all__ = [
    "CODE",
    "VERSION",
    "Backend",
    "Backoff",
    "Bound",
    "BreakerConfig",
    "Call",
    "CallNotPermitted",
    "CallTimedOut",
    "ClientLimits",
    "ConfigurationError",
    "Convention",
    "CountWindow",
    "HealthConfig",
    "Instrument",
    "Metric",
    "MissingDependency",
    "Next",
    "Operation",
    "OperationClass",
    "Permit",
    "Ramp",
    "Service",
    "State",
    "Strategy",
    "SyncNext",
    "TimeWindow",
    "Verdict",
    "hookimpl",
    "when_imported",
]
