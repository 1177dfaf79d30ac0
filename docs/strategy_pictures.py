"""Draws what each strategy does to latency and load: `python -m docs.strategy_pictures`, half a minute.

Each picture is the same minute with the strategy and without, in virtual time and with seeded chance, so it is the same
each time. The backend is that of docs/simulate_strategies.py; it ails in the tinted seconds.
"""

# ruff: noqa: S311 - seeded random is what makes a picture repeatable

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from docs.chart import Panel, chart
from docs.simulate_strategies import FAULT, SECONDS, Backend, Make, Tally, ails, simulate
from switchgear import (
    Adaptive,
    Breaker,
    BreakerConfig,
    Bulkhead,
    Chaos,
    CircuitBreaker,
    Deadline,
    Fallback,
    Hedge,
    RateLimit,
    Retry,
    RetryBudget,
    Strategy,
    Throttle,
    Timeout,
)

PICTURES = Path(__file__).parent / "strategies"


def timeout() -> str:
    """A third of the calls is lost on the way."""
    with_it, without = beside(lambda: Backend(hangs=0.3), steady, lambda: [Timeout(0.5)])
    panels = [
        Panel("95 % of the calls have come to an end within", both(with_it.p95(), without.p95()), 5, "s"),
        Panel("calls under way at the end of the second", both(with_it.under_way, without.under_way), 160, ""),
    ]
    return chart(panels, FAULT, "With a timeout, calls that will not be answered end after half a second; without one "
                 "they pile up until their callers give up.")  # fmt: skip


def deadline() -> str:
    """Half of the calls is lost, and tried again: twice, a second each."""

    def again() -> list[Strategy]:
        return [Retry(budget=RetryBudget(ratio=3, burst=1000), roll=random.Random(5).random), Timeout(1)]

    with_it = simulate(Backend(hangs=0.5), modest, lambda: [Deadline(1.5), *again()])
    without = simulate(Backend(hangs=0.5), modest, again)
    panels = [
        Panel("95 % of the calls have come to an end within", both(with_it.p95(), without.p95()), 5, "s"),
        Panel("attempts, a second", both(with_it.sent, without.sent), 120, ""),
    ]
    return chart(panels, FAULT, "With a deadline of one and a half seconds nobody waits for longer, and no attempt is "
                 "made that nobody waits for.")  # fmt: skip


def retry() -> str:
    """A tenth of the calls fails; then all of them."""

    def make(**options: Any) -> Make:
        return lambda: [Retry(roll=random.Random(5).random, **options)]

    runs: dict[str, Make] = {
        "with it": make(), "without": tuple, "without its budget": make(budget=RetryBudget(ratio=3, burst=1000)),
    }  # fmt: skip
    few = {name: simulate(Backend(flaky=0.1), modest, each) for name, each in runs.items()}
    every = {name: simulate(Backend(flaky=1.0), modest, each) for name, each in runs.items()}
    panels = [
        Panel("one in ten fails: calls answered, a second", {name: few[name].served() for name in runs}, 60, ""),
        Panel("one in ten fails: attempts, a second", {name: few[name].sent[:SECONDS] for name in runs}, 120, ""),
        Panel("all fail: attempts, a second", {name: every[name].sent[:SECONDS] for name in runs}, 120, ""),
    ]
    return chart(panels, FAULT, "Retries answer the calls that fail now and then, for a tenth more attempts; when all "
                 "fail, the budget keeps them to a fifth more, instead of three times as many.")  # fmt: skip


def fallback() -> str:
    """A backend that turns everything down, and what was good enough a moment ago."""
    with_it, without = beside(lambda: Backend(down=True), steady, lambda: [Fallback(value="the last known")])
    panels = [
        Panel("calls answered, a second", both(with_it.served(), without.served()), 120, ""),
        Panel("calls sent to the backend, a second", both(with_it.sent, without.sent), 120, ""),
    ]
    return chart(panels, FAULT, "With a fallback all calls are answered while the backend is down. It takes no load "
                 "off the backend: that is what a breaker does.")  # fmt: skip


def hedge() -> str:
    """A backend that dawdles over one call in twelve."""
    with_it = simulate(Backend(dawdles=1 / 12), modest, lambda: [Hedge(quantile=0.9)])
    without = simulate(Backend(dawdles=1 / 12), modest)
    panels = [
        Panel("95 % of the calls are answered within", both(with_it.p95(), without.p95()), 2, "s"),
        Panel("attempts, a second", both(with_it.sent, without.sent), 60, ""),
    ]
    return chart(panels, FAULT, "With a hedge the calls that a backend dawdles over are answered soon, by a second "
                 "attempt; that is one attempt in ten more.")  # fmt: skip


