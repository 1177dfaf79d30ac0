"""What an author tells the kit, and how the kit sees to it that all of it is checked."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from switchgear._errors import ConfigurationError
from switchgear._plugins import GROUP, Plugins
from switchgear._spec import Backend
from switchgear.testing.conformance._bench import Bench, benches
from switchgear.testing.conformance._source_tree import make_known
from switchgear.testing.conformance._surface import make_up

CheckT = TypeVar("CheckT", bound=Callable[..., Any])

_ONE_LOOP = "__switchgear_on_one_loop__"
#: Seconds for a check that is long.
_LONG = 600


def on_one_loop(check: CheckT) -> CheckT:
    """Mark a check that is long and the same on each event loop."""
    setattr(check, _ONE_LOOP, True)
    return check


class Suite:
    """The author's part: a server, settings, and ways to use the client.

    Mark methods with `@served`, `@rejected` and `@streamed`. The first that is served is what faults are tried with: an
    idempotent one, please.
    """

    #: The entry point's name.
    plugin: ClassVar[str] = ""
    #: Which of the plugin's backends, where it has several.
    backend_name: ClassVar[str] = ""
    #: Where the client runs.
    event_loops: ClassVar[tuple[str, ...]] = ("asyncio", "trio")
    #: Check -> why this plugin cannot pass it. Each is run all the same, and has to fail.
    deviations: ClassVar[Mapping[str, str]] = {}
    #: Method ("pubsub().get_message", "*.connect"), or what it belongs to ("pubsub()") -> why it may reach the server
    #: while the breaker is open. Reported as a deviation.
    unguarded: ClassVar[Mapping[str, str]] = {}
    #: Arguments for the client's methods, by the parameter's name.
    values: ClassVar[Mapping[str, Any]] = {}
    #: Texts, beside the settings with `repr=False`, that may show up nowhere.
    secrets: ClassVar[tuple[str, ...]] = ()

    def server(self) -> AbstractAsyncContextManager[Any]:
        """A server with a `port` on 127.0.0.1: one of switchgear.testing's, or your own."""
        raise NotImplementedError

    def settings(self, server: Any, port: int) -> Any:
        """The plugin's settings for that server, reached through this port, with timeouts below 1 s."""
        raise NotImplementedError

    async def prepare(self, client: Any) -> None:
        """Put on the fresh server what the ways need; the client is not guarded."""

    def connect(self, settings: Any) -> AbstractAsyncContextManager[Any]:
        """A client that is not guarded; by default as the plugin connects it."""
        client: AbstractAsyncContextManager[Any] = self.backend().connect(settings)
        return client

    def made_up(self, client: Any, method: str, parameter: inspect.Parameter) -> Any:
        """A value for a parameter of a method found by reflection; a dict for `**kwargs`, a list for `*args`."""
        return make_up(parameter, self.values)

    def backend(self) -> Backend[Any, Any]:
        """What is tested. Raises ConfigurationError where the plugin has several and `backend_name` is none of them."""
        self._make_known()
        backends = {backend.name: backend for backend in _backends(self.plugin)}
        name = self.backend_name or (self.plugin if self.plugin in backends else next(iter(backends)))
        if name not in backends:
            raise ConfigurationError.unknown("backend", name, backends, key="backend_name")
        return backends[name]

    def module(self) -> str:
        """The module that the entry point names."""
        return self._entry_point().module

    def sdk_modules(self) -> Iterable[str]:
        """The top-level modules that importing the plugin may not load; by default those of what its distribution
        requires."""
        dist = self._entry_point().dist
        required = {_name(requirement) for requirement in (dist.requires if dist else None) or ()}
        by_module = packages_distributions().items()
        return [module for module, dists in by_module if required & set(map(_name, dists)) and module != "switchgear"]

    def _entry_point(self) -> EntryPoint:
        self._make_known()
        (found,) = entry_points(group=GROUP, name=self.plugin)
        return found

    def _make_known(self) -> None:
        make_known(self.plugin, Path(inspect.getfile(type(self))))

    # -- how pytest runs it --------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run all checks on each of the event loops."""
        if "anyio_backend" in metafunc.fixturenames:
            long = hasattr(metafunc.function, _ONE_LOOP)
            # Also of one whose server or client cannot even be set up, which is before any fixture could say so.
            marks = list(self._deviation(metafunc.function.__name__))
            if long and metafunc.config.pluginmanager.hasplugin("timeout"):
                # Clients with hundreds of methods take their time: no limit that is meant for unit tests may end that.
                marks.append(pytest.mark.timeout(_LONG))
            loops = [pytest.param(loop, marks=marks) for loop in self.event_loops[: 1 if long else None]]
            metafunc.parametrize("anyio_backend", loops, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    async def served_by(cls, anyio_backend: object) -> AsyncGenerator[Any]:  # noqa: ARG003 - one for each loop
        """The server, with what the ways need."""
        suite = cls()
        async with suite.server() as server:
            async with suite.connect(suite.settings(server, server.port)) as client:
                await suite.prepare(client)
            yield server

    @pytest.fixture
    async def bench(self, served_by: Any) -> AsyncGenerator[Bench]:
        """A client of that server, fresh and guarded."""
        async with benches(self, served_by) as bench:
            yield bench

    @pytest.fixture(autouse=True)
    def _deviates(self, request: pytest.FixtureRequest) -> None:
        if "anyio_backend" not in request.fixturenames:
            for mark in self._deviation(request.node.originalname):
                request.applymarker(mark)

    def _deviation(self, check: str) -> Iterator[pytest.MarkDecorator]:
        if reason := self.deviations.get(check.removeprefix("test_")):
            yield pytest.mark.xfail(reason=reason, strict=True)


@cache
def _backends(plugin: str) -> tuple[Backend[Any, Any], ...]:
    # Once: a service's backend is known by its identity. No allow-list holds here: the author names the plugin.
    return Plugins(environ={}).load(plugin)


def _name(requirement: str) -> str:
    """The distribution's name, as they are compared."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""
