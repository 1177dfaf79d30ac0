"""Cache misses that do not become a stampede."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from math import inf, log
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar, cast

import anyio

from switchgear import Bulkhead, Pipeline
from switchgear.spi import ConfigurationError
from switchgear_redis._entries import Entries, Entry
from switchgear_redis._lease import Lease

T = TypeVar("T")

_NONE: Any = object()

#: Seconds between two looks at whether another process has loaded the value: the first pause, and the longest.
_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


class Flight:
    """One caller on his way for a key, for whom the others wait."""

    __slots__ = ("error", "landed", "traceback", "value")

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.value: Any = _NONE
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None

    def land(self, value: object) -> None:
        self.value = value
        self.landed.set()

    def crash(self, error: Exception) -> None:
        self.error, self.traceback = error, error.__traceback__


class SingleFlight:
    """`await flights.get_or_set(key, load, ttl=60)`: the value of a key in the cache, or else of `load`, which is then
    cached. Of those who ask for a key at the same time one goes for it, and loads it where it is not there; the others
    wait for him, and have the same object.

        flights = SingleFlight(gear.client("cache"), stale=600, pipeline=Pipeline(Bulkhead(20, queue=500), Timeout(2)))

    While Redis is down this holds too, and all loads together go through `pipeline`, by default a bulkhead of 10 with
    places for 1000 to wait: the database behind is not asked by everybody at once.

    `early`: before a value runs out it is refreshed by some caller, by chance and the more likely the nearer the end is
    and the longer loading takes, while the others have the old one (XFetch; more than 1 is earlier, 0 is never).
    `stale`: for so many seconds after it has run out, a value still answers where loading it fails. `lease`: one
    process at a time loads a key, for at most so many seconds; the others wait for it, or have the old value. `dumps`
    and `loads` turn values into text or bytes and back; by default it is JSON.

    Who is cancelled while it loads for others is replaced by one of them.
    """

    def __init__(
        self,
        client: Any,
        *,
        early: float = 1.0,
        stale: float = 0.0,
        lease: float | None = None,
        pipeline: Pipeline | None = None,
        dumps: Callable[[Any], str | bytes] = json.dumps,
        loads: Callable[[Any], Any] = json.loads,
        roll: Callable[[], float] = random.random,
    ) -> None:
        for name, value in (("early", early), ("stale", stale), ("lease", lease or 0.0)):
            if not 0 <= value < inf:
                raise ConfigurationError(f"{name} = {value} cannot be. Give a number, 0 or more.", name)
        self._client = client
        self._early = early
        self._lease = lease
        self._pipeline = pipeline or Pipeline(Bulkhead(10, queue=1000), name="load")
        self._entries = Entries(client, stale, dumps, loads)
        self._roll = roll
        self._flights: dict[str, Flight] = {}

    async def get_or_set(self, key: str, load: Callable[[], Awaitable[T]], *, ttl: float) -> T:
        """The value, fresh for `ttl` seconds since it was loaded. Raises what `load` raises, for all who wait for it,
        LimitExceeded where too many wait, and what Redis says no with (a key of another type).
        """
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error.with_traceback(flight.traceback)  # else it grows with each who raises it
            if flight.value is not _NONE:
                return cast("T", flight.value)
        flight = self._flights[key] = Flight()
        try:
            return await self._lead(key, load, ttl, flight)
        except Exception as exc:
            flight.crash(exc)
            raise
        finally:
            del self._flights[key]
            flight.landed.set()

    def _due(self, entry: Entry) -> bool:
        """Whether this caller refreshes a value that is still fresh: Vattani et al., Optimal Probabilistic Cache
        Stampede Prevention.
        """
        return -self._early * entry.cost * log(1.0 - self._roll()) >= entry.fresh_for

    async def _lead(self, key: str, load: Callable[[], Awaitable[T]], ttl: float, flight: Flight) -> T:
        entry = await self._entries.read(key)
        if entry is not None and entry.fresh_for > 0:
            flight.land(entry.value)  # also where it is refreshed now: the others need not wait for that
            if not self._due(entry):
                return cast("T", entry.value)
        if self._lease is None:
            return await self._load(key, load, ttl, flight, entry)
        async with Lease(self._client, f"{key}:lease", self._lease) as lease:
            elsewhere = await self._wait(lease, key, entry)
            if elsewhere is not None:
                flight.land(elsewhere.value)
                return cast("T", elsewhere.value)
            return await self._load(key, load, ttl, flight, entry)

    async def _load(
        self, key: str, load: Callable[[], Awaitable[T]], ttl: float, flight: Flight, entry: Entry | None
    ) -> T:
        started = monotonic()
        try:
            value = await self._pipeline.call(load)
        except Exception:
            if entry is None:
                raise
            flight.land(entry.value)
            return cast("T", entry.value)
        flight.land(value)  # nobody needs to wait for it to be written
        await self._entries.write(key, value, ttl, monotonic() - started)
        return value

    async def _wait(self, lease: Lease, key: str, entry: Entry | None) -> Entry | None:
        """What another process has loaded, or an old value to go on with while it does; None: the lease is ours."""
        pause = 0.0
        while True:
            ours = await lease.take()
            if not ours and entry is not None:
                return entry
            if pause:  # the other one may have loaded it, and perhaps given the lease back
                loaded = await self._entries.read(key)
                if loaded is not None and loaded.fresh_for > 0:
                    return loaded
            if ours:
                return None
            pause = min(2 * pause or _PAUSE, _LONGEST_PAUSE)
            await anyio.sleep(pause)
