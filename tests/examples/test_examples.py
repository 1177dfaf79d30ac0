"""The examples work as what they are: distributions outside the workspace, on the wheels that users get."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import dev

ROOT = Path(__file__).parents[2]
HTTPX, SHOP = ROOT / "examples/switchgear-httpx", ROOT / "examples/shop"

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("examples")]


@pytest.fixture(scope="module")
def python() -> Generator[Path]:
    """Of an environment that has nothing but the examples and what they ask for."""
    with TemporaryDirectory(prefix="switchgear-examples-") as folder:
        built = Path(folder)
        for member in (ROOT / "core", ROOT / "plugins/redis", ROOT / "plugins/db", HTTPX, SHOP):
            dev.step(f"building {member.name}", dev.BIN / "hatchling", "build", "-t", "wheel", "-d", built, cwd=member)
        lock = dev._without_hashes(dev.REQUIREMENTS / "dev.lock")
        (built / "versions.txt").write_text(lock)
        dev._make_environment(built / "clean")
        installer = dev.Installer(built / "clean", dev._find_uv())
        examples = [f"{example}[test]" for pattern in ("*httpx*", "*shop*") for example in built.glob(f"{pattern}.whl")]
        installer.install("installing", "-c", built / "versions.txt", "--find-links", built, *examples)
        yield installer.python


def run(python: Path, example: Path, *arguments: str) -> str:
    command = [str(python), "-m", *arguments]
    ran = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_plugin_passes_the_kit(python: Path) -> None:
    """Installed, it proves itself by the command that any plugin does, without a deviation."""
    summary = json.loads(run(python, HTTPX, "switchgear.testing.conformance", "--plugin", "httpx", "--json"))
    assert summary["failed"] == summary["xfailed"] == []
    assert summary["passed"] == summary["checks"] > 40


@pytest.mark.parametrize(("example", "tests"), [(HTTPX, "tests/test_guard.py"), (SHOP, "tests")], ids=["httpx", "shop"])
def test_its_own_tests_pass(python: Path, example: Path, tests: str) -> None:
    """The plugin's, and the application's, which use the fixtures that switchgear brings for those."""
    assert " passed" in run(python, example, "pytest", "-q", "-p", "no:cacheprovider", tests)
