"""The strategies that a pipeline has unless somebody says otherwise, and where others take their place among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from switchgear._breaker_config import BreakerConfig
from switchgear._circuit import CircuitBreaker
from switchgear._order import ORDER
from switchgear._pipeline import Pipeline, Strategy
from switchgear._strategies.breaker import Breaker, GuardBreaker
from switchgear._strategies.deadline import Deadline
from switchgear._strategies.retry import Retry
from switchgear._strategies.timeout import Timeout
from switchgear._window import TimeWindow

#: An attempt's seconds where nothing says from when on a call is slow, and attempts' worth of time for the whole: as
#: Microsoft's standard resilience handler has them.
_ATTEMPT, _WHOLE = 10.0, 3.0
#: An attempt may take so many times the time from which it is slow: at once would be no different from failing.
_SLOW = 2.0


def default_strategies(config: BreakerConfig) -> tuple[Strategy, ...]:
    """Deadline > Retry > Breaker > Timeout, for the breaker of a service.

    An attempt has twice the time from which the breaker takes it for slow; the whole has three times as long. There is
    no bulkhead and no rate limit, for their numbers are a backend's secret, and no fallback.
    """
    slow = config.slow_call_duration_threshold
    longest = config.window.seconds / 2 if isinstance(config.window, TimeWindow) else float("inf")
    if isinstance(slow, Mapping):
        attempt: Any = {klass: min(_SLOW * seconds, longest) for klass, seconds in slow.items()}
        whole: Any = {klass: _WHOLE * seconds for klass, seconds in attempt.items()}
    else:
        attempt = min(_ATTEMPT if slow is None else _SLOW * slow, longest)
        whole = _WHOLE * attempt
    return Deadline(whole), Retry(), GuardBreaker(config), Timeout(attempt)


def default_pipeline(breaker: CircuitBreaker, *strategies: Strategy, idempotent: bool = False) -> Pipeline:
    """The default strategies round calls through a breaker. Further ones take their place among them, those of the same
    name that of the default's.
    """
    given = {strategy.name for strategy in strategies}
    defaults = [each for each in default_strategies(breaker.config) if each.name not in {"breaker", *given}]
    return Pipeline(
        *in_order([*defaults, *strategies, Breaker(breaker)]), name=breaker.name, idempotent=idempotent,
        classify_result=breaker.classify_result, clock=breaker.clock,
    )  # fmt: skip


def fresh(strategies: Iterable[Strategy]) -> tuple[Strategy, ...]:
    """Copies that share nothing with the originals but their options: a configuration may serve several gears."""
    return tuple(replace(cast("Any", strategy)) for strategy in strategies)


def with_breaker(strategies: Sequence[Strategy], config: BreakerConfig) -> tuple[Strategy, ...]:
    """The strategies of a service, the place of its breaker among them."""
    if any(strategy.name == GuardBreaker.name for strategy in strategies):
        return tuple(strategies)
    breaker = GuardBreaker(config)
    outer = [strategy for strategy in strategies if _place(strategy) < _place(breaker)]
    return (*outer, breaker, *(strategy for strategy in strategies if strategy not in outer))


def in_order(strategies: Iterable[Strategy]) -> list[Strategy]:
    """Each in its place, outermost first."""
    return sorted(strategies, key=_place)


def _place(strategy: Strategy) -> float:
    if strategy.name in ORDER:
        return ORDER.index(strategy.name)
    return ORDER.index(strategy.inside) + 0.5
