"""A service's strategies, round the taking of a connection. Loads SQLAlchemy.

Not round statements. One that waited for a place in a bulkhead would do so while its transaction holds a connection,
and locks that those before it may be waiting for; and one that failed cannot be tried again without all that its
transaction did before. Who takes a connection holds nothing yet. So that is what is limited, tried again and given up
after a time; and the place is the connection's until the pool has it back, for so long the server is busy with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import await_only, greenlet_spawn

from switchgear.spi import ConfigurationError, Service
from switchgear_db._operations import CHECKOUT

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from switchgear_db._waist import Waist

#: In what a pool's record knows of itself: how to give back the places of its connection, by the times it was taken.
_PLACES = "switchgear_db.places"

#: On a pool: its connections are taken inside strategies, if there are any.
_PIPED = "_switchgear_db_piped"

#: What they answer with, or leave behind, is no connection.
_OUT_OF_PLACE = ("fallback", "hedge")


def check(service: Service, *, is_async: bool) -> None:
    """Raises ConfigurationError for strategies that cannot stand round the taking of a connection."""
    if service.pipeline is None:
        return
    key = f"services.{service.name}.pipeline"
    if not is_async:
        raise ConfigurationError(
            "The strategies of a pipeline need an event loop, and this engine is made for threads. Guard an "
            "AsyncEngine, or leave the pipeline out.",
            key=key,
        )
    for name in filter(service.has, _OUT_OF_PLACE):
        raise ConfigurationError(
            f"A database's pipeline stands round the taking of a connection, for which there is no {name}. Put it "
            "round the function that does the whole transaction, in a pipeline of its own: @sg.Pipeline(...).",
            key=f"{key}.{name}",
        )


def pipe(waist: Waist, pool: Any) -> None:
    """Let connections of the pool be taken inside the strategies of the engine's service."""
    if hasattr(pool, _PIPED):
        return
    setattr(pool, _PIPED, True)
    take, take_back = pool.connect, pool._do_return_conn

    def connect() -> PoolProxiedConnection:
        places: list[Callable[[], None]] = []
        attempt = partial(greenlet_spawn, take)
        try:
            connection: Any = await_only(waist.service.run(CHECKOUT, waist.read, attempt, places))
        except BaseException:
            _leave(places)
            raise
        connection._connection_record.record_info.setdefault(_PLACES, []).append(places)
        return connection  # type: ignore[no-any-return]

    def returned(record: ConnectionPoolEntry) -> None:
        taken = (record.record_info or {}).get(_PLACES)
        try:
            take_back(record)
        finally:
            if taken:
                _leave(taken.pop())

    pool.connect = connect
    pool._do_return_conn = returned


def _leave(places: list[Callable[[], None]]) -> None:
    while places:
        places.pop()()
