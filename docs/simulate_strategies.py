"""A minute of calls through strategies, for the pictures of docs/strategies.

The strategies are the real ones, round calls to a modelled backend: twelve workers, a line before them, work of varying
length that is done whether or not somebody still waits for it. Callers come whether or not it keeps up, and give up
after five seconds. Time is virtual and chance is seeded, so the pictures are the same each time.
"""

# ruff: noqa: S311 - seeded random is what makes a picture repeatable

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

import anyio

from switchgear import CallNotPermitted, CallTimedOut, LimitExceeded, Pipeline, Strategy, Verdict
from tests.virtual_time import run

SECONDS, FAULT, PATIENCE = 60, (15.0, 35.0), 5.0


class TooMany(Exception):
    """A backend asks for less."""


class Down(Exception):
    """A backend does not serve."""


def ails(now: float) -> bool:
    """Whether the backend does at that second."""
    return FAULT[0] <= now < FAULT[1]


@dataclass
class Tally:
    """What each second came to."""

    latencies: list[list[float]] = field(default_factory=lambda: [[] for _ in range(SECONDS + 1)])
    sent: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    refused: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    failed: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    timed_out: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))
    under_way: list[float] = field(default_factory=lambda: [0.0] * (SECONDS + 1))

    def p95(self, share: float = 0.95) -> list[float]:
        """Of the calls that came in each second, those among them who never had an answer included."""
        return [sorted(these)[int(share * len(these))] if these else 0.0 for these in self.latencies[:SECONDS]]

    def served(self) -> list[float]:
        """Calls that came in each second and had their answer in time."""
        answered = [float(sum(latency < PATIENCE for latency in these)) for these in self.latencies[:SECONDS]]
        return [calls - late for calls, late in zip(answered, self.timed_out, strict=False)]


@dataclass
class Backend:
    """Serves 120 calls a second, in a tenth of a second each. More than `limit` calls in a second it turns down. In
    the fault it is so many times as `slow`; or it is `down` and turns all calls down; or it fails a share of the calls
    (`flaky`), dawdles over it for a second and a half (`dawdles`), or answers it after ten (`hangs`).
    """

    slow: float = 1.0
    down: bool = False
    limit: float = inf
    flaky: float = 0.0
    hangs: float = 0.0
    dawdles: float = 0.0

    def __post_init__(self) -> None:
        self._rng = random.Random(7)
        self._free_at = [0.0] * 12
        self._calls = [0] * (SECONDS + 1)

    async def call(self, now: float, tally: Tally) -> None:
        """One call, at a moment."""
        second = min(int(now), SECONDS)
        tally.sent[second] += 1
        self._calls[second] += 1
        if self._calls[second] > self.limit or (self.down and ails(now)):
            tally.failed[second] += 1
            await anyio.sleep(0.02)
            raise TooMany
        begun = max(now, heappop(self._free_at))
        ended = begun + 0.1 * self._rng.lognormvariate(0, 0.4) * (self.slow if ails(begun) else 1.0)
        heappush(self._free_at, ended)
        luck = self._rng.random()
        if ails(now) and luck < self.flaky:
            await anyio.sleep(ended - now)
            raise Down
        lost = 10.0 if luck < self.hangs else 1.5 if luck < self.dawdles else 0.0
        await anyio.sleep(ended - now + (lost if ails(now) else 0.0))


#: Strategies for one run; made inside it, as some ask for the time.
Make = Callable[[], Sequence[Strategy]]


def simulate(backend: Backend, arrivals: Callable[[float], float], make: Make = tuple) -> Tally:
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
        except CallTimedOut:
            tally.timed_out[int(came)] += 1
            latency = anyio.current_time() - start - came
        except (CallNotPermitted, TooMany, Down):
            return
        finally:
            for second in range(int(came), min(int(anyio.current_time() - start), SECONDS)):
                tally.under_way[second] += 1
        tally.latencies[int(came)].append(latency)

    async def main() -> None:
        start = anyio.current_time()
        pipeline = Pipeline(*make(), classify=_judge, clock=anyio.current_time, idempotent=True)
        async with anyio.create_task_group() as group:
            while anyio.current_time() - start < SECONDS:
                group.start_soon(one, pipeline, start)
                await anyio.sleep(rng.expovariate(arrivals(anyio.current_time() - start)))

    run(main, backend="trio")
    return tally


def _judge(exc: BaseException) -> Verdict:
    return Verdict.THROTTLED if isinstance(exc, TooMany) else Verdict.FAILURE
