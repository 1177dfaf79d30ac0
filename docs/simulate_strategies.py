"""Draws what each strategy does to latency and load: `python -m docs.simulate_strategies`, a few seconds.

The strategies are the real ones, round calls to a modelled backend: twelve workers, a line before them, work of varying
length that is done whether or not somebody still waits for it. Callers come whether or not it keeps up, and give up
after five seconds. Time is virtual and chance is seeded, so the pictures are the same each time.
"""

# ruff: noqa: S311 - seeded random is what makes a picture repeatable

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from pathlib import Path

import anyio

from docs.chart import Panel, chart
from switchgear import (
    Adaptive,
    Bulkhead,
    CallNotPermitted,
    LimitExceeded,
    Pipeline,
    RateLimit,
    Strategy,
    Throttle,
    Verdict,
)
from tests.virtual_time import run

PICTURES = Path(__file__).parent / "strategies"
SECONDS, FAULT, PATIENCE = 60, (15.0, 35.0), 5.0


class TooMany(Exception):
    """A backend asks for less."""


@dataclass
class Tally:
    """What each second came to."""

    latencies: list[list[float]] = field(default_factory=lambda: [[] for _ in range(SECONDS + 1)])
    sent: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    refused: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    failed: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))

    def p95(self) -> list[float]:
        """Of the calls that came in each second, those among them who never had an answer included."""
        return [sorted(these)[int(0.95 * len(these))] if these else 0.0 for these in self.latencies[:SECONDS]]

    def served(self) -> list[float]:
        """Calls that came in each second and had their answer in time."""
        return [float(sum(latency < PATIENCE for latency in these)) for these in self.latencies[:SECONDS]]


@dataclass
class Backend:
    """Serves 120 calls a second, in a tenth of a second each. In the fault it is so many times as `slow`, or it is
    `down` and turns all calls down. What is more than `limit` calls in a second it always turns down.
    """

    slow: float = 1.0
    down: bool = False
    limit: float = inf

    def __post_init__(self) -> None:
        self._rng = random.Random(7)
        self._free_at = [0.0] * 12
        self._calls = [0] * (SECONDS + 1)

    async def call(self, now: float, tally: Tally) -> None:
        """One call, at a moment."""
        second = min(int(now), SECONDS)
        tally.sent[second] += 1
        self._calls[second] += 1
        if self._calls[second] > self.limit or (self.down and _ails(now)):
            tally.failed[second] += 1
            await anyio.sleep(0.02)
            raise TooMany
        begun = max(now, heappop(self._free_at))
        ended = begun + 0.1 * self._rng.lognormvariate(0, 0.4) * (self.slow if _ails(begun) else 1.0)
        heappush(self._free_at, ended)
        await anyio.sleep(ended - now)


def _ails(now: float) -> bool:
    return FAULT[0] <= now < FAULT[1]


def simulate(backend: Backend, arrivals: Callable[[float], float], *strategies: Strategy) -> Tally:
    """A minute of calls, so many a second by time."""
    tally, rng = Tally(), random.Random(3)

    async def one(pipeline: Pipeline, start: float) -> None:
        came = anyio.current_time() - start
        latency = PATIENCE
        try:
            with anyio.move_on_after(PATIENCE):
                await pipeline.call(lambda: backend.call(anyio.current_time() - start, tally))
                latency = anyio.current_time() - start - came
        except LimitExceeded:
            tally.refused[int(came)] += 1
            return
        except (CallNotPermitted, TooMany):
            return
        tally.latencies[int(came)].append(latency)

    async def main() -> None:
        start = anyio.current_time()
        pipeline = Pipeline(*strategies, classify=lambda _: Verdict.THROTTLED, clock=anyio.current_time)
        async with anyio.create_task_group() as group:
            while anyio.current_time() - start < SECONDS:
                group.start_soon(one, pipeline, start)
                await anyio.sleep(rng.expovariate(arrivals(anyio.current_time() - start)))

    run(main, backend="trio")
    return tally


def bulkhead() -> str:
    """A backend that slows down to a third of what is asked of it."""
    with_it, without = beside(lambda: Backend(slow=4), steady, Bulkhead(20, queue=20, max_wait=1.0))
    return _answers(with_it, without, "With a bulkhead, calls are refused while the backend is slow, and those that it "
                    "takes are served in time; without one nobody is, until long after.")  # fmt: skip


def adaptive() -> str:
    """The same, and nobody has said how many calls the backend takes at once."""
    with_it, without = beside(lambda: Backend(slow=4), steady, Adaptive())
    return _answers(with_it, without, "The adaptive limit finds out what the backend takes: latency stays low, and "
                    "afterwards everything is served again.")  # fmt: skip


def throttle() -> str:
    """A backend that turns everything down, at its own cost."""
    with_it, without = beside(lambda: Backend(down=True), steady, Throttle(roll=random.Random(5).random))
    panels = [
        Panel("calls the backend has to turn down, a second", both(with_it.failed, without.failed), 100, ""),
        Panel("calls answered, a second", both(with_it.served(), without.served()), 100, ""),
    ]
    return chart(panels, FAULT, "The throttle sends a failing backend a tenth of the calls, and all of them again soon "
                 "after it is back.")  # fmt: skip


def ratelimit() -> str:
    """Bursts against a provider that allows twenty calls a second."""

    def bursts(now: float) -> float:
        return 60.0 if _ails(now) and int(now) % 10 in {5, 6} else 10.0

    with_it, without = beside(lambda: Backend(limit=20), bursts, RateLimit(20, burst=1))
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


def beside(make: Callable[[], Backend], arrivals: Callable[[float], float], strategy: Strategy) -> tuple[Tally, Tally]:
    """The same minute with the strategy and without."""
    return simulate(make(), arrivals, strategy), simulate(make(), arrivals)


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
    "bulkhead": bulkhead, "adaptive": adaptive, "throttle": throttle, "ratelimit": ratelimit,
}  # fmt: skip


def main() -> None:
    """Draw them all."""
    for name, draw in DRAWN.items():
        (PICTURES / f"{name}.svg").write_text(draw())
        print(f"wrote docs/strategies/{name}.svg")


if __name__ == "__main__":
    main()
