"""What `switchgear new-plugin` makes is a distribution: it builds, installs, is typed, and passes the kit as it was
packed. That it passes without being installed at all is what test_fifteen_minutes begins with."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switchgear.spi import VERSION
from tests.packaging.clean import CleanEnvironment, built

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("clean")]


@pytest.fixture(scope="module")
def alone(clean: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin as it is made, installed from its wheel."""
    folder = tmp_path_factory.mktemp("alone")
    clean.run("switchgear new-plugin alone_acme", cwd=folder)
    project = folder / "switchgear-alone-acme"
    clean.install(built(project, folder))
    return project


@pytest.fixture(scope="module")
def written_against(clean: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin for the clients of a package, which is not even installed."""
    folder = tmp_path_factory.mktemp("client")
    clean.run("switchgear new-plugin far_acme --client 'far-sdk>=2'", cwd=folder)
    project = folder / "switchgear-far-acme"
    clean.run(f"pip install --no-deps {built(project, folder)}")
    return project


def test_both_are_active(clean: CleanEnvironment, alone: Path, written_against: Path) -> None:
    """Installed from their wheels, they are listed."""
    listed: list[dict[str, Any]] = json.loads(clean.run("switchgear plugins --json").stdout)
    states = {plugin["name"]: (plugin["dist"], plugin["state"], plugin["spi"]) for plugin in listed}
    assert states["alone_acme"] == ("switchgear-alone-acme", "ACTIVE", VERSION)
    assert states["far_acme"] == ("switchgear-far-acme", "ACTIVE", VERSION)


def test_the_plugin_is_one_module_under_40_lines(alone: Path) -> None:
    """Of code: neither blank, nor a comment, nor a docstring."""
    source = (alone / "src/switchgear_alone_acme/__init__.py").read_text()
    kinds = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and ast.get_docstring(node)]
    docstrings = [node.body[0] for node in documented]
    prose = {line for node in docstrings for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    lines = [line.strip() for number, line in enumerate(source.splitlines(), 1) if number not in prose]
    assert 20 < len([line for line in lines if line and not line.startswith("#")]) < 40


def test_nothing_of_the_original_is_left(alone: Path) -> None:
    """Its name is its own, in files and in their names."""
    shown = "".join(f"{path}\n{path.read_text()}" for path in alone.rglob("*") if path.is_file())
    for mine in ("alone_acme", "AloneAcme", "ALONE_ACME", "switchgear-alone-acme"):
        assert mine in shown
        shown = shown.replace(mine, "")
    assert "acme" not in shown.lower()


def test_it_is_typed_strictly(clean: CleanEnvironment, alone: Path) -> None:
    """By mypy and pyright, as its own pyproject.toml asks for, with nothing but what is installed there."""
    for checker in (["mypy", "--python-executable"], ["pyright", "--pythonpath"]):
        command = [sys.executable, "-m", *checker, str(clean.python)]
        ran = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_wheel_passes_the_kit(clean: CleanEnvironment, alone: Path, tmp_path: Path) -> None:
    """Without its sources, as its CI does it."""
    shutil.copytree(alone, tmp_path / "packed", ignore=shutil.ignore_patterns("src"))
    summary = _summary(clean, "alone_acme", tmp_path / "packed")
    assert summary["failed"] == summary["xfailed"] == []
    assert summary["passed"] == summary["checks"] > 40


def test_what_is_to_be_filled_in_is_said(clean: CleanEnvironment, written_against: Path) -> None:
    """Its tests pass, and name each check that cannot pass yet."""
    assert "FILL IN" in (written_against / "src/switchgear_far_acme/__init__.py").read_text()
    assert '"far-sdk>=2"' in (written_against / "pyproject.toml").read_text()
    summary = _summary(clean, "far_acme", written_against)
    assert summary["failed"] == []
    assert summary["passed"] == 2
    assert {each["reason"].partition(":")[0] for each in summary["xfailed"]} == {"not filled in yet"}


def _summary(clean: CleanEnvironment, plugin: str, project: Path) -> dict[str, Any]:
    ran = clean.run(f"python -m switchgear.testing.conformance --plugin {plugin} --json", cwd=project)
    summary: dict[str, Any] = json.loads(ran.stdout)
    return summary
