"""One of all processes at a time."""

from __future__ import annotations

from typing import Any, Self
from uuid import uuid4

import anyio
from redis.exceptions import RedisError

#: Only who has it may give it back: it may have run out, and be another's.
_GIVE_BACK = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end return 0"

#: Seconds that giving it back may take; it runs out by itself.
_GIVING_BACK = 1.0


class Lease:
    """The right to do something, for so many seconds; what is left of it is given back at the end of the block.

    It saves work and guards nothing: while the server does not serve, everybody has it.
    """

    def __init__(self, client: Any, key: str, seconds: float) -> None:
        self._client = client
        self._key = key
        self._milliseconds = max(1, int(seconds * 1000))
        self._token = uuid4().hex
        self._ours = False

    async def take(self) -> bool:
        """Whether it is ours now."""
        try:
            self._ours = bool(await self._client.set(self._key, self._token, nx=True, px=self._milliseconds))
        except (RedisError, OSError):
            return True
        return self._ours

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._ours:
            return
        with anyio.move_on_after(_GIVING_BACK, shield=True):  # also while being cancelled
            try:
                await self._client.eval(_GIVE_BACK, 1, self._key, self._token)
            except (RedisError, OSError):
                return
