"""The board: an application's services, their clients and their breakers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from os import PathLike
from threading import RLock
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload
from weakref import ref

import anyio

from switchgear._assemble import assemble
from switchgear._breaker_config import BreakerConfig
from switchgear._bus import Bus
from switchgear._circuit import CircuitBreaker, roll
from switchgear._clock import Clock, monotonic
from switchgear._criticality import Criticality
from switchgear._errors import ConfigurationError, MissingDependency, SwitchgearError
from switchgear._gate import Gate, gate
from switchgear._graph import Capability
from switchgear._group import BreakerGroup
from switchgear._heartbeat import Heartbeat
from switchgear._level import Level
from switchgear._lock import fork_safe
from switchgear._manager import DegradationManager
from switchgear._naming import Names
from switchgear._pipeline import Strategy
from switchgear._prober import Prober
from switchgear._redact import redact
from switchgear._report import Report
from switchgear._service import Service
from switchgear._shed import Shed
from switchgear._spec import Backend

if TYPE_CHECKING:
    from switchgear._gear_config import GearConfig, ServiceConfig
    from switchgear._plugins import PluginInfo

ClientT = TypeVar("ClientT")
P = ParamSpec("P")
T = TypeVar("T")

#: What a plugin says of its settings may be a paragraph, in characters.
_LONGEST = 1000

#: Clients may be made, and guarded, by several threads at once. One for all gears: nobody waits for it but those.
_guarding = fork_safe(RLock())

#: Closing all clients may take so long, in seconds, even when the application is being cancelled.
_CLOSING = 10.0


class Switchgear:
    """The services of one application.

    `async with Switchgear.from_toml(path) as gear:` connects what is configured and closes it again, in reverse order,
    also when a later one fails to connect. `guard(client, backend, name=...)` adds a client that the application made.
    While it is entered, services whose breakers are open are checked on actively, where their configuration says so.
    """

    def __init__(
        self, config: GearConfig | None = None, *, clock: Clock = monotonic, roll: Callable[[], float] = roll
    ) -> None:
        self._config = config
        self._roll = roll  # chance, 0..1: of waits, and of who comes back first
        self.clock = clock
        self._bus = Bus()
        #: What the application can still offer, why, and an operator's say in it.
        self.degradation = DegradationManager(clock=clock, bus=self._bus, roll=roll)
        self._bus.subscribe(self.degradation)
        self._configured = {service.name: service for service in config.services} if config else {}
        if config is not None:
            requires = {service.name: service.requires for service in config.services}
            self.degradation.declare(requires, config.capabilities)
        self._names = Names(list(self._configured.values()))
        #: Requests of the application's own users that were not begun, since others matter more.
        self.shed = Shed()
        self._found: tuple[PluginInfo, ...] = ()
        self._heartbeat: Heartbeat | None = None
        self._services: dict[str, Service] = {}
        self._clients: dict[str, Any] = {}
        self._stack: AsyncExitStack | None = None
        self._closing: anyio.CancelScope

    @classmethod
    def from_toml(cls, path: str | PathLike[str], *, clock: Clock = monotonic) -> Switchgear:
        """The services of a configuration file. Raises ConfigurationError, with all that is wrong, and
        MissingDependency where configurations cannot be read (they need an extra).
        """
        from switchgear._config import read_toml

        return cls(read_toml(path), clock=clock)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, clock: Clock = monotonic) -> Switchgear:
        """The services of the environment: SWITCHGEAR_CONFIG names a file, SWITCHGEAR__SERVICES__... set single keys.
        Raises as from_toml.
        """
        from switchgear._config import read_environment

        return cls(read_environment(environ), clock=clock)

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise SwitchgearError("This Switchgear is entered already. Make one for each application, enter it once.")
        self._stack = AsyncExitStack()
        # Entered first, so left last: scopes are nested. It has no effect until the gear is closed.
        self._closing = self._stack.enter_context(anyio.CancelScope())
        try:
            for configured in self._configured.values():
                with _in_words(configured):
                    client = await self._stack.enter_async_context(configured.backend.connect(configured.settings))
                self.guard(client, configured.backend, name=configured.name)
            self._heartbeat = self._make_heartbeat()
            tasks = await self._stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self._heartbeat.run)
            self._stack.callback(tasks.cancel_scope.cancel)
            self._stack.callback(self.subscribe(self._heartbeat))
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        # Connections must be closed also when the application is being cancelled, but not for ever.
        self._closing.shield = True
        self._closing.deadline = anyio.current_time() + _CLOSING
        if self._stack is not None:
            await self._stack.aclose()

    # -- services ------------------------------------------------------------------------------------------------

    def guard(
        self, client: ClientT, backend: Backend[ClientT, Any], *, name: str | None = None,
        breaker: BreakerConfig | None = None, pipeline: Sequence[Strategy] | None = None,
    ) -> ClientT:  # fmt: skip
        """Guard an existing client as the service `name`, and return it. For a service that the configuration names,
        what it says holds. `breaker` replaces what the backend recommends. `pipeline` puts strategies round its calls,
        outermost first, the breaker in its place among them. Guarding a second client under a name makes both one
        service; they share its breakers and its strategies.

        Without a name it becomes the service that is configured for the client's address, or one that is named after
        it: "redis-127.0.0.1:6379".

        Raises ConfigurationError if the name is taken by a service of another backend, or by a capability, for a client
        that another service guards already, and for strategies that do not fit each other.
        """
        if name is None:
            name = self._name_of(client, backend)
            if name is None:
                raise ConfigurationError(f"A client of the backend {backend.name!r} cannot be told by its address. "
                                         "Guard it under a name.")  # fmt: skip
        with _guarding:
            return self._guard(client, backend, name, breaker=breaker, pipeline=pipeline)

    def guard_automatically(self, client: ClientT, backend: Backend[ClientT, Any]) -> None:
        """Guard a client because it was made, as `instrument()` does; it may turn out to be none of the backend's. Who
        guards it by hand takes it over. Raises as `guard` does.
        """
        name = self._name_of(client, backend)
        if name is None:
            return
        with _guarding:
            owner = backend.owner(client) if backend.owner is not None else None
            if owner is None:
                service = self._service_for(name, backend, automatic=True)
                self._join(client, service)
                service.automatic = True
            else:  # one layer guards: what it shares with others has been guarded before
                owner.adopt(owner.backend.guard(client, owner))

    def _name_of(self, client: ClientT, backend: Backend[ClientT, Any]) -> str | None:
        """The name of the service that a client is by its address; None: it cannot be told."""
        address = backend.instrument.address(client) if backend.instrument is not None else None
        return None if address is None else self._names.of(backend, address)

    def _guard(
        self, client: ClientT, backend: Backend[ClientT, Any], name: str, *, breaker: BreakerConfig | None = None,
        pipeline: Sequence[Strategy] | None = None,
    ) -> ClientT:  # fmt: skip
        owner = backend.owner(client) if backend.owner is not None else None
        if owner is not None and owner.name != name and not owner.automatic:
            raise ConfigurationError(
                f"This client is guarded already, as the service {owner.name!r}, and one outage must not be counted "
                "twice. Guard each client once, and make one for each service, with connections (a pool, an engine, an "
                "http_client) of its own.",
                key=f"services.{name}",
            )
        service = self._service_for(name, backend, breaker=breaker, pipeline=pipeline)
        guarded = self._join(client, service)
        self._clients.setdefault(name, guarded)
        return guarded

    def _service_for(
        self, name: str, backend: Backend[Any, Any], *, breaker: BreakerConfig | None = None,
        pipeline: Sequence[Strategy] | None = None, automatic: bool = False,
    ) -> Service:  # fmt: skip
        """The service of that name; if there is none, a new one, which is the gear's once it has a client."""
        service = self._services.get(name)
        if service is None:
            service = assemble(
                name, backend, self._configured.get(name), breaker=breaker, pipeline=pipeline, automatic=automatic,
                clock=self.clock, bus=self._bus, roll=self._roll,
            )  # fmt: skip
        elif service.backend != backend:
            problem = f"is already a service of the backend {service.backend.name!r}. Take another name."
            raise ConfigurationError(problem, key=f"services.{name}")
        return service

    def _join(self, client: ClientT, service: Service) -> ClientT:
        """Make a client one of a service's."""
        guarded: ClientT = service.backend.guard(client, service)
        if service.pipeline is not None:
            service.pipeline.refusal, service.pipeline.timed_out = service.refusal, service.timed_out
            manager, name = self.degradation, service.name  # not this gear: a client would keep it alive
            service.pipeline.ancestry = lambda: manager.graph.ancestors(name)
        service.adopt(guarded)
        if service.name not in self._services:
            self._services[service.name] = service
            self.degradation.add(service)
        return guarded

    def _make_heartbeat(self) -> Heartbeat:
        # Of services whose clients are all the application's own there is none to check with.
        prober = Prober(lambda: [(service, self._clients.get(name)) for name, service in list(self._services.items())])
        return Heartbeat(prober, self.degradation, self.clock, self._bus)

    @property
    def services(self) -> Mapping[str, Service]:
        """All services by name."""
        return dict(self._services)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """The plugins that the configuration names, and those that `show` has added."""
        named = self._config.plugins if self._config else ()
        known = {(info.name, info.dist) for info in named}
        return (*named, *(info for info in self._found if (info.name, info.dist) not in known))

    def show(self, plugins: Iterable[PluginInfo]) -> None:
        """Show these plugins too: one that is BROKEN has no service that it could be missed by."""
        self._found = tuple(plugins)

    def service(self, name: str) -> Service:
        """The service of that name. Raises ConfigurationError, with the nearest name."""
        try:
            return self._services[name]
        except KeyError:
            raise self._unknown(name) from None

    def client(self, name: str) -> Any:
        """The guarded client of a service, with its own type; of those that an application made for itself, the latest.

        Raises ConfigurationError, with the nearest name.
        """
        if name in self._clients:
            return self._clients[name]
        clients = self._services[name].clients if name in self._services else ()
        if not clients:
            raise self._unknown(name) from None
        return clients[-1]

    @overload
    def breaker(self, name: str) -> BreakerGroup: ...
    @overload
    def breaker(self, name: str, domain: str) -> CircuitBreaker: ...
    def breaker(self, name: str, domain: str | None = None) -> BreakerGroup | CircuitBreaker:
        """The breakers of a service, or the one of a domain. Raises ConfigurationError, with the nearest name."""
        group = self.service(name).group
        return group if domain is None else group.branch(domain)

    # -- what is offered -----------------------------------------------------------------------------------------

    def capability(
        self,
        name: str,
        *,
        requires: Sequence[str] = (),
        prefers: Mapping[str, float] = MappingProxyType({}),
        any_of: Sequence[Sequence[str]] = (),
        criticality: Criticality = Criticality.CRITICAL,
        importance: float = 1.0,
    ) -> None:
        """Declare what the application offers, and by which services and other capabilities. See Capability.

        Raises ConfigurationError for values that cannot be meant, names that are not known, and cycles.
        """
        given = Capability(
            requires=requires, prefers=prefers, any_of=any_of, criticality=criticality, importance=importance
        )
        self.degradation.declare({}, {name: given})

    def health(self, name: str | None = None) -> Report:
        """How healthy a service or a capability is, and what limits it; without a name, the application.

        Makes no call to a backend. Raises ConfigurationError, with the nearest name.
        """
        found = self.degradation.assessment()
        if name is None:
            return found.app
        reports = {**found.services, **found.capabilities}
        if name not in reports:
            raise ConfigurationError.unknown("service or capability", name, reports)
        return reports[name]

    @overload
    def requires(self, capability: str, *, at_least: Level = ...) -> Gate: ...
    @overload
    def requires(
        self, capability: str, *, at_least: Level = ..., otherwise: Callable[P, Awaitable[T]]
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]: ...
    def requires(
        self,
        capability: str,
        *,
        at_least: Level = Level.MINIMAL,
        otherwise: Callable[..., Awaitable[Any]] | None = None,
    ) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Coroutine[Any, Any, Any]]]:
        """Decorate a coroutine function that serves a capability: it runs while the level is high enough, and
        `otherwise` while it is not; without that, CapabilityNotOffered is raised.

        The fallback may not use the services that have failed the capability: such calls are refused at once. While one
        of these is half-open, callers are let through to find out whether it is back; those that its breaker does not
        admit get the fallback.
        """
        return gate(self.degradation, capability, at_least, otherwise)

    @property
    def lag(self) -> float:
        """Seconds that the event loop was late at the last heartbeat."""
        return self.degradation.lag

    @property
    def heartbeat(self) -> float | None:
        """The clock's time at the last heartbeat, of which there is one each second; None: it is not entered."""
        return self._heartbeat.at if self._heartbeat else None

    def subscribe(self, observer: object) -> Callable[[], None]:
        """Let an observer (see Observer) hear of all services; the result takes it away again."""
        unsubscribe = self._bus.subscribe(observer)
        self._listeners_changed()
        known = ref(self)  # who can leave does not keep it alive

        def leave() -> None:
            unsubscribe()
            if (gear := known()) is not None:
                gear._listeners_changed()  # noqa: SLF001 - its own

        return leave

    @property
    def observers(self) -> list[object]:
        """All who hear of it at present."""
        return self._bus.observers

    def _listeners_changed(self) -> None:
        for service in list(self._services.values()):
            service.group.listeners_changed()

    def _unknown(self, name: str) -> ConfigurationError:
        known = self._services.keys() | self._configured.keys()
        if name in self._services:
            return ConfigurationError(f"The clients of the service {name!r} are the application's own, which has none "
                                      "at present.", key=f"services.{name}")  # fmt: skip
        if name in known:
            return ConfigurationError(f"The service {name!r} is configured but not connected. Enter the gear first: "
                                      "`async with gear:`.", key=f"services.{name}")  # fmt: skip
        return ConfigurationError.unknown("service", name, known, key="services")


@contextmanager
def _in_words(configured: ServiceConfig) -> Generator[None]:
    """A plugin that connects knows the keys of its settings but not where they are; nor does it look for its SDK."""
    backend = configured.backend
    try:
        yield
    except ConfigurationError as exc:
        key = f"services.{configured.name}.settings"
        raise ConfigurationError(redact(exc.problem, _LONGEST), f"{key}.{exc.key}" if exc.key else key) from exc
    except ImportError as exc:
        if not backend.sdk:
            raise
        what = f"The SDK that the service {configured.name!r} needs ({exc})"
        raise MissingDependency(what, backend.sdk) from exc
