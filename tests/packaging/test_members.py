"""Core and plugins are packaged alike, so that a plugin's folder can be copied as a template."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
MEMBERS = [ROOT / "core", *PLUGINS]


def project(member: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((member / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def member(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_members_are_released_together(member: Path) -> None:
    """All distributions carry core's version."""
    assert project(ROOT / "core")["version"] == project(member)["version"]


def test_a_member_is_typed_and_licensed(member: Path) -> None:
    """A type checker trusts the package, and its wheel carries the project's licence."""
    [package] = (member / "src").glob("switchgear*")
    assert (package / "py.typed").is_file()
    assert (ROOT / "LICENSE").read_text() == (member / "LICENSE").read_text()


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_has_one_flat_module_and_one_entry_point(plugin: Path) -> None:
    """Decision 0001: dist switchgear-NAME, module switchgear_NAME, entry point NAME."""
    name = plugin.name
    table = project(plugin)
    assert f"switchgear-{name}" == table["name"]
    assert {name: f"switchgear_{name}"} == table["entry-points"]["switchgear"]
    assert [f"switchgear_{name}"] == [path.name for path in (plugin / "src").iterdir() if path.is_dir()]
