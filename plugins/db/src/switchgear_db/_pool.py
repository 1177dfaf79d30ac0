"""The guard of an engine's pool: connects are admitted, and waiting for a connection is measured. Loads SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from switchgear.spi import Permit
from switchgear_db import _checkout
from switchgear_db import _metrics as metrics
from switchgear_db._operations import CONNECT

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

    from switchgear_db._waist import Waist

#: Seconds. What took less was no wait.
_NOTABLE = 0.001


def install(waist: Waist, pool: Any) -> None:
    """Guard a pool, and those that take its place when the engine is disposed of."""
    pool._creator = _creator(waist, pool._invoke_creator)
    _watch(waist, pool)


def _creator(waist: Waist, create: Callable[[Any], Any]) -> Callable[..., Any]:
    # The pool hands its record only to a function of exactly this signature.
    def connect(connection_record: ConnectionPoolEntry | None = None) -> Any:
        permit = _admit(waist)
        try:
            connection = create(connection_record)
        except BaseException as exc:
            waist.failed(permit, exc)
            raise
        # Only half of a call. A pool connects too seldom to be judged by it: the statement that follows tells.
        permit.release()
        waist.service.count(metrics.CONNECTS)
        return connection

    return connect


def _admit(waist: Waist) -> Permit:
    """A connection serves reads and writes: the breaker of either may admit it, lest the one starve with the other."""
    closed = waist.service.closed
    return waist.service.admit(CONNECT, waist.write if closed(waist.write) and not closed(waist.read) else waist.read)


def pipe(waist: Waist, pool: Any) -> None:
    """Let connections be taken inside the strategies of the service, if it has any."""
    if waist.service.pipeline is not None:
        _checkout.pipe(waist, pool)


def _watch(waist: Waist, pool: Any) -> None:
    pipe(waist, pool)
    take, recreate = pool.connect, pool.recreate

    def connect() -> PoolProxiedConnection:
        started = perf_counter()
        try:
            connection: PoolProxiedConnection = take()
        except PoolTimeoutError:
            waist.service.count(metrics.TIMEOUTS)
            raise
        except BaseException as exc:
            waist.unjudged(exc, CONNECT)  # in what SQLAlchemy asks of a new connection, or in a ping that hung
            raise
        finally:
            if (waited := perf_counter() - started) >= _NOTABLE:
                waist.service.observe(metrics.WAIT, waited)
        return connection

    def recreated() -> Pool:
        successor: Pool = recreate()  # it takes over the creator, but not these
        _watch(waist, successor)
        return successor

    pool.connect = connect
    pool.recreate = recreated
