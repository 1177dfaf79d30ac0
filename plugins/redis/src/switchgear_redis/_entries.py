"""Cached values with what a refresh needs to know: for how long they are fresh, and what they cost to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from redis.exceptions import RedisError, ResponseError

from switchgear_redis._classify import classify


class Entry(NamedTuple):
    """A value that was found. `fresh_for` is in seconds, below 0 when it is stale; `cost` is what loading it took."""

    value: Any
    fresh_for: float
    cost: float


class Entries:
    """Reads and writes entries; while the server does not serve, it finds nothing and keeps nothing.

    A stale entry stays for `stale` seconds. How long it is fresh is told by what is left of its time in the server, so
    no two clocks have to agree.
    """

    def __init__(
        self, client: Any, stale: float, dumps: Callable[[Any], str | bytes], loads: Callable[[Any], Any]
    ) -> None:
        self._client = client
        self._stale = stale
        self._dumps = dumps
        self._loads = loads

    async def read(self, key: str) -> Entry | None:
        """None where there is none, or it is none of ours. Raises what the server says no with."""
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                text, left = await pipeline.get(key).pttl(key).execute()
        except UnicodeDecodeError:
            return None
        except (RedisError, OSError) as exc:
            if isinstance(exc, ResponseError) and classify(exc).name != "FAILURE":
                raise
            return None
        if text is None or left < 0:
            return None
        cost, _, value = text.partition(b" " if isinstance(text, bytes) else " ")
        try:
            return Entry(self._loads(value), left / 1000 - self._stale, float(cost))
        except ValueError:
            return None

    async def write(self, key: str, value: object, ttl: float, cost: float) -> None:
        """Raises nothing that the server does: the value is there, and will be loaded again."""
        said = self._dumps(value)
        text = f"{cost:.6f} "
        entry = text.encode() + said if isinstance(said, bytes) else text + said
        try:
            await self._client.set(key, entry, px=int((ttl + self._stale) * 1000))
        except (RedisError, OSError):
            return
