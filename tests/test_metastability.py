"""An outage that outlives itself: retries keep a recovered backend down, or they do not. In virtual time, by seeds.

The backend has room for 20 requests a second, a queue, and callers that ask 16 times a second and give up after one
second; it does not know that they do, so it works for nobody. For 30 seconds it stands still. After that, its queue is
full of requests that were given up, and whoever asks is given up before his turn comes. With three naive retries four
times as many ask, so the queue stays full: the trigger is gone and the failure stays. That is what Bronson et al. call
metastable (HotOS 2021).
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import pytest

from switchgear import BreakerConfig, CircuitBreaker, Retry, default_pipeline
from tests.virtual_time import run

RATE, TIMEOUT = 16.0, 1.0
BEGINS, ENDS, OVER = 10.0, 40.0, 80.0
#: Within so many seconds of the outage's end.
BACK = 15.0

#: As any breaker is, but that it knows what is slow.
RULES = BreakerConfig(slow_call_duration_threshold=TIMEOUT / 2)

SEEDS = [pytest.param(range(first, first + 10), id=f"seeds {first} to {first + 9}") for first in range(0, 100, 10)]


@dataclass
class Backend:
    """`workers` that take `takes` seconds for a request, first come, first served; a full queue refuses at once."""

    workers: int = 4
    takes: float = 0.2
    queue: int = 40
    asked: Counter[int] = field(default_factory=Counter[int])  #: by second
    _free: list[float] = field(default_factory=list[float])
    _done: list[float] = field(default_factory=list[float])  #: when each request will be, also those given up

    def __post_init__(self) -> None:
        self._free = [0.0] * self.workers

    async def __call__(self) -> None:
        now = anyio.current_time()
        self.asked[int(now)] += 1
        while self._done and self._done[0] <= now:
            heapq.heappop(self._done)
        if len(self._done) >= self.workers + self.queue:
            raise ConnectionError("The queue is full.")
        starts = max(now, heapq.heappop(self._free))
        done = starts + self.takes
        if starts < ENDS and done > BEGINS:  # it stands still until the outage is over
            done = ENDS + min(self.takes, done - BEGINS)
        heapq.heappush(self._free, done)
        heapq.heappush(self._done, done)
        await anyio.sleep(done - now)


#: Makes what calls the backend, given chance.
Caller = Callable[[Backend, random.Random], Callable[[], Awaitable[None]]]


def naive(backend: Backend, _: random.Random) -> Callable[[], Awaitable[None]]:
    """Three retries, as everybody writes them once."""

    async def call() -> None:
        for attempt in range(3):
            try:
                with anyio.fail_after(TIMEOUT):
                    await backend()
            except (TimeoutError, ConnectionError):
                await anyio.sleep(0.1 * 2**attempt)
            else:
                return
        with anyio.fail_after(TIMEOUT):
            await backend()

    return call


def by_default(backend: Backend, chance: random.Random) -> Callable[[], Awaitable[None]]:
    """The default pipeline; an attempt has twice what is slow, so one second."""
    breaker = CircuitBreaker("backend", RULES, clock=anyio.current_time, roll=chance.random)
    pipeline = default_pipeline(breaker, Retry(roll=chance.random), idempotent=True)
    assert pipeline.bound.attempt_seconds == TIMEOUT
    return lambda: pipeline.call(backend)


@dataclass
class Outcome:
    served: dict[int, list[bool]]  #: by the second in which the call was made
    asked: Counter[int]

    def goodput(self, since: float, until: float) -> float:
        """The share of the calls made then that were served."""
        calls = [ok for second, outcomes in self.served.items() if since <= second < until for ok in outcomes]
        return sum(calls) / len(calls)

    def slow_to_return(self) -> list[int]:
        """The seconds from BACK on, in which five seconds of calls were not served to 95 %."""
        return [at for at in range(int(ENDS + BACK), int(OVER) - 5) if self.goodput(at, at + 5) < 0.95]


async def live(caller: Caller, chance: random.Random) -> Outcome:
    backend = Backend()
    call = caller(backend, chance)
    served: dict[int, list[bool]] = {}

    async def one() -> None:
        outcomes = served.setdefault(int(anyio.current_time()), [])
        try:
            await call()
        except Exception:  # noqa: BLE001 - whatever it is, it was not served
            outcomes.append(False)
        else:
            outcomes.append(True)

    async with anyio.create_task_group() as tasks:
        while anyio.current_time() < OVER:
            tasks.start_soon(one)
            await anyio.sleep(chance.uniform(0.2, 1.8) / RATE)
    return Outcome(served, backend.asked)


def lived(caller: Caller, seed: int, backend: str = "asyncio") -> Outcome:
    chance = random.Random(seed)
    outcome = run(live, caller, chance, backend=backend)
    assert outcome.goodput(0, BEGINS - TIMEOUT) == 1
    assert outcome.goodput(BEGINS + TIMEOUT, ENDS - TIMEOUT) == 0
    return outcome


@pytest.mark.parametrize("seeds", SEEDS)
def test_naive_retries_keep_a_recovered_backend_down(seeds: range) -> None:
    """Forty seconds after the outage hardly a call is served, though the backend has room for all of them."""
    for seed in seeds:
        outcome = lived(naive, seed)
        assert outcome.goodput(ENDS, OVER) < 0.05
        assert outcome.asked.total() > 3 * 0.9 * RATE * (OVER - BEGINS)


@pytest.mark.parametrize("seeds", SEEDS)
def test_the_default_pipeline_comes_back(seeds: range) -> None:
    """From fifteen seconds after the outage on, more than 95 % of the calls are served, for good; and in all the
    backend is asked no more often than by callers who never retry.
    """
    for seed in seeds:
        outcome = lived(by_default, seed)
        assert outcome.slow_to_return() == []
        assert outcome.asked.total() < RATE * OVER


def test_on_trio_too() -> None:
    """One of the seeds."""
    assert lived(by_default, 0, "trio").slow_to_return() == []


def test_the_same_seed_is_the_same_outage() -> None:
    """To the last call: what goes wrong can be looked at again."""
    assert lived(by_default, 7) == lived(by_default, 7)
