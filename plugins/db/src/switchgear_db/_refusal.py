"""The errors of ours that users of SQLAlchemy already catch. Loads SQLAlchemy: imported when an engine is guarded."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as SqlalchemyTimeoutError

from switchgear.spi import CallNotPermitted, CallTimedOut


class DbCallNotPermitted(CallNotPermitted, OperationalError, ConnectionError):
    """The statement, or the connection for it, was refused before it reached the database, which is in trouble.

    `except sqlalchemy.exc.OperationalError` and `except SQLAlchemyError` catch it; SQLAlchemy does not wrap it, and
    keeps the connection. It is a ConnectionError too, as which asyncpg's failure to connect comes through SQLAlchemy.
    Its SQLSTATE, for code that looks there: 08001, unable to establish a connection.
    """

    sqlstate = pgcode = "08001"
    hide_parameters = False

    @property
    def orig(self) -> DbCallNotPermitted:  # type: ignore[override]  # a property, lest each refusal hold itself
        """Where SQLAlchemy's errors have the driver's: there is none but this."""
        return self

    @property
    def detail(self) -> list[str]:  # type: ignore[override]
        """SQLAlchemy's remarks, of which there are none."""
        return []

    @property
    def args(self) -> tuple[str]:  # type: ignore[override]  # made when it is read, as all refusals' texts
        """The text, as SQLAlchemy's errors have it here."""
        return (str(self),)


class DbCallTimedOut(CallTimedOut, SqlalchemyTimeoutError):
    """A connection could not be had in the time that the pipeline of the service allows. It is also SQLAlchemy's own
    error for that.
    """
