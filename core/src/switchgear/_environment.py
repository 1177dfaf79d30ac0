"""What the environment adds to a configuration: references inside a file's strings, and single keys laid over it.

    url = "redis://${REDIS_HOST:-localhost}"                 in a file; $${ is a plain ${
    SWITCHGEAR__SERVICES__CACHE__SETTINGS__URL=redis://...   laid over the file: services.cache.settings.url

The environment holds only text. Where a key is a string the text is taken as it is; where it is anything else (a
number, a table) it is read as a TOML value, so `SWITCHGEAR__SERVICES__CACHE__BREAKER__WINDOW={count = 50}` works and a
password of digits stays a string.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from switchgear._errors import ConfigurationError
from switchgear._keypath import KeyPath, Table, dotted, is_array, is_table

PREFIX = "SWITCHGEAR__"

_REFERENCE = re.compile(
    r"\$\$\{"  # an escaped one
    r"|\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}"
    r"|(?P<malformed>\$\{)",
    re.ASCII,
)


class Text(str):
    """A string that came from the environment."""

    __slots__ = ()

    def value(self) -> object:
        """What it says as one TOML value; the string itself where it is none."""
        try:
            read = tomllib.loads(f"value = {self}")
        except ValueError:
            return str(self)
        return read["value"] if len(read) == 1 else str(self)


def value_of(given: object) -> object:
    """The value of what was given for a key that is no string."""
    return given.value() if isinstance(given, Text) else given


def resolve(given: Any, environ: Mapping[str, str], errors: list[ConfigurationError], path: KeyPath = ()) -> Any:
    """The same tables with all references in their strings resolved; what cannot be is added to the errors."""
    if is_table(given):
        return {name: resolve(value, environ, errors, (*path, name)) for name, value in given.items()}
    if is_array(given):
        return [resolve(value, environ, errors, (*path, i)) for i, value in enumerate(given)]
    if isinstance(given, str) and "${" in given:
        return _resolve(given, environ, errors, path)
    return given


def _resolve(given: str, environ: Mapping[str, str], errors: list[ConfigurationError], path: KeyPath) -> Text:
    def replacement(reference: re.Match[str]) -> str:
        name, default = reference["name"], reference["default"]
        if reference["malformed"]:
            problem = "A reference to the environment is ${NAME} or ${NAME:-default}. Write $${ for a plain ${."
        elif name is None:
            return "${"
        elif default is not None:
            return environ.get(name) or default
        elif name in environ:
            return environ[name]
        else:
            problem = f"The environment variable {name} is not set. Set it, or give a default: ${{{name}:-default}}."
        errors.append(ConfigurationError(problem, key=dotted(path)))
        return ""

    return Text(_REFERENCE.sub(replacement, given))


def overlay(tables: Table, environ: Mapping[str, str], errors: list[ConfigurationError]) -> dict[str, str]:
    """Lay the environment's keys over the tables, in place. The result tells which variable set a key or made a table.

    Variables know no small letters and no hyphens, so PRIMARY_DB means the service "primary-db" if there is one.
    """
    origins: dict[str, str] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        try:
            _set(tables, variable, Text(environ[variable]), origins)
        except ConfigurationError as error:
            errors.append(error)
    return origins


def _set(table: Table, variable: str, text: Text, origins: dict[str, str]) -> None:
    *parents, last = _parts(variable)
    path: KeyPath = ()
    for part in parents:
        name = _meant(part, table, variable)
        path = (*path, name)
        if name not in table:
            table[name] = {}
            origins[dotted(path)] = variable
        inner = table[name]
        if not is_table(inner):
            raise ConfigurationError(f"{dotted(path)} is no table, so no key can be set in it.", key=variable)
        table = inner
    name = _meant(last, table, variable)
    table[name] = text
    origins[dotted((*path, name))] = variable


def _parts(variable: str) -> list[str]:
    parts = variable.removeprefix(PREFIX).split("__")
    if not all(parts):
        problem = f"This names no key. Write {PREFIX}SERVICES__NAME__SETTINGS__KEY: two underscores stand for a dot."
        raise ConfigurationError(problem, key=variable)
    return parts


def _meant(part: str, table: Table, variable: str) -> str:
    """The key of the table that a part of a variable's name stands for; a new one is in small letters."""
    meant = [name for name in table if name.replace("-", "_").lower() == part.lower()]
    if len(meant) > 1:
        problem = f"{part} may mean any of {', '.join(map(repr, meant))}. Set it in the file."
        raise ConfigurationError(problem, key=variable)
    return meant[0] if meant else part.lower()
