"""The pool and its connections: where the guard hangs, and what reaches those who borrow without being guarded."""

# redis-py is annotated in part, and the waist of a client is private in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import sys
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from redis.asyncio.connection import ConnectionPool
from redis.backoff import AbstractBackoff

from switchgear.spi import CallNotPermitted
from switchgear_redis._admission import Guard
from switchgear_redis._adopt import adopt
from switchgear_redis._commands import CONNECT

if TYPE_CHECKING:
    from redis.asyncio.retry import Retry


class RefusableBackoff(AbstractBackoff):
    """Asked how long to wait before the next attempt, it may say: for ever.

    redis-py asks while it handles the error of the attempt that failed. So every failed attempt passes here that would
    have another, and a command that succeeds costs nothing. A refusal ends the retries, though it is a ConnectionError.
    """

    def compute(self, failures: int) -> float:
        error = sys.exception()
        if isinstance(error, Exception) and (isinstance(error, CallNotPermitted) or not self.may_retry(error)):
            raise error
        wait: float = super().compute(failures)  # type: ignore[safe-super]  # a real backoff is next in line
        return wait

    def may_retry(self, error: Exception) -> bool:
        """Whether there may be another attempt after this error."""
        return True


class GuardedBackoff(RefusableBackoff):
    """Takes the evidence of failed attempts. The guard hangs on the class, so that redis-py's copies share it."""

    guard: ClassVar[Guard]

    def may_retry(self, error: Exception) -> bool:
        return self.guard.attempt_failed(error)


class GuardedPool(ConnectionPool):
    """A pool that knows its guard. Guarded clients are admitted before they borrow; others are admitted here."""

    switchgear_guard: Guard
    switchgear_backoff: type[GuardedBackoff]

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        # No coroutine of our own around that of a guarded client: every command comes along here.
        if self.switchgear_guard.current() is not None:
            return super().get_connection(*args, **kwargs)
        return self._lend(*args, **kwargs)

    async def _lend(self, *args: Any, **kwargs: Any) -> Any:
        with self.switchgear_guard.admit(CONNECT):
            return await super().get_connection(*args, **kwargs)

    def make_connection(self) -> Any:
        connection = super().make_connection()
        adopt(connection.retry._backoff, self.switchgear_backoff)  # its own copy of what the pool was given
        return connection

    def set_retry(self, retry: Retry) -> None:
        super().set_retry(with_backoff(retry, self.switchgear_backoff))


def with_backoff(retry: Retry, guarded: type[RefusableBackoff]) -> Retry:
    """A copy of what may also be somebody else's, with its backoff guarded."""
    retry = deepcopy(retry)
    adopt(retry._backoff, guarded)
    return retry


def guard_of(borrower: Any) -> Guard | None:
    """The guard of the pool that a client, pipeline or subscription borrows from."""
    return getattr(borrower.connection_pool, "switchgear_guard", None)


def guard_pool(pool: ConnectionPool, guard: Guard) -> None:
    """Guard a pool with all the connections that it has and will have. One that is guarded gets another guard."""
    if isinstance(pool, GuardedPool):
        pool.switchgear_guard = pool.switchgear_backoff.guard = guard
        return
    backoff = type("GuardedBackoff", (GuardedBackoff,), {"guard": guard})
    guarded: Any = adopt(pool, GuardedPool)
    guarded.switchgear_guard, guarded.switchgear_backoff = guard, backoff
    for connection in (*pool._available_connections, *pool._in_use_connections):
        connection.retry = with_backoff(connection.retry, backoff)
