"""Everybody who is measured: how each guards a function, as its own documentation says.

A contender is a factory for one fresh breaker. It gives what it can do; what it lacks is None and is not measured.
Peers that trip on failures in a row are set to a number that the run does not reach; those with a window get 100 calls,
50 %, at least 20, and slow calls from one second where they offer it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from typing import Any

import switchgear as sg
from benchmarks.floor import Floor

AsyncFunction = Callable[..., Awaitable[Any]]
MANY = 1_000_000
# A configuration is shared by the breakers of a kind.
OURS = sg.BreakerConfig(slow_call_duration_threshold=1.0, minimum_number_of_calls=10)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One fresh breaker of one library."""

    guard: Callable[[AsyncFunction], AsyncFunction] | None = None
    guard_sync: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    enter: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    open: Callable[[], Any] | None = None  #: make it refuse, for long; may be a coroutine function
    breaker: object = None  #: what holds the state: its size is measured
    features: str = ""


def _bare() -> Contender:
    return Contender(guard=lambda fn: fn, guard_sync=lambda fn: fn, features="no guard at all")


def _null() -> Contender:
    def guard(fn: AsyncFunction) -> AsyncFunction:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            return await fn(*args, **kwargs)

        return wrapped

    return Contender(guard=guard, features="a wrapper that does nothing")


def _floor() -> Contender:
    floor = Floor()
    return Contender(
        breaker=floor, guard=floor.guard, guard_sync=floor.guard_sync, enter=floor.permit, open=lambda: floor.open(1e9),
        features="count window, slow calls, threads; by hand",
    )  # fmt: skip


def switchgear_with(window: sg.CountWindow | sg.TimeWindow | None = None) -> Contender:
    """Ours, with slow calls on and the window asked for."""
    breaker = sg.CircuitBreaker("bench", OURS if window is None else replace(OURS, window=window))
    return Contender(
        breaker=breaker, guard=breaker, guard_sync=breaker, enter=breaker.permit,
        open=lambda: breaker.force_open("bench"),
        features="count or time window, slow calls and those in flight, threads, domains, ramp",
    )  # fmt: skip


@cache
def _interlock_config() -> Any:
    interlock = importlib.import_module("interlock")
    return interlock.Config(minimum_number_of_calls=20, slow_call_duration_threshold=1.0, wait_duration_in_open=1e6)


def _interlock() -> Contender:
    interlock = importlib.import_module("interlock")
    config = _interlock_config()
    breaker = interlock.CircuitBreaker(name="bench", config=config)
    return Contender(
        breaker=breaker,
        guard=breaker,
        guard_sync=breaker,
        enter=lambda: breaker,
        open=breaker.force_open,
        features="count window, slow calls, threads",
    )


def _nopanic() -> Contender:
    nopanic = importlib.import_module("nopanic")
    breaker = nopanic.CircuitBreaker(min_calls=20, reset_timeout=1e6)
    return Contender(
        breaker=breaker,
        guard=breaker,
        guard_sync=breaker,
        enter=breaker.guard,
        open=breaker.force_open,
        features="time window, threads",
    )


def _fluxgate() -> Contender:
    fluxgate = importlib.import_module("fluxgate")
    windows, trippers = importlib.import_module("fluxgate.windows"), importlib.import_module("fluxgate.trippers")

    def make(kind: Any) -> Any:
        rules = trippers.MinRequests(20) & (trippers.FailureRate(0.5) | trippers.SlowRate(0.5, threshold=1.0))
        return kind(window=windows.CountWindow(100), tripper=rules)

    breaker, sync = make(fluxgate.AsyncCircuitBreaker), make(fluxgate.CircuitBreaker)
    return Contender(
        breaker=breaker, guard=breaker, guard_sync=sync, open=breaker.force_open, features="count window, slow calls"
    )


def _pyresilience() -> Contender:
    pyresilience = importlib.import_module("pyresilience")
    rules = pyresilience.CircuitBreakerConfig(
        sliding_window_size=100,
        minimum_calls=20,
        failure_rate_threshold=0.5,
        slow_call_duration=1.0,
        recovery_timeout=1e6,
    )
    guard = pyresilience.resilient(circuit_breaker=rules)
    return Contender(breaker=guard, guard=guard, guard_sync=guard, features="count window O(n), slow calls")


def _resilix() -> Contender:
    breaker = importlib.import_module("resilix").CircuitBreaker(failures=MANY, reset_timeout=1e6)
    return Contender(breaker=breaker, guard=breaker, guard_sync=breaker, features="failures in a row")


def _circuitbreaker() -> Contender:
    module = importlib.import_module("circuitbreaker")
    breaker = module.CircuitBreaker(failure_threshold=MANY, recovery_timeout=1_000_000)
    return Contender(breaker=breaker, guard=breaker, guard_sync=breaker, features="failures in a row")


def _pybreaker() -> Contender:
    breaker = importlib.import_module("pybreaker").CircuitBreaker(fail_max=MANY, reset_timeout=1_000_000)
    return Contender(guard_sync=breaker, features="failures in a row; no asyncio")


def _aiobreaker() -> Contender:
    breaker = importlib.import_module("aiobreaker").CircuitBreaker(fail_max=MANY, timeout_duration=timedelta(days=1))
    return Contender(
        breaker=breaker, guard=breaker, guard_sync=breaker, open=breaker.open, features="failures in a row"
    )


def _purgatory() -> Contender:
    factory = importlib.import_module("purgatory").AsyncCircuitBreakerFactory(default_threshold=MANY, default_ttl=1e6)
    return Contender(breaker=factory, guard=factory("bench"), features="failures in a row")


def _aioresilience() -> Contender:
    module = importlib.import_module("aioresilience")
    breaker = module.CircuitBreaker("bench", module.CircuitConfig(failure_threshold=MANY))

    def guard(fn: AsyncFunction) -> AsyncFunction:
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await breaker.call(fn, *args, **kwargs)

        return guarded

    return Contender(breaker=breaker, guard=guard, features="failures in a row")


def _hyx() -> Contender:
    breaker = importlib.import_module("hyx.circuitbreaker.api").consecutive_breaker(failure_threshold=MANY)
    return Contender(breaker=breaker, guard=breaker, enter=lambda: breaker, features="failures in a row")


FACTORIES: dict[str, Callable[[], Contender]] = {
    "bare": _bare,
    "null wrapper": _null,
    "floor": _floor,
    "switchgear": switchgear_with,
    "interlock-cb": _interlock,
    "nopanic": _nopanic,
    "fluxgate": _fluxgate,
    "pyresilience": _pyresilience,
    "resilix": _resilix,
    "circuitbreaker": _circuitbreaker,
    "pybreaker": _pybreaker,
    "aiobreaker": _aiobreaker,
    "purgatory": _purgatory,
    "aioresilience": _aioresilience,
    "hyx": _hyx,
}


def installed() -> dict[str, Callable[[], Contender]]:
    """The factories whose library can be imported, by name."""
    logging.disable(logging.CRITICAL)  # some peers log each failure; printing is not what is measured
    found: dict[str, Callable[[], Contender]] = {}
    for name, factory in FACTORIES.items():
        try:
            factory()
        except ImportError:
            continue
        found[name] = factory
    return found


def label(name: str) -> str:
    """The name with its version, where it is a distribution."""
    return name if name in {"bare", "null wrapper", "floor"} else f"{name} {version(name)}"
