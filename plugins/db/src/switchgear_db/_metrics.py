"""What the guard counts, and what the pool shows of itself."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING

from switchgear.spi import Metric

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import QueuePool

TRANSACTIONS = "transactions"
ROWS = "rows"
CONTENTION = "contention"
MISCONFIGURED = "configuration_errors"
CONNECTS = "connects"
DISCONNECTS = "disconnects"
WAIT = "pool_wait"
TIMEOUTS = "pool_timeouts"
IN_USE = "pool_in_use"
IDLE = "pool_idle"
MOST = "pool_max"

#: SQLAlchemy has no public name for it.
OVERFLOW = "_max_overflow"

METRICS = (
    Metric(name=TRANSACTIONS, kind="counter", labels=("outcome",), help="Transactions ended by commit or by rollback."),
    Metric(
        name=ROWS,
        kind="counter",
        labels=("statement",),
        help="Rows returned or changed, where the driver says at once: SQLite's not when it reads, none of a stream.",
    ),
    Metric(
        name=CONTENTION,
        kind="counter",
        labels=("kind",),
        help="Statements that lost to other sessions: deadlock, serialization, lock, cancelled.",
    ),
    Metric(
        name=MISCONFIGURED, kind="counter", help="Credentials, databases or schemas that the server did not accept."
    ),
    Metric(name=CONNECTS, kind="counter", help="Connections made."),
    Metric(name=DISCONNECTS, kind="counter", help="Connections found dead while in use."),
    Metric(
        name=WAIT,
        kind="histogram",
        unit="seconds",
        help="Time spent waiting for a connection of the pool, where it was 1 ms or more.",
        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
    Metric(name=TIMEOUTS, kind="counter", help="Times that the pool had no connection to give within its timeout."),
    Metric(name=IN_USE, kind="gauge", help="Connections taken from the pool at present."),
    Metric(name=IDLE, kind="gauge", help="Open connections waiting in the pool."),
    Metric(name=MOST, kind="gauge", help="Connections that the pool may have in use at once."),
)


def gauges(engine: AsyncEngine | Engine) -> Mapping[str, float]:
    """The pool at this moment; nothing for a pool that does not keep connections."""
    pool = _queue_pool(engine)
    return {} if pool is None else {IN_USE: pool.checkedout(), IDLE: pool.checkedin(), MOST: _most(pool)}


def saturation(engine: AsyncEngine | Engine) -> Mapping[str, float]:
    """The share of the connections that there may be at once which are taken: of pool_size + max_overflow, whichever of
    the two they are of, since nobody waits before the last one is gone. So a pool of 5 + 10 with 5 in use is a third
    full. Nothing for a pool without a limit (max_overflow = -1, NullPool), or of one connection for all (StaticPool).
    """
    pool = _queue_pool(engine)
    return {} if pool is None or _most(pool) == inf else {"pool": pool.checkedout() / _most(pool)}


def _queue_pool(engine: AsyncEngine | Engine) -> QueuePool | None:
    from sqlalchemy.pool import QueuePool

    return engine.pool if isinstance(engine.pool, QueuePool) else None


def _most(pool: QueuePool) -> float:
    overflow: int = getattr(pool, OVERFLOW)
    return inf if overflow < 0 else pool.size() + overflow
