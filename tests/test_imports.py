"""Who waits for a module hears of it once it is there, and nobody else notices."""

from __future__ import annotations

import importlib
import itertools
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import BuiltinImporter, SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from switchgear import _imports
from switchgear._imports import when_imported

_numbers = itertools.count()


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that nobody has imported."""
    name = f"awaited_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


class Heard:
    def __init__(self) -> None:
        self.values: list[int] = []

    def __call__(self, module: ModuleType) -> None:
        self.values.append(module.VALUE)


def test_it_is_called_after_the_import(name: str) -> None:
    """The module is complete by then; waiting for it imports nothing."""
    heard = Heard()
    when_imported(name, heard)
    assert name not in sys.modules
    assert heard.values == []
    module = importlib.import_module(name)
    assert heard.values == [1]
    assert module.VALUE == 1


def test_it_is_called_at_once_for_a_module_that_is_there(name: str) -> None:
    """Who comes late misses nothing."""
    importlib.import_module(name)
    heard = Heard()
    when_imported(name, heard)
    assert heard.values == [1]


def test_it_is_called_again_when_the_module_is_reloaded(name: str) -> None:
    """A reload makes new classes."""
    heard = Heard()
    when_imported(name, heard)
    importlib.reload(importlib.import_module(name))
    assert heard.values == [1, 1]


def test_all_who_wait_are_called_and_who_forgets_is_not(name: str) -> None:
    """Each takes back what is his."""
    one, other = Heard(), Heard()
    when_imported(name, one)
    when_imported(name, other)()
    importlib.import_module(name)
    assert (one.values, other.values) == ([1], [])


def test_the_module_looks_as_it_would(name: str) -> None:
    """Its loader is of the type that it would have had, and finds its source."""
    when_imported(name, Heard())
    module = importlib.import_module(name)
    assert module.__spec__ is not None
    assert type(module.__spec__.loader) is SourceFileLoader
    assert module.__spec__.loader.get_source(name) == "VALUE = 1\n"


def test_a_failing_import_fails_as_it_would(name: str, tmp_path: Path) -> None:
    """Nobody hears of it, and the next attempt succeeds."""
    file = tmp_path / f"{name}.py"
    file.write_text("raise OSError('as it would')\n")
    heard = Heard()
    when_imported(name, heard)
    with pytest.raises(OSError, match="as it would"):
        importlib.import_module(name)
    assert heard.values == []
    file.write_text("VALUE = 22\n")
    importlib.invalidate_caches()
    importlib.import_module(name)
    assert heard.values == [22]


def test_a_module_that_does_not_exist_stays_so() -> None:
    """The error is Python's own."""
    when_imported("no_such_module_anywhere", Heard())
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("no_such_module_anywhere")
    assert caught.value.name == "no_such_module_anywhere"


def test_modules_of_an_archive_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One loader serves all modules of an archive: each is heard of once, by who waits for it."""
    names = [f"zipped_{next(_numbers)}" for _ in range(2)]
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for value, name in enumerate(names):
            archive.writestr(f"{name}.py", f"VALUE = {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "archive.zip"))
    heard = [Heard(), Heard()]
    for name, who in zip(names, heard, strict=True):
        when_imported(name, who)
    for name in names:
        importlib.import_module(name)
    assert [who.values for who in heard] == [[0], [1]]


def test_a_builtin_module_is_left_alone() -> None:
    """One loader serves all modules that are built in, and is the class itself: it is not touched."""
    loader = BuiltinImporter
    before = vars(loader).copy()
    when_imported("_symtable", Heard())()
    heard: list[ModuleType] = []
    forget = when_imported("_symtable", heard.append)
    sys.modules.pop("_symtable", None)
    importlib.import_module("_symtable")
    forget()
    assert vars(loader) == before


def test_one_finder_serves_all(name: str) -> None:
    """However many wait, an import that concerns none of them costs one look into a dict."""
    for _ in range(3):
        when_imported(name, Heard())
    assert [type(finder) for finder in sys.meta_path].count(type(_imports._finder)) == 1
    assert _imports._finder.find_spec("json", None) is None
