"""What a refused command raises, and one that takes too long."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from switchgear.spi import CallNotPermitted, CallTimedOut


class RedisCallNotPermitted(CallNotPermitted, RedisConnectionError):
    """The command was refused before it reached the server.

    It is also redis-py's own error for an unreachable server, so that existing `except redis.ConnectionError` clauses
    and what they fall back on keep working. redis-py retries such errors; a guarded client does not retry this one.
    """

    # What redis-py 8 sets on its errors when they are made, and its repr and its metrics read.
    error_type: Any = getattr(RedisConnectionError(), "error_type", None)
    status_code = None


class RedisCallTimedOut(CallTimedOut, RedisTimeoutError):
    """The command took longer than the pipeline of its service allows. It is also redis-py's own error for that."""

    error_type: Any = getattr(RedisTimeoutError(), "error_type", None)
    status_code = None
