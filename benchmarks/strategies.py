"""What each strategy costs round a call that succeeds at once, beside the peers that have it. "none": the bare call.

Every contender is set so that it lets all calls pass: a limit nobody reaches, retries nobody needs.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Callable
from time import process_time_ns
from typing import Any

import switchgear as sg
from benchmarks.cases import CALLS, Run, serve
from benchmarks.contenders import OURS, AsyncFunction

Guard = Callable[[AsyncFunction], AsyncFunction]
MANY = 1_000_000


def _ours(*strategies: sg.Strategy) -> Guard:
    return sg.Pipeline(*strategies, idempotent=True)


def _default() -> Guard:
    return sg.default_pipeline(sg.CircuitBreaker("bench", OURS), idempotent=True)


def _stdlib(fn: AsyncFunction) -> AsyncFunction:
    async def guarded() -> Any:
        async with asyncio.timeout(1):
            return await fn()

    return guarded


def _interlock(*names: str) -> Guard:
    interlock = importlib.import_module("interlock")
    make = {
        "breaker": lambda: interlock.CircuitBreakerStrategy(interlock.CircuitBreaker(name="bench")),
        "bulkhead": lambda: interlock.BulkheadStrategy(MANY),
        "fallback": lambda: interlock.FallbackStrategy(lambda _: None),
        "timeout": lambda: interlock.TimeoutStrategy(1),
    }
    return interlock.Pipeline(*(make[name]() for name in names))  # type: ignore[no-any-return]


def _pyresilience(*names: str) -> Guard:
    module = importlib.import_module("pyresilience")
    breaker = {"sliding_window_size": 100, "minimum_calls": 20, "slow_call_duration": 1.0}
    make = {
        "bulkhead": lambda: module.BulkheadConfig(max_concurrent=MANY),
        "circuit_breaker": lambda: module.CircuitBreakerConfig(**breaker),
        "fallback": lambda: module.FallbackConfig(handler=1),
        "rate_limiter": lambda: module.RateLimiterConfig(max_calls=MANY),
        "retry": module.RetryConfig,
        "retry_budget": module.RetryBudgetConfig,
        "timeout": lambda: module.TimeoutConfig(seconds=1),
    }
    return module.resilient(**{name: make[name]() for name in names})  # type: ignore[no-any-return]


def _hyx(kind: str) -> Guard:
    api = importlib.import_module(f"hyx.{kind}.api")
    if kind == "bulkhead":
        return api.bulkhead(max_concurrency=MANY, max_capacity=MANY)  # type: ignore[no-any-return]
    if kind == "fallback":
        return api.fallback(serve, on=Exception)  # type: ignore[no-any-return]
    if kind == "ratelimit":
        return api.tokenbucket(max_executions=MANY, per_time_secs=1)  # type: ignore[no-any-return]
    return api.retry(on=Exception, attempts=3) if kind == "retry" else api.timeout(1)  # type: ignore[no-any-return]


def _aiolimiter() -> Guard:
    limiter = importlib.import_module("aiolimiter").AsyncLimiter(MANY, 1)

    def guard(fn: AsyncFunction) -> AsyncFunction:
        async def guarded() -> Any:
            async with limiter:
                return await fn()

        return guarded

    return guard


def _stamina() -> Guard:
    return importlib.import_module("stamina").retry(on=Exception)  # type: ignore[no-any-return]


def _tenacity() -> Guard:
    module = importlib.import_module("tenacity")
    return module.retry(stop=module.stop_after_attempt(3))  # type: ignore[no-any-return]


#: strategy -> contender -> what makes its guard; in the event loop, for some ask for that when they are made.
STRATEGIES: dict[str, dict[str, Callable[[], Guard]]] = {
    "timeout": {
        "switchgear": lambda: _ours(sg.Timeout(1)),
        "asyncio.timeout": lambda: _stdlib,
        "interlock-cb": lambda: _interlock("timeout"),
        "pyresilience": lambda: _pyresilience("timeout"),
        "hyx": lambda: _hyx("timeout"),
    },
    "deadline": {"switchgear": lambda: _ours(sg.Deadline(1))},
    "retry": {
        "switchgear": lambda: _ours(sg.Retry()),
        "pyresilience": lambda: _pyresilience("retry", "retry_budget"),
        "hyx": lambda: _hyx("retry"),
        "stamina": _stamina,
        "tenacity": _tenacity,
    },
    "fallback": {
        "switchgear": lambda: _ours(sg.Fallback(value=None)),
        "interlock-cb": lambda: _interlock("fallback"),
        "pyresilience": lambda: _pyresilience("fallback"),
        "hyx": lambda: _hyx("fallback"),
    },
    "hedge": {"switchgear": lambda: _ours(sg.Hedge())},
    "bulkhead": {
        "switchgear": lambda: _ours(sg.Bulkhead(MANY)),
        "interlock-cb": lambda: _interlock("bulkhead"),
        "pyresilience": lambda: _pyresilience("bulkhead"),
        "hyx": lambda: _hyx("bulkhead"),
    },
    "rate limit": {
        "switchgear": lambda: _ours(sg.RateLimit(MANY)),
        "aiolimiter": _aiolimiter,
        "pyresilience": lambda: _pyresilience("rate_limiter"),
        "hyx": lambda: _hyx("ratelimit"),
    },
    "adaptive limit": {"switchgear": lambda: _ours(sg.Adaptive())},
    "throttle": {"switchgear": lambda: _ours(sg.Throttle())},
    "breaker": {
        "switchgear": lambda: _ours(sg.Breaker(sg.CircuitBreaker("bench", OURS))),
        "interlock-cb": lambda: _interlock("breaker"),
        "pyresilience": lambda: _pyresilience("circuit_breaker"),
    },
    "the default: deadline, retry, breaker, timeout": {
        "switchgear": _default,
        "interlock-cb": lambda: _interlock("breaker", "timeout"),  # has no retries and no deadline
        "pyresilience": lambda: _pyresilience("retry", "retry_budget", "circuit_breaker", "timeout"),
    },
}


def strategy(title: str) -> dict[str, Run]:
    """One run for each contender that is installed, and for the bare call."""
    found: dict[str, Run] = {"none": _run(lambda: lambda fn: fn)}
    for name, make in STRATEGIES[title].items():
        run = _run(make)
        try:
            run()
        except ImportError:
            continue
        found[name] = run
    return found


def _run(make: Callable[[], Guard]) -> Run:
    async def timed() -> float:
        guarded = make()(serve)
        for _ in range(100):  # windows are young, and limits unknown
            await guarded()
        gc.collect()
        started = process_time_ns()
        for _ in range(CALLS):
            await guarded()
        return (process_time_ns() - started) / CALLS

    return lambda: asyncio.run(timed())
