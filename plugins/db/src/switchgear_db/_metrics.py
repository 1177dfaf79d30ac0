"""What the guard counts, and what the pool shows of itself."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from switchgear.spi import Metric

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

TRANSACTIONS = "db_transactions"
CONTENTION = "db_contention"
MISCONFIGURED = "db_configuration_errors"
CONNECTS = "db_connects"
DISCONNECTS = "db_disconnects"
WAIT = "db_pool_wait"
TIMEOUTS = "db_pool_timeouts"
IN_USE = "db_pool_in_use"
IDLE = "db_pool_idle"
MOST = "db_pool_max"

#: SQLAlchemy has no public name for it.
OVERFLOW = "_max_overflow"

METRICS = (
    Metric(name=TRANSACTIONS, kind="counter", labels=("outcome",), help="Transactions ended by commit or by rollback."),
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
    Metric(name=WAIT, kind="counter", unit="seconds", help="Time spent waiting for connections of the pool."),
    Metric(name=TIMEOUTS, kind="counter", help="Times that the pool had no connection to give within its timeout."),
    Metric(name=IN_USE, kind="gauge", help="Connections taken from the pool at present."),
    Metric(name=IDLE, kind="gauge", help="Open connections waiting in the pool."),
    Metric(name=MOST, kind="gauge", help="Connections that the pool may have in use at once."),
)


def gauges(engine: AsyncEngine | Engine) -> Mapping[str, float]:
    """The pool at this moment; nothing for a pool that does not keep connections."""
    from sqlalchemy.pool import QueuePool

    pool: Any = engine.pool
    if not isinstance(pool, QueuePool):
        return {}
    overflow: int = getattr(pool, OVERFLOW)
    return {
        IN_USE: pool.checkedout(),
        IDLE: pool.checkedin(),
        MOST: inf if overflow < 0 else pool.size() + overflow,
    }
