"""The gate of a capability: what to do at a level that is too low for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from switchgear._degradation import Assessment
from switchgear._errors import CallNotPermitted, CapabilityNotOffered, ConfigurationError
from switchgear._level import Level
from switchgear._manager import DegradationManager
from switchgear._report import Status
from switchgear._scope import forbidding

P = ParamSpec("P")
T = TypeVar("T")


class Gate(Protocol):
    """Decorates any coroutine function."""

    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, Coroutine[Any, Any, T]]: ...


def gate(
    degradation: DegradationManager, capability: str, at_least: Level, otherwise: Callable[P, Awaitable[T]] | None
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """The decorator that `Switchgear.requires` makes."""

    def decorator(fn: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(fn)
        async def gated(*args: P.args, **kwargs: P.kwargs) -> T:
            found = degradation.assessment()
            level = found.levels.get(capability)
            if level is None:
                raise ConfigurationError.unknown("capability", capability, found.levels)
            overridden = capability in found.overrides
            if not overridden:
                # Levels rise slowly, for those who show them. Who may come back is for the breakers' ramp to deal out:
                # a gate that waited for the level would let nobody through, and then all at once.
                level = max(level, Level.of(found.capabilities[capability].score))
            if level >= at_least:
                return await fn(*args, **kwargs)
            if not overridden and degradation.probing(capability):
                # Were all callers kept away, nobody would find out that the backend is back.
                with suppress(CallNotPermitted):
                    return await fn(*args, **kwargs)
            if otherwise is None:
                raise CapabilityNotOffered(capability, str(level), str(at_least), _why(found, capability))
            with forbidding(_failed(degradation, found, capability)):
                return await otherwise(*args, **kwargs)

        return gated

    return decorator


def _why(found: Assessment, capability: str) -> str:
    override = found.overrides.get(capability)
    report = found.capabilities[capability]
    if override is not None:
        return f"an operator has decided so: {override.reason}"
    return f"{' <- '.join(report.path)}: {report.reason}"


def _failed(degradation: DegradationManager, found: Assessment, capability: str) -> dict[str, str]:
    """What a fallback may not touch, since it is why there has to be one: it would fail the same way, only later."""
    return {
        name: f"it has failed {capability}, whose fallback may not depend on it"
        for name in degradation.graph.ancestors(capability)
        if name in found.services and found.services[name].status is Status.UNHEALTHY
    }
