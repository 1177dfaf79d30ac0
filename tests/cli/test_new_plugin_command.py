"""`switchgear new-plugin`: what it refuses, and that it harms nothing. What it makes is proven by tests/packaging."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import run


def project_of(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


def test_a_folder_is_made_and_said(tmp_path: Path) -> None:
    """Under --out, with hyphens for what pip calls it; and what to do next."""
    done = run("new-plugin", "acme_cloud", "--out", str(tmp_path))
    folder = tmp_path / "switchgear-acme-cloud"
    assert (done.exit_code, done.stdout.split(". ")[0]) == (0, f"Made {folder}")
    assert f"cd {folder}\n  python -m pytest" in done.stdout
    project = project_of(folder)
    assert project["name"] == "switchgear-acme-cloud"
    assert project["entry-points"] == {"switchgear": {"acme_cloud": "switchgear_acme_cloud"}}
    assert f"switchgear>={version('switchgear')}" in project["dependencies"]
    assert "class AcmeCloudSettings:" in (folder / "src/switchgear_acme_cloud/_connect.py").read_text()
    assert not list(folder.rglob("*.pyc"))


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("Acme", "acme"),
        ("switchgear-acme", "acme"),
        ("acme.cloud", "acme_cloud"),
        ("acme__cloud_", "acme_cloud"),
        ("1acme", "acme"),
        ("../acme", "acme"),
        ("", ""),
        ("42", ""),
    ],
)
def test_a_bad_name_is_answered_with_a_good_one(tmp_path: Path, name: str, likely: str) -> None:
    """In the same breath with what one looks like; nothing is made."""
    done = run("new-plugin", name, "--out", str(tmp_path))
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert f"{name!r} is no name for a plugin" in said
    assert "acme, acme_cloud." in said
    assert said.endswith(f"How about {likely}?" if likely else "acme_cloud.")
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_ours_is_taken(tmp_path: Path) -> None:
    """Two distributions with one plugin would both be refused."""
    done = run("new-plugin", "redis", "--out", str(tmp_path))
    assert done.exit_code == 2
    assert "there is a plugin redis already, switchgear-redis" in done.stderr


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """Be it a plugin that somebody has worked on."""
    mine = tmp_path / "switchgear-acme" / "README.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = run("new-plugin", "acme", "--out", str(tmp_path))
    assert done.exit_code == 2
    assert "is there already, and was left as it is" in " ".join(done.stderr.split())
    assert [path.read_text() for path in mine.parent.rglob("*")] == ["mine"]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """It says so."""
    nowhere = run("new-plugin", "acme", "--out", str(tmp_path / "nowhere"))
    assert nowhere.exit_code == 2
    assert "does not exist" in nowhere.stderr


@pytest.mark.parametrize(
    ("client", "dependency", "module"),
    [
        ("Far.SDK", "Far.SDK", "far_sdk"),
        ("far-sdk >= 2, <3", "far-sdk>=2,<3", "far_sdk"),
        ("SQLAlchemy", f"SQLAlchemy>={version('SQLAlchemy')}", "sqlalchemy"),  # installed: as it is, or later
        ("opentelemetry-api", f"opentelemetry-api>={version('opentelemetry-api')}", "opentelemetry"),
    ],
)
def test_a_client_is_required_and_imported(tmp_path: Path, client: str, dependency: str, module: str) -> None:
    """Required as it was written, or as it is installed; imported as it is called in Python."""
    assert run("new-plugin", "acme", "--client", client, "--out", str(tmp_path)).exit_code == 0
    folder = tmp_path / "switchgear-acme"
    assert dependency in project_of(folder)["dependencies"]
    assert f"    import {module}\n" in (folder / "src/switchgear_acme/_connect.py").read_text()


@pytest.mark.parametrize("client", ["", "-", "git+https://host/repository", 'a"b', "a b"])
def test_what_is_no_package_is_refused(tmp_path: Path, client: str) -> None:
    """It would get into pyproject.toml."""
    done = run("new-plugin", "acme", "--client", client, "--out", str(tmp_path))
    assert done.exit_code == 2
    assert 'Write it like "acme-client>=2"' in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
