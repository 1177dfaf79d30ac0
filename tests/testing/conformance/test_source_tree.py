"""A plugin is tested where it is written, without being installed; what is installed comes first."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest

from switchgear._plugins import PluginInfo, Plugins, PluginState
from switchgear.testing.conformance._source_tree import make_known
from tests.planted import WORKING, Garden

PROJECT = """
[project]
name = "switchgear-here"
version = "7.1"
dependencies = ["memory-sdk>=2"]
[project.entry-points.switchgear]
here = "written_here"
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a suite, in a source tree on sys.path."""
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    (tmp_path / "tests/deep").mkdir(parents=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/written_here.py").write_text(WORKING)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    make_known.cache_clear()
    return tmp_path / "tests/deep/test_conformance.py"


def infos(name: str) -> list[PluginInfo]:
    return [info for info in Plugins(environ={}).infos() if info.name == name]


def test_it_is_found_in_the_source_tree(suite: Path) -> None:
    """As if it were installed: by its name, with its version and what it requires; once, however often it is asked."""
    make_known("here", suite)
    make_known("here", suite.with_name("test_other.py"))
    [info] = infos("here")
    assert (info.dist, info.version, info.state) == ("switchgear-here", "7.1", PluginState.ACTIVE)
    [found] = entry_points(group="switchgear", name="here")
    assert found.dist
    assert found.dist.requires == ["memory-sdk>=2"]
    assert "pytest" in packages_distributions()  # which looks at every distribution there is


def test_what_is_installed_comes_first(
    suite: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that is tested by a suite in its source tree is what is tested."""
    Garden(tmp_path_factory.mktemp("installed"), monkeypatch).plant("here", dist="switchgear-here", version="7.0")
    make_known("here", suite)
    assert [info.version for info in infos("here")] == ["7.0"]


@pytest.mark.parametrize("project", ["", "[project]\nname = 'other'\n", PROJECT.replace("here = ", "there = ")])
def test_another_tree_is_passed_over(suite: Path, project: str) -> None:
    """One that offers no such plugin."""
    (suite.parents[2] / "pyproject.toml").write_text(project)
    make_known("here", suite)
    assert infos("here") == []
