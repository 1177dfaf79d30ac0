"""Reading the configuration of a gear from a file and the environment, all of it checked before anything is connected.

    [plugins]                       # only where two distributions offer one name
    redis = "switchgear-redis"

    [services.cache]
    plugin = "redis"
    backend = "redis"               # only where a plugin has several
    [services.cache.settings]       # the fields of the backend's settings
    url = "redis://${REDIS_HOST:-localhost}"
    [services.cache.breaker]        # laid over what the plugin recommends; see _breaker_table.py
    failure_rate_threshold = 0.5
    [services.cache.health]         # the same, of what its calls are measured by
    tolerated = { read = 0.05 }     # seconds

    [capabilities.checkout]         # what the application offers; see _graph.Capability
    requires = ["db"]
    prefers = { cache = 0.3 }

A file is read as it stands, and of the environment only what its strings refer to. So whoever reads the file sees all
that can differ from one machine to the next. `read_environment` also lays the keys of SWITCHGEAR__... over it.

No SDK is loaded here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike, fspath

from switchgear._environment import PREFIX, overlay, resolve
from switchgear._errors import ConfigurationError, MissingDependency
from switchgear._gear_config import GearConfig
from switchgear._keypath import Table
from switchgear._toml import read_tables

#: The environment variable that names the file.
FILE = "SWITCHGEAR_CONFIG"


def read_toml(path: str | PathLike[str], environ: Mapping[str, str] | None = None) -> GearConfig:
    """The configuration in a file.

    Raises ConfigurationError with all that is wrong, and MissingDependency where cattrs is not installed.
    """
    environ = os.environ if environ is None else environ
    errors: list[ConfigurationError] = []
    return _read(fspath(path), resolve(read_tables(path), environ, errors), {}, errors, environ)


def is_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment says anything of what there is."""
    return bool(environ.get(FILE)) or any(name.startswith(PREFIX) for name in environ)


def read_environment(environ: Mapping[str, str] | None = None) -> GearConfig:
    """The configuration in the environment: SWITCHGEAR_CONFIG names a file, SWITCHGEAR__SERVICES__... set single keys.

    Raises as read_toml does, and ConfigurationError where neither is set.
    """
    environ = os.environ if environ is None else environ
    path = environ.get(FILE)
    if not is_configured(environ):
        problem = f"Nothing is configured. Set {FILE} to the path of a file, or single keys with {PREFIX}SERVICES__..."
        raise ConfigurationError(problem)
    errors: list[ConfigurationError] = []
    tables: Table = resolve(read_tables(path), environ, errors) if path else {}
    origins = overlay(tables, environ, errors)
    return _read(path or "the environment", tables, origins, errors, environ)


def _read(
    source: str, tables: Table, origins: Mapping[str, str], errors: list[ConfigurationError], environ: Mapping[str, str]
) -> GearConfig:
    try:
        from switchgear._services import Services
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.startswith("switchgear"):
            raise
        raise MissingDependency("cattrs, which reads configurations,", install="switchgear[config]") from exc

    def origin(key: str) -> str:
        """Where a key was set: by a variable, which set it or a table round it, or in the source as a whole."""
        while key not in origins and key:
            key = key.rpartition(".")[0]
        return origins.get(key, source)

    config = Services(environ, origin, errors).read(tables, source)
    if errors:
        first = {error.key: error for error in reversed(errors)}  # what follows from it, at the same key, is no news
        told = [_told(error, origin(error.key), source) for error in errors if first[error.key] is error]
        raise ConfigurationError.several(source, told)
    return config


def _told(error: ConfigurationError, origin: str, source: str) -> ConfigurationError:
    return error if origin == source else ConfigurationError(f"{error.problem} See {origin}.", error.key)
