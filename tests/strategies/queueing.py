"""A backend as queueing theory has them: so many workers, a line before them, callers that come whether or not it keeps
up. Events in order of time, no event loop; what is tested is the limit alone.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any

from switchgear._strategies._gradient import Gradient


@dataclass
class Span:
    """What was seen between two moments."""

    served: float  #: a second
    refused: float  #: a second
    timed_out: float  #: a second
    median: float
    p99: float
    limits: tuple[float, float]  #: the least and the most


@dataclass
class Call:
    at: float
    in_flight: int
    over: bool = False


@dataclass
class Backend:
    """`workers` and `takes` (seconds of work) by time; callers give up after `timeout`."""

    arrivals: Callable[[float], float]  #: a second, by time
    workers: Callable[[float], int]
    takes: Callable[[random.Random, float], float]
    timeout: float = 5.0
    gradient: Gradient = field(default_factory=lambda: Gradient(20, 1, 200))
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._numbers = count()
        self._line: deque[Call] = deque()
        self._busy = self._in_flight = 0
        self._now = 0.0
        self._clear()
        self._at(self._next_arrival(), self._arrive)

    def until(self, moment: float) -> Span:
        """Go on to a moment; what happened since the last one."""
        began = self._now
        self._clear()
        while self._events[0][0] < moment:
            self._now, _, happen, what = heapq.heappop(self._events)
            happen(*what)
        self._now = moment
        latencies = sorted(self._latencies) or [0.0]
        spent = moment - began
        return Span(len(self._latencies) / spent, self._refused / spent, self._timeouts / spent, median(latencies),
                    latencies[int(len(latencies) * 0.99)], (min(self._limits), max(self._limits)))  # fmt: skip

    def _clear(self) -> None:
        self._latencies: list[float] = []
        self._limits = [self.gradient.limit]
        self._refused = self._timeouts = 0

    def _at(self, moment: float, happen: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), happen, what))

    def _next_arrival(self) -> float:
        return self._now + self._random.expovariate(self.arrivals(self._now))

    def _arrive(self) -> None:
        self._at(self._next_arrival(), self._arrive)
        if self._in_flight >= int(self.gradient.limit):
            self._refused += 1
            return
        self._in_flight += 1
        call = Call(self._now, self._in_flight)
        self._line.append(call)
        self._at(self._now + self.timeout, self._give_up, call)
        self._work()

    def _work(self) -> None:
        while self._line and self._busy < self.workers(self._now):
            self._busy += 1
            self._at(self._now + self.takes(self._random, self._now), self._done, self._line.popleft())

    def _done(self, call: Call) -> None:
        self._busy -= 1
        if not call.over:
            self._latencies.append(self._now - call.at)
            self._settle(call, self._now - call.at)
        self._work()

    def _give_up(self, call: Call) -> None:
        if not call.over:
            self._timeouts += 1
            self._settle(call, None)

    def _settle(self, call: Call, latency: float | None) -> None:
        call.over = True
        self._in_flight -= 1
        if self.gradient.settle(latency, call.in_flight, self._now):
            self._limits.append(self.gradient.limit)


def takes(seconds: float, spread: float = 0.5) -> Callable[[random.Random, float], float]:
    """Work of a lognormal length, its median given."""
    return lambda rng, _now: seconds * rng.lognormvariate(0, spread)
