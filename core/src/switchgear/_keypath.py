"""Tables of a configuration, and the paths of their keys, written as TOML writes them."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

Table = dict[str, Any]

#: Names of tables and keys, and positions in arrays.
KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """services.cache.settings.hosts[0]; a name with other characters in it is quoted."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _name(name: str) -> str:
    if _BARE.fullmatch(name):
        return name
    # A JSON string is a TOML string, but for one character.
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def is_table(value: object) -> TypeGuard[Table]:
    """Whether a value of TOML is a table; its keys are strings then."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a value of TOML is an array."""
    return isinstance(value, list)
