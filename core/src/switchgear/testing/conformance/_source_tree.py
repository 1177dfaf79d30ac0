"""A plugin that is tested where it is written: its pyproject.toml tells what an installed one's metadata would."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, DistributionFinder, entry_points
from pathlib import Path
from typing import Any

from switchgear._plugins import GROUP


@cache
def make_known(plugin: str, file: Path) -> None:
    """See to it that a plugin is found: if it is not installed, in the source tree that this file of it is in."""
    if entry_points(group=GROUP, name=plugin):
        return
    for folder in file.resolve().parents:
        project = _project(folder / "pyproject.toml")
        if plugin in project.get("entry-points", {}).get(GROUP, {}):
            sys.meta_path.append(_Finder(_SourceTree(folder, project)))
            return


def _project(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    table: dict[str, Any] = tomllib.loads(file.read_text()).get("project", {})
    return table


class _SourceTree(Distribution):
    """A distribution that nobody has installed."""

    def __init__(self, folder: Path, project: dict[str, Any]) -> None:
        self._folder = folder
        requires = [f"Requires-Dist: {requirement}" for requirement in project.get("dependencies", [])]
        heads = [f"Name: {project['name']}", f"Version: {project.get('version', '0')}", *requires]
        points = [f"{name} = {module}" for name, module in project["entry-points"][GROUP].items()]
        self._files = {"METADATA": "\n".join(heads), "entry_points.txt": "\n".join([f"[{GROUP}]", *points])}

    def read_text(self, filename: str) -> str | None:
        """What the file of metadata would be."""
        return self._files.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """Where a file of it is."""
        return self._folder / path


class _Finder(DistributionFinder):
    """Finds that one, and imports nothing."""

    def __init__(self, found: Distribution) -> None:
        self._found = found

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterator[Distribution]:
        """It, where all are asked for, or it by name."""
        if context is None or context.name in {None, self._found.name}:
            yield self._found

    def find_spec(self, *_: object) -> None:
        """Modules are found by sys.path alone."""
