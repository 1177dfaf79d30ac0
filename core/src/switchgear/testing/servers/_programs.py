"""Where a server's program is: named by the user, inside an installed wheel, or on this system."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path


def chosen(variable: str) -> Path | None:
    """What an environment variable names, made absolute."""
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None


def in_package(package: str, pattern: str) -> Path | None:
    """A program inside an installed package, which is not imported: some print warnings when they are."""
    spec = find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    paths = (path for place in places for path in Path(place).glob(pattern))
    return next(filter(is_program, paths), None)


def in_distribution(distribution: str, name: str) -> Path | None:
    """A program that a distribution puts beside the interpreter, wherever that is for this kind of installation."""
    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())).resolve() for file in listed if file.name == name)
    return next(filter(is_program, paths), None)


def is_program(path: Path) -> bool:
    """Whether it is a file that may be run."""
    return path.is_file() and os.access(path, os.X_OK)
