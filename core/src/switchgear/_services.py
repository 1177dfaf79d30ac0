"""The services that the tables of a configuration describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from switchgear._breaker_table import read_breaker
from switchgear._converter import make_converter, table
from switchgear._errors import ConfigurationError, SwitchgearError
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._graph import Capability
from switchgear._keypath import KeyPath, Table, dotted, is_table
from switchgear._pipeline_table import PipelineTable
from switchgear._plugins import Plugins
from switchgear._redact import redact
from switchgear._score import HealthConfig
from switchgear._spec import Backend
from switchgear._structure import read

#: What a plugin says of its settings may be a paragraph, in characters.
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True)
class _File:
    plugins: dict[str, str] = field(default_factory=dict[str, str])
    services: dict[str, Table] = field(default_factory=dict[str, Table])
    capabilities: dict[str, Table] = field(default_factory=dict[str, Table])


@dataclass(frozen=True, kw_only=True)
class _Service:
    plugin: str
    backend: str | None = None
    settings: Table = field(default_factory=Table)
    breaker: Table = field(default_factory=Table)
    health: Table = field(default_factory=Table)
    pipeline: Table | None = None
    requires: list[str] = field(default_factory=list[str])


_settings = make_converter()
# What a plugin's settings will take from the environment is for their types to say, not yet for these.
_outline = make_converter()
_outline.register_structure_hook_func(lambda type_: type_ == Table, lambda given, _: table(given))


class Services:
    """Reads services. Whatever is wrong is added to `errors`; then the result is of no use."""

    def __init__(
        self, environ: Mapping[str, str], origin: Callable[[str], str], errors: list[ConfigurationError]
    ) -> None:
        self._environ = environ
        self._origin = origin
        self._errors = errors

    def read(self, tables: Table, source: str) -> GearConfig:
        """All services and capabilities of the tables of a source."""
        file = read(tables, lambda given: _outline.structure(given, _File), (), self._errors)
        if file is None:
            return GearConfig(source=source)
        try:
            plugins = Plugins(chosen=file.plugins, environ=self._environ)
        except ConfigurationError as error:
            self._errors.append(error)
            return GearConfig(source=source)
        services = [self._service(name, given, plugins) for name, given in file.services.items()]
        capabilities = {name: self._capability(name, given) for name, given in file.capabilities.items()}
        config = GearConfig(
            services=tuple(service for service in services if service is not None),
            capabilities={name: capability for name, capability in capabilities.items() if capability is not None},
            plugins=plugins.loaded(),
            source=source,
        )
        if not self._errors:  # else what has errors of its own would be missed here
            try:
                config.graph()
            except ConfigurationError as error:
                self._errors += error.errors or [error]
        return config

    def _capability(self, name: str, given: Table) -> Capability | None:
        path = ("capabilities", name)
        return read(given, lambda given: _settings.structure(given, Capability), path, self._errors)

    def _service(self, name: str, given: Table, plugins: Plugins) -> ServiceConfig | None:
        path = ("services", name)
        outline = read(given, lambda given: _outline.structure(given, _Service), path, self._errors)
        if outline is None:
            return None
        backend = self._backend(outline, plugins, path)
        if backend is None:
            return None
        settings = self._read_settings(outline.settings, backend, (*path, "settings"))
        breaker = read_breaker(outline.breaker, backend.recommended, (*path, "breaker"), self._errors)
        measured = _laid_over(backend.health, outline.health)
        health = read(measured, lambda given: _settings.structure(given, HealthConfig), (*path, "health"), self._errors)
        if breaker is None:
            return None
        pipelines = PipelineTable((*path, "pipeline"), plugins.strategies, self._errors)
        pipeline = None if outline.pipeline is None else pipelines.read(outline.pipeline, breaker)
        if settings is None or health is None:
            return None
        origins = {dotted(at): self._origin(dotted((*path, "breaker", *at))) for at in _leaves(outline.breaker)}
        return ServiceConfig(
            name=name, plugin=outline.plugin, backend=backend, settings=settings, breaker=breaker, health=health,
            pipeline=pipeline, requires=tuple(outline.requires), origins=origins,
        )  # fmt: skip

    def _backend(self, service: _Service, plugins: Plugins, path: KeyPath) -> Backend[Any, Any] | None:
        try:
            backends = {backend.name: backend for backend in plugins.load(service.plugin)}
        except SwitchgearError as error:
            self._errors.append(ConfigurationError(str(error), dotted((*path, "plugin"))))
            return None
        name = service.backend or (service.plugin if service.plugin in backends else "")
        if not name and len(backends) == 1:
            return next(iter(backends.values()))
        if name in backends:
            return backends[name]
        key = dotted((*path, "backend"))
        which = f"Say which backend of the plugin is meant: {', '.join(backends)}."
        unknown = ConfigurationError.unknown("backend", name, backends, key=key)
        self._errors.append(unknown if name else ConfigurationError(which, key))
        return None

    def _read_settings(self, given: Table, backend: Backend[Any, Any], path: KeyPath) -> Any:
        errors: list[ConfigurationError] = []
        settings = read(given, lambda given: _settings.structure(given, backend.settings), path, errors)
        secrets = [given.get(field.name) for field in fields(backend.settings) if not field.repr]
        for error in errors:
            problem = error.problem
            for secret in secrets:
                if isinstance(secret, str) and secret:
                    problem = problem.replace(secret, "***")
            self._errors.append(ConfigurationError(redact(problem, _LONGEST), error.key))
        return settings


def _laid_over(health: HealthConfig, given: Table) -> Table:
    """What is given, on top of what the backend says of itself; latencies by operation class one by one."""
    laid = {"r50": health.r50, **given}
    if isinstance(health.tolerated, Mapping):
        tolerated = given.get("tolerated", {})
        laid["tolerated"] = {**health.tolerated, **tolerated} if is_table(tolerated) else tolerated
    elif health.tolerated is not None:
        laid = {"tolerated": health.tolerated, **laid}
    return laid


def _leaves(given: Table, path: KeyPath = ()) -> Iterator[KeyPath]:
    for name, value in given.items():
        if is_table(value):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)
