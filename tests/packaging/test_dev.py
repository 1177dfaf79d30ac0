"""dev.py speaks to a developer in sentences, and does no work twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True, check=False)


def test_without_arguments_it_prints_help() -> None:
    """Help lists every command with one sentence, and is not an error."""
    shown = run()
    assert shown.returncode == 0
    assert shown.stderr == ""
    for name, command in dev.COMMANDS.items():
        assert command.__doc__
        assert f"  {name:7} {command.__doc__}" in shown.stdout.splitlines()


def test_an_unknown_command_is_one_line_and_exit_code_2() -> None:
    """A typing error is answered with what there is, not with a traceback."""
    shown = run("tset")
    assert shown.returncode == 2
    [line] = shown.stderr.splitlines()
    assert "'tset'" in line
    assert "test" in line


def test_help_works_outside_the_environment() -> None:
    """The file needs the standard library alone: -I -S hides everything that is installed."""
    command = [sys.executable, "-I", "-S", str(ROOT / "dev.py")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("changed", ["requirements/dev.lock", "pyproject.toml", "core/pyproject.toml"])
def test_a_changed_input_calls_for_set_up(changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp covers the lock and every pyproject.toml, and nothing that changes between two equal runs."""
    for name in ("requirements/dev.lock", "pyproject.toml", "core/pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(dev, "MEMBERS", [tmp_path / "core"])
    before = dev.fingerprint()
    assert before == dev.fingerprint()
    (tmp_path / changed).write_text("after")
    assert before != dev.fingerprint()


def test_a_failing_step_shows_the_last_words_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong is in the error; what went right stays quiet."""
    with pytest.raises(dev.Failure, match=r"counting failed with exit code 3\. Its last words:\nout of fingers"):
        dev.step("counting", sys.executable, "-c", "import sys; sys.exit(print('out of fingers') or 3)")
    dev.step("counting", sys.executable, "-c", "print('to ten')")
    shown = capsys.readouterr().err
    assert "counting: failed" in shown
    assert "counting: done" in shown
    assert "to ten" not in shown
