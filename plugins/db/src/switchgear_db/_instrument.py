"""Where engines come from, where they go, and whose they are. Asked when there is one, so SQLAlchemy is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchgear.spi import Instrument, Service
from switchgear_db._settings import DbSettings

if TYPE_CHECKING:
    from sqlalchemy import URL


def owner(engine: Any) -> Service | None:
    """The service that guards an engine."""
    from switchgear_db._guard import waist_of

    waist = waist_of(engine)
    return None if waist is None else waist.service


def _address(engine: Any) -> str:
    return _address_of(engine.url)


def _address_in(settings: DbSettings) -> str | None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return _address_of(make_url(settings.url))
    except (ArgumentError, ValueError):  # whoever connects it will say so
        return None


def _address_of(url: URL) -> str:
    """Host, port and database."""
    from switchgear_db._guard import address

    host = address(url)
    return host if url.database in {None, host} else f"{host}/{url.database}"


INSTRUMENT: Instrument[Any, DbSettings] = Instrument(
    made_by=("sqlalchemy.engine.interfaces:Dialect.engine_created",), address=_address, address_in=_address_in
)