def breaker() -> str:
    """A backend that no longer answers; callers wait for it for a second."""

    def guarded() -> Sequence[Strategy]:
        rules = BreakerConfig(slow_call_duration_threshold=0.5)
        chance = random.Random(5).random
        return [Breaker(CircuitBreaker("backend", rules, clock=anyio.current_time, roll=chance)), Timeout(1)]

    with_it = simulate(Backend(hangs=1.0), steady, guarded)
    without = simulate(Backend(hangs=1.0), steady, lambda: [Timeout(1)])
    panels = [
        Panel("calls sent to the backend, a second", both(with_it.sent, without.sent), 120, ""),
        Panel("calls that wait in vain, a second", both(with_it.timed_out, without.timed_out), 120, ""),
        Panel("calls answered, a second", both(with_it.served(), without.served()), 120, ""),
    ]
    return chart(panels, FAULT, "With a breaker, a backend that does not answer is sent a few probes, and nobody waits "
                 "for it; afterwards load returns by a ramp.")  # fmt: skip


def chaos() -> str:
    """A drill: for twenty seconds, every fifth call takes a second longer."""
    strategy = Chaos(clock=lambda: 0.0, roll=random.Random(5).random)

    def drilled(now: float) -> float:
        if ails(now) != bool(strategy.experiments):  # an operator would say for how long
            strategy.switch_off()
            if ails(now):
                strategy.switch_on(Chaos.Latency(1.0), rate=0.2, for_=FAULT[1] - FAULT[0], reason="a drill")
        return steady(now)

    with_it, without = simulate(Backend(), drilled, lambda: [strategy]), simulate(Backend(), steady)
    panels = [
        Panel("95 % of the calls are answered within", both(with_it.p95(), without.p95()), 3, "s"),
        Panel("calls answered, a second", both(with_it.served(), without.served()), 120, ""),
    ]
    return chart(
        panels, FAULT, "A drill that makes every fifth call a second slower, for twenty seconds: it ends by itself."
    )


def bulkhead() -> str:
    """A backend that slows down to a third of what is asked of it."""
    with_it, without = beside(lambda: Backend(slow=4), steady, lambda: [Bulkhead(20, queue=20, max_wait=1.0)])
    return _answers(with_it, without, "With a bulkhead, calls are refused while the backend is slow, and those that it "
                    "takes are served in time; without one nobody is, until long after.")  # fmt: skip


def adaptive() -> str:
    """The same, and nobody has said how many calls the backend takes at once."""
    with_it, without = beside(lambda: Backend(slow=4), steady, lambda: [Adaptive()])
    return _answers(with_it, without, "The adaptive limit finds out what the backend takes: latency stays low, and "
                    "afterwards everything is served again.")  # fmt: skip


def throttle() -> str:
    """A backend that turns everything down, at its own cost."""
    with_it, without = beside(lambda: Backend(down=True), steady, lambda: [Throttle(roll=random.Random(5).random)])
    panels = [
        Panel("calls the backend has to turn down, a second", both(with_it.failed, without.failed), 100, ""),
        Panel("calls answered, a second", both(with_it.served(), without.served()), 100, ""),
    ]
    return chart(panels, FAULT, "The throttle sends a failing backend a tenth of the calls, and all of them again soon "
                 "after it is back.")  # fmt: skip


def ratelimit() -> str:
    """Bursts against a provider that allows twenty calls a second."""

    def bursts(now: float) -> float:
        return 60.0 if ails(now) and int(now) % 10 in {5, 6} else 10.0

    with_it, without = beside(lambda: Backend(limit=20), bursts, lambda: [RateLimit(20, burst=1)])
    panels = [
        Panel("calls that reach the provider, a second", both(with_it.sent, without.sent), 80, ""),
        Panel("calls the provider turns down, a second", both(with_it.failed, without.failed), 60, ""),
        Panel("95 % of the calls let through are answered within", both(with_it.p95(), without.p95()), 5, "s"),
    ]
    return chart(panels, FAULT, "The rate limit spreads bursts out: the provider turns nobody down, and calls wait for "
                 "some seconds instead.")  # fmt: skip


def steady(_now: float) -> float:
    """Calls a second."""
    return 80.0


def modest(_now: float) -> float:
    """So few that the backend could serve each of them three times."""
    return 35.0


def beside(backend: Callable[[], Backend], arrivals: Callable[[float], float], make: Make) -> tuple[Tally, Tally]:
    """The same minute with the strategy and without."""
    return simulate(backend(), arrivals, make), simulate(backend(), arrivals)


def both(with_it: list[float], without: list[float]) -> dict[str, list[float]]:
    """The two as lines."""
    return {"with it": with_it[:SECONDS], "without": without[:SECONDS]}


def _answers(with_it: Tally, without: Tally, says: str) -> str:
    panels = [
        Panel("95 % of the calls let through are answered within", both(with_it.p95(), without.p95()), 5, "s"),
        Panel("calls answered in time, a second", both(with_it.served(), without.served()), 120, ""),
        Panel("calls refused on this side, a second", both(with_it.refused, without.refused), 120, ""),
    ]
    return chart(panels, FAULT, says)


DRAWN: dict[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        fallback, deadline, retry, hedge, ratelimit, throttle, adaptive, bulkhead, breaker, timeout, chaos
    )
}  # fmt: skip


def main() -> None:
    """Draw them all, or those that are named."""
    for name, draw in DRAWN.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        (PICTURES / f"{name}.svg").write_text(draw())
        print(f"wrote docs/strategies/{name}.svg")


if __name__ == "__main__":
    main()
