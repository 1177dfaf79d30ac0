"""What a refused command raises."""

# redis-py is annotated in part.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from switchgear import Cause
from switchgear.spi import CallNotPermitted, State


class RedisCallNotPermitted(CallNotPermitted, RedisConnectionError):
    """The command was refused before it reached the server.

    It is also redis-py's own error for an unreachable server, so that existing `except redis.ConnectionError` clauses
    and what they fall back on keep working. redis-py retries such errors; a guarded client does not retry this one.
    """

    def __init__(  # noqa: PLR0917 - as those of CallNotPermitted
        self,
        breaker: str,
        domain: str,
        state: State,
        retry_after: float | None,
        reason: str,
        causes: tuple[Cause, ...] = (),
    ) -> None:
        RedisConnectionError.__init__(self)  # redis-py's metrics read attributes that it sets
        CallNotPermitted.__init__(self, breaker, domain, state, retry_after, reason, causes)

    def __reduce__(self) -> tuple[Any, ...]:
        # A cluster client hangs its node on the errors that pass through it, and that does not pickle.
        return type(self), (self.breaker, self.domain, self.state, self.retry_after, self.reason, self.causes)
