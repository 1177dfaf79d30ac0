"""What a refused command raises."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from switchgear.spi import CallNotPermitted


class RedisCallNotPermitted(CallNotPermitted, RedisConnectionError):
    """The command was refused before it reached the server.

    It is also redis-py's own error for an unreachable server, so that existing `except redis.ConnectionError` clauses
    and what they fall back on keep working. redis-py retries such errors; a guarded client does not retry this one.
    """

    # What redis-py 8 sets on its errors when they are made, and its repr and its metrics read.
    error_type: Any = getattr(RedisConnectionError(), "error_type", None)
    status_code = None
