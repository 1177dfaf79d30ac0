"""Arguments of the drivers' connect() that make every wait end: by default they wait for ever on a server that hangs.

Each statement has two deadlines. The server keeps the first and says so (SQLSTATE 57014), and the connection goes on.
The second, a second later, is for a server that says nothing: we keep it, and close the connection. No driver does that
by itself: each would first ask the server to cancel, and wait for its consent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Any

from switchgear_db._classify import code_of
from switchgear_db._settings import DbSettings

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

#: Seconds that the server has to say that it ended a statement.
_GRACE = 1.0


def _asyncpg(settings: DbSettings) -> dict[str, Any]:
    return {
        "timeout": settings.connect_timeout,
        "command_timeout": settings.statement_timeout + _GRACE,
        "server_settings": {"statement_timeout": str(round(1000 * settings.statement_timeout))},
    }


def _psycopg(settings: DbSettings) -> dict[str, Any]:
    return {
        "connect_timeout": ceil(settings.connect_timeout),
        "options": f"-c statement_timeout={round(1000 * settings.statement_timeout)}",
        "async_creator_fn": _impatient(settings.statement_timeout + _GRACE).connect,
    }


def _aiosqlite(settings: DbSettings) -> dict[str, Any]:
    return {"timeout": settings.statement_timeout}


#: The drivers we can connect through.
DEADLINES: Mapping[str, Callable[[DbSettings], dict[str, Any]]] = {
    "asyncpg": _asyncpg,
    "psycopg": _psycopg,
    "psycopg_async": _psycopg,
    "aiosqlite": _aiosqlite,
}


def _impatient(deadline: float) -> Any:
    """The connection class of psycopg, with a deadline, in seconds, for each exchange with the server: it has none."""
    import psycopg

    class ImpatientConnection(psycopg.AsyncConnection[Any]):
        async def wait(self, *arguments: Any, **named: Any) -> Any:
            late = False

            def close() -> None:
                nonlocal late
                late = True
                # From below, so that psycopg finds the connection broken instead of negotiating about it.
                with suppress(psycopg.Error, OSError), socket.socket(fileno=socket.dup(self.pgconn.socket)) as wire:
                    wire.shutdown(socket.SHUT_RDWR)

            timer = asyncio.get_running_loop().call_later(deadline, close)
            try:
                return await super().wait(*arguments, **named)
            except psycopg.OperationalError as exc:
                if late:
                    said = f"the server did not answer within {deadline:g} s, so the connection was closed"
                    raise psycopg.OperationalError(said) from exc
                raise
            finally:
                timer.cancel()

    return ImpatientConnection


def give_up(context: ExceptionContext) -> None:
    """Part with a server that is of no more use; listens to SQLAlchemy's errors.

    After asyncpg's deadline it is not asked to cancel, nor to say goodbye. And a write refused as read-only tells of a
    failover. Either way the whole pool connects anew, perhaps to another.
    """
    exc = context.original_exception
    connection = context.connection
    if code_of(exc) == "25006":
        context.is_disconnect = True
    elif isinstance(exc, TimeoutError) and connection and not (connection.closed or connection.invalidated):
        driver_connection: Any = connection.connection.driver_connection
        if hasattr(driver_connection, "terminate"):
            driver_connection.terminate()
            context.is_disconnect = context.invalidate_pool_on_disconnect = True
