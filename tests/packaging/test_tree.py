"""What is committed works on any machine: it names no index, no path of one computer, and locks every package."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MEMBERS = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
LOCKS = sorted(ROOT.glob("requirements/*.lock"))

# In pieces, so that this file holds none of them itself.
HOSTS = re.compile("|".join(map(re.escape, ("pypi" + ".org", "python" + "hosted", "npm" + "js", "deb." + "debian"))))
MACHINE_PATHS = re.compile(r"(?<![\w.$~}-])/(?:root|work|Users|home/\w+|tmp/\w+)/" + "|" + r"file:" + r"//+\w*/?\.?\w")


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this tree is not a git checkout, so it cannot be told which files are tracked")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def locked_packages(lock: Path) -> dict[str, tuple[str, list[str]]]:
    """Name to (version, hashes)."""
    packages: dict[str, tuple[str, list[str]]] = {}
    for block in re.split(r"\n(?=\S)", lock.read_text().strip()):
        match = re.match(r"([\w.-]+)==(\S+)", block)
        assert match, f"not a pinned package: {block!r}"
        packages[canonicalize_name(match[1])] = (match[2], re.findall(r"--hash=sha256:[0-9a-f]{64}(?!\w)", block))
    return packages


@pytest.mark.parametrize("pattern", [HOSTS, MACHINE_PATHS], ids=["package index", "path of one machine"])
def test_no_tracked_file_names_one(pattern: re.Pattern[str]) -> None:
    """A clone on another machine, behind another index, finds nothing that only works here."""
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in tracked_files()
        if (match := pattern.search(path.read_text(errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_has_hashes(lock: Path) -> None:
    """What is installed is what was locked, byte for byte."""
    assert [name for name, (_, hashes) in locked_packages(lock).items() if not hashes] == []


@pytest.mark.parametrize("member", [ROOT, *MEMBERS], ids=lambda member: member.name if member != ROOT else "workspace")
def test_the_lock_satisfies_what_is_asked_for(member: Path) -> None:
    """A dependency added or raised without `dev.py lock` is noticed."""
    versions = {name: version for lock in LOCKS for name, (version, _) in locked_packages(lock).items()}
    own = {tomllib.loads((each / "pyproject.toml").read_text())["project"]["name"] for each in MEMBERS}
    asked_for = _requirements(tomllib.loads((member / "pyproject.toml").read_text()))
    missing = [
        str(requirement)
        for requirement in asked_for
        if requirement.name not in own
        and not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0.dev0"))
    ]
    assert asked_for
    assert missing == []


def _requirements(pyproject: dict[str, Any]) -> list[Requirement]:
    project, groups = pyproject["project"], pyproject.get("dependency-groups", {})
    lists = [project["dependencies"], *project.get("optional-dependencies", {}).values(), *groups.values()]
    return [Requirement(item) for items in lists for item in items if isinstance(item, str)]
