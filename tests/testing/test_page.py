"""The page "Testing your application" is true: its files are an application with tests that pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from switchgear.testing import pytest_plugin

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(120)
def test_the_files_of_the_page_pass(tmp_path: Path) -> None:
    """All of them, in a folder of their own, with warnings as errors."""
    files = dict(FILE.findall(PAGE.read_text()))
    assert {"conftest.py", "shop.py"} < set(files)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:valkey", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout.splitlines()[-1]
    assert "skipped" not in ran.stdout


def test_every_fixture_is_on_the_page() -> None:
    """In its table."""
    source = Path(pytest_plugin.__file__).read_text()
    fixtures = re.findall(r"@pytest\.fixture\n(?:async )?def (\w+)", source)
    assert {"gear", "fault"} <= set(fixtures)
    assert [
        name for name in fixtures if not re.search(rf"^\| `(await )?{name}\b", PAGE.read_text(), re.MULTILINE)
    ] == []
