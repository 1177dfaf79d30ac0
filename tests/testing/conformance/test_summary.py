"""`python -m switchgear.testing.conformance`, as an author and their CI run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switchgear.testing.conformance.__main__ import _sources, _told

SUITE = """
from dataclasses import replace
from switchgear.spi import Verdict
from tests.testing.conformance.acme import ACME
from tests.testing.conformance.suite import Acme

class TestAcme(Acme):
    event_loops = ("asyncio",)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An author's, with a test that is none of the kit's."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def conformance(folder: Path, suite: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "tests" / "test_conformance.py").write_text(f"{suite}\ndef test_another() -> None: assert False\n")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "switchgear.testing.conformance", "--plugin", "acme", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_summary_is_json(folder: Path) -> None:
    """Of the checks of that plugin and of nothing else: deviations with their reasons, what is not applicable."""
    deviation = '    deviations = {"other_event_loops_are_refused_in_words": "a toy"}'
    ran = conformance(folder, SUITE + deviation, "--json", "--badge", "badge.json")
    summary: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == 0
    assert summary["plugin"] == "acme"
    assert summary["failed"] == []
    assert summary["xfailed"] == [{"check": "other_event_loops_are_refused_in_words[asyncio]", "reason": "a toy"}]
    assert [each["check"] for each in summary["skipped"]] == ["it_is_typed"]
    assert summary["checks"] == summary["passed"] + 1 > 20
    assert json.loads((folder / "badge.json").read_text()) == {
        "schemaVersion": 1,
        "label": "switchgear conformance",
        "message": f"{summary['passed']} passed, 1 xfailed",
        "color": "yellowgreen",
    }


def test_what_fails_is_said_in_words(folder: Path) -> None:
    """The exit code is 1; an excuse for what does not fail is a failure too."""
    broken = SUITE + (
        '    deviations = {"the_probe_is_cheap": "it is not"}\n'
        "    kind = replace(ACME, classify=lambda exc: Verdict.FAILURE)\n"
    )
    ran = conformance(folder, broken, "--json")
    failed = {each["check"].partition("[")[0]: each["reason"] for each in json.loads(ran.stdout)["failed"]}
    assert ran.returncode == 1
    assert "is judged FAILURE" in failed["what_the_server_declines_is_no_failure"]
    assert "XPASS" in failed["the_probe_is_cheap"]


def test_without_json_it_is_told() -> None:
    """How many passed, and what did not, each with its reason."""
    excused, missing = {"check": "the_probe_is_cheap", "reason": "a toy"}, {"check": "it_is_typed", "reason": "a file"}
    summary = {"plugin": "acme", "checks": 20, "passed": 19, "failed": [], "xfailed": [excused], "skipped": [missing]}
    told = "acme: 19 passed, 1 xfailed of 20\n  xfailed: the_probe_is_cheap: a toy\n  skipped: it_is_typed: a file"
    assert _told(summary).strip() == told


def test_an_editable_installation_says_where_its_suite_is() -> None:
    """So it is found from anywhere. What came as a wheel, and what is not installed, says nothing."""
    assert _sources("redis") == [Path(__file__).parents[3] / "plugins" / "redis"]
    assert _sources("acme") == []


def test_a_suite_that_is_not_there_is_said_to_be_missing(folder: Path) -> None:
    """The exit code is 2."""
    ran = conformance(folder, "", "--json")
    assert ran.returncode == 2
    assert "There is no suite of the plugin 'acme'" in ran.stderr
    assert f"in {folder.resolve()}. If it is elsewhere, give its path" in ran.stderr
