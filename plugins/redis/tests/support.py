"""What the tests share: quick breakers, a witness of what they decide, and ways to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import anyio
import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from switchgear import BreakerConfig, Refused, Settled, Switchgear, Transition, Verdict
from switchgear_redis import BACKEND
from tests.untouched import untouched

#: Of redis-py: (8, 1).
VERSION = tuple(int(part) for part in redis.__version__.split(".")[:2])

#: As recommended, but a test has no time to wait for seconds.
QUICK = replace(BACKEND.recommended, wait_duration_in_open=0.2, permitted_calls_in_half_open=1, ramp=None)
#: Opens at the first failure.
TOUCHY = replace(QUICK, consecutive_failures=1)
#: Opens, and stays so.
LASTING = replace(TOUCHY, wait_duration_in_open=600.0)


class Witness:
    """One gear, and all that its breakers say."""

    def __init__(self) -> None:
        self.gear = Switchgear()
        self.settled: list[Settled] = []
        self.refused: list[Refused] = []
        self.moved: list[Transition] = []
        self.gear.subscribe(self)

    def on_settled(self, event: Settled) -> None:
        self.settled.append(event)

    def on_refused(self, event: Refused) -> None:
        self.refused.append(event)

    def on_transition(self, event: Transition) -> None:
        self.moved.append(event)

    def guard(self, client: Any, breaker: BreakerConfig = QUICK, *, name: str = "cache") -> Any:
        return self.gear.guard(client, BACKEND, name=name, breaker=breaker)

    @property
    def verdicts(self) -> list[tuple[str, Verdict]]:
        return [(event.operation, event.verdict) for event in self.settled]

    @property
    def in_flight(self) -> int:
        return sum(snapshot.in_flight for snapshot in self.gear.service("cache").group.snapshots())

    def states(self) -> dict[str, str]:
        """State by domain, without the address; "" is the whole service."""
        snapshots = self.gear.service("cache").group.snapshots()
        return {snapshot.domain.rpartition("/")[2]: str(snapshot.state) for snapshot in snapshots}

    def force_open(self) -> None:
        self.gear.service("cache").group.force_open("the test says so")

    def count(self, metric: str) -> float:
        return self.gear.service("cache").counts().get((metric, ()), 0)


def bare(port: int, **options: Any) -> Any:
    """An unguarded client with the retries of redis-py 8, ten of them, whatever this version's are."""
    if options.get("retry", ...) is not None:
        options.setdefault("retry", Retry(ExponentialBackoff(base=0.01, cap=1), 10))
        options["retry_on_error"] = [redis.ConnectionError, redis.TimeoutError]
    return Redis(**{"host": "127.0.0.1", "port": port, **options})


async def outcome(call: Awaitable[Any]) -> Any:
    """What the caller sees: the result, or the exception, which no guard has touched."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test asks for
        return untouched(error)


async def timed(call: Awaitable[Any]) -> tuple[Any, float]:
    """The outcome, and how many seconds it took."""
    started = perf_counter()
    return await outcome(call), perf_counter() - started


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Waits for something that happens by itself; TimeoutError when it does not."""
    with anyio.fail_after(seconds):
        while not await condition():
            await anyio.sleep(0.01)


async def serves(client: Any) -> bool:
    return not isinstance(await outcome(client.get("key")), Exception)
