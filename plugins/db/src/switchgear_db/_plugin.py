"""The door that SQLAlchemy has for plugins: an engine is guarded because its URL says so.

create_async_engine("postgresql+asyncpg://me@host/shop?plugin=switchgear&switchgear_name=orders")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import CreateEnginePlugin

import switchgear
from switchgear_db import BACKEND

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

#: Of the URL, or of create_engine: the service that the engine is; by default the one at its address.
_NAME = "switchgear_name"


class SwitchgearPlugin(CreateEnginePlugin):
    """Guards an engine as a service of switchgear.process_gear()."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        named = url.query.get(_NAME)
        self._name: str | None = kwargs.pop(_NAME, named[-1] if isinstance(named, tuple) else named)

    def update_url(self, url: URL) -> URL:
        """Without what is ours, which no driver knows."""
        return url.difference_update_query([_NAME])

    def engine_created(self, engine: Engine) -> None:
        """Guard it."""
        switchgear.process_gear().guard(engine, BACKEND, name=self._name)
