"""The public doors are exactly what they say: `__all__`, nothing more, nothing less."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

DOORS = ["switchgear", "switchgear.asgi", "switchgear.lowlevel", "switchgear.spi", "switchgear.testing"]
PLUGINS = ["switchgear_db", "switchgear_openai", "switchgear_redis", "switchgear_s3"]


def source(module: str) -> ast.Module:
    file = importlib.import_module(module).__file__
    assert file
    return ast.parse(Path(file).read_text())


def reexported(tree: ast.Module) -> set[str]:
    """What a door lets through from the modules behind it."""
    # Also what only type checkers see imported (a door may put it off until the name is used), or what may fail.
    put_off = [child for node in tree.body if isinstance(node, ast.If | ast.Try) for child in node.body]
    imports = [node for node in [*tree.body, *put_off] if isinstance(node, ast.ImportFrom)]
    foreign = {"__future__", "typing"}
    return {alias.asname or alias.name for node in imports if node.module not in foreign for alias in node.names}


def defined(tree: ast.Module) -> set[str]:
    """Public names that a module makes itself, but for what serves pluggy and type checkers alone."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=[ast.Name(id="hookimpl"), *_]):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_of_core_lets_through_exactly_what_it_says(door: str) -> None:
    """What a door imports or defines is public, and only that; all of it is there."""
    module = importlib.import_module(door)
    tree = source(door)
    assert sorted(reexported(tree) | defined(tree)) == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_makes_nothing_public_by_accident(plugin: str) -> None:
    """A public function, class or constant of a plugin's module is in `__all__`, and everything in there exists."""
    module = importlib.import_module(plugin)
    assert sorted(defined(source(plugin)) - set(module.__all__)) == []
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
