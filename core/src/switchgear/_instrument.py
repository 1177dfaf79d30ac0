"""Guarding clients because they are made, without a line of code where that happens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from types import ModuleType, TracebackType
from typing import Any, Self

from switchgear._errors import ConfigurationError
from switchgear._gear import Switchgear
from switchgear._imports import when_imported
from switchgear._made import when_made
from switchgear._plugins import Plugins, PluginState
from switchgear._process import process_gear
from switchgear._redact import describe
from switchgear._spec import Backend

_log = logging.getLogger("switchgear")

#: Different reasons why clients are not guarded, of which the log is told.
_MOST = 20


class Instrumentation:
    """Guards each client that is made, until it is undone, which leaving it as a context manager does too.

    Clients that are guarded stay so. Where there are several, the latest guards what is made.
    """

    def __init__(self, gear: Switchgear, backends: Sequence[Backend[Any, Any]]) -> None:
        #: Where the clients are services.
        self.gear = gear
        self._undo = ExitStack()
        self._told: set[str] = set()
        for backend in backends:
            for method in backend.instrument.made_by if backend.instrument else ():
                module, _, name = method.partition(":")
                self._undo.callback(when_imported(module, partial(self._imported, backend, name)))

    def undo(self) -> None:
        """Guard no more of the clients that are made. Doing it twice does nothing."""
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.undo()

    def _imported(self, backend: Backend[Any, Any], method: str, module: ModuleType) -> None:
        try:
            self._undo.callback(when_made(module, method, partial(self._made, backend)))
        except Exception as exc:  # noqa: BLE001 - the application must get what it imports, guarded or not
            self._tell(backend, exc)

    def _made(self, backend: Backend[Any, Any], client: Any) -> None:
        try:
            self.gear.guard_automatically(client, backend)
        except Exception as exc:  # noqa: BLE001 - the application must get its client, guarded or not
            self._tell(backend, exc)

    def _tell(self, backend: Backend[Any, Any], exc: Exception) -> None:
        problem = ": ".join(describe(exc))
        if problem not in self._told and len(self._told) < _MOST:
            self._told.add(problem)
            _log.warning("A client of %s is not guarded, and works as it did. %s", backend.name, problem)


def instrument(gear: Switchgear | None = None, *, plugins: Sequence[str] | None = None) -> Instrumentation:
    """Guard every client that the process makes from now on: of these plugins, by default of all that are installed.

    The clients become services of `gear`, by default of process_gear(): those that are configured for their addresses,
    or ones that are named after these ("redis-127.0.0.1:6379") with what their plugins recommend. Who guards such a
    client by hand takes it over. No SDK is imported before the application does.

    The result takes it back by `undo()`, or as a context manager. A client that cannot be guarded works unguarded, and
    the log says why. Raises ConfigurationError, MissingDependency and PluginError for what cannot be used as it is
    given or configured.
    """
    found = Plugins()
    if plugins is None:
        backends = list(found.backends())
        for info in found.infos():
            if info.state not in {PluginState.ACTIVE, PluginState.BLOCKED}:
                _log.warning("Clients of the plugin %s are not guarded. %s", info.name, info.error)
    else:
        backends = [backend for name in plugins for backend in found.load(name)]
        for backend in backends:
            if backend.instrument is None:
                raise ConfigurationError(f"The backend {backend.name!r} does not say where its clients are made. Guard "
                                         "them by hand: gear.guard(client, ...).", key="plugins")  # fmt: skip
    gear = gear or process_gear()
    gear.show(found.loaded())
    return Instrumentation(gear, backends)
