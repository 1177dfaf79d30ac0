"""An SDK that is imported or not, as a file, and the backend that a plugin has for it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchgear.spi import Backend, BreakerConfig, Instrument, Operation, Service

if TYPE_CHECKING:
    import pytest

_numbers = itertools.count()

SDK = """
class Client:
    service = None

    def __init__(self, host="127.0.0.1:1", shared=None):
        self.host = host
        self.shared = shared
        if host == "unguardable":
            raise ValueError(host)

    def call(self):
        service = self.service or getattr(self.shared, "service", None)
        if service is None:
            return "unguarded"
        with service.admit(OPERATION):
            return service.name
"""

CALL = Operation(name="acme.call")


@dataclass(frozen=True, kw_only=True)
class Settings:
    host: str = "127.0.0.1:1"


class Acme:
    """A module that nobody has imported yet, and its backend."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = f"acme_{next(_numbers)}"
        (folder / f"{self.name}.py").write_text(SDK.replace("OPERATION", "__import__('tests.acme').acme.CALL"))
        monkeypatch.syspath_prepend(str(folder))
        self.backend: Backend[Any, Settings] = self.backend_of()

    def backend_of(self, **changes: Any) -> Backend[Any, Settings]:
        instrument: Instrument[Any, Settings] = Instrument(
            made_by=(f"{self.name}:Client.__init__",),
            address=lambda client: None if client.host == "elsewhere" else client.host,
            address_in=lambda settings: settings.host,
        )
        fields: dict[str, Any] = {
            "name": "acme",
            "settings": Settings,
            "connect": self.connect,
            "guard": guard,
            "owner": owner,
            "instrument": instrument,
            "classify": lambda _: None,
            "recommended": BreakerConfig(consecutive_failures=7, probe_with="both"),
        }
        return Backend(**(fields | changes))

    @property
    def imported(self) -> bool:
        return self.name in sys.modules

    def client(self, *args: Any, **kwargs: Any) -> Any:
        return sys.modules[self.name].Client(*args, **kwargs)

    @asynccontextmanager
    async def connect(self, settings: Settings) -> AsyncIterator[Any]:
        yield __import__(self.name).Client(settings.host)


def guard(client: Any, service: Service) -> Any:
    if client.host == "odd":
        raise ValueError("cannot be guarded, with password=hunter2")
    (client.shared or client).service = service
    return client


def owner(client: Any) -> Service | None:
    service: Service | None = (client.shared or client).service
    return service


@contextmanager
def a_process_gear_of_its_own() -> Iterator[None]:
    """Whatever this process has made, inside there is none yet."""
    from switchgear import _process

    before, _process._made[:] = _process._made.copy(), []
    try:
        yield
    finally:
        _process._made[:] = before
