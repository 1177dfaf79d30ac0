"""dev.py speaks to a developer in sentences, and does no work twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dev

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        assert f"  {name:8} {command.__doc__}" in shown.stdout.splitlines()


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


INPUTS = ("requirements/dev.lock", "pyproject.toml", "core/pyproject.toml")


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A small workspace whose set-up is only written down; the list of its steps."""
    for name in INPUTS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    taken: list[str] = []

    def step(what: str, *command: str | Path, cwd: Path | None = None) -> None:
        taken.append(what)
        if "venv" in command:
            (tmp_path / ".venv/lib" / dev.PYTHON_NAME).mkdir(parents=True)

    monkeypatch.setattr(dev, "step", step)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(dev, "MEMBERS", [tmp_path / "core"])
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv/stamp")
    monkeypatch.setattr(dev, "_find_uv", lambda: "uv")
    return taken


MAKE, BRING_UP_TO_DATE = (
    f"making .venv with {dev.PYTHON_NAME}",
    ["installing locked packages", "installing the workspace"],
)


def test_a_second_set_up_does_nothing(steps: list[str]) -> None:
    """With nothing changed, no program is run."""
    dev.set_up()
    assert steps == [MAKE, *BRING_UP_TO_DATE]
    steps.clear()
    dev.set_up()
    assert steps == []


@pytest.mark.parametrize("changed", INPUTS)
def test_a_changed_input_is_brought_in(changed: str, steps: list[str], tmp_path: Path) -> None:
    """The lock and every pyproject.toml count; what is there already is kept."""
    dev.set_up()
    (tmp_path / changed).write_text("after")
    steps.clear()
    dev.set_up()
    assert steps == BRING_UP_TO_DATE


def test_an_interrupted_set_up_starts_afresh(steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package that was half written is not taken for an installed one."""

    def interrupt(*_: object) -> None:
        (tmp_path / ".venv/half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev.Installer, "install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up()
    assert (tmp_path / ".venv/half").exists()
    steps.clear()
    dev.set_up()
    assert steps == [MAKE, *BRING_UP_TO_DATE]
    assert not (tmp_path / ".venv/half").exists()


def test_pip_does_it_where_uv_cannot(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """When uv fails, as where only pip knows the index, pip installs the same things."""
    record = dev.step

    def step(what: str, *command: str | Path, cwd: Path | None = None) -> None:
        if command[0] == "uv":
            raise dev.Failure(what)
        record(what, *command)

    monkeypatch.setattr(dev, "step", step)
    dev.set_up()
    assert steps == [MAKE, *(f"{what} with pip" for what in BRING_UP_TO_DATE)]


def test_a_failing_step_shows_the_last_words_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong is in the error; what went right stays quiet."""
    with pytest.raises(dev.Failure, match=r"counting failed with exit code 3\. Its last words:\nout of fingers"):
        dev.step("counting", sys.executable, "-c", "import sys; sys.exit(print('out of fingers') or 3)")
    dev.step("counting", sys.executable, "-c", "print('to ten')")
    shown = capsys.readouterr().err
    assert "counting: failed" in shown
    assert "counting: done" in shown
    assert "to ten" not in shown


LAST = "tests/test_a.py::test_one", "tests/test_b.py::test_two[x]"


@pytest.mark.parametrize(
    ("failed", "passes", "code"),
    [(LAST, True, 0), (LAST, False, 1), ((), True, None), ([f"{LAST[0]}{n}" for n in range(4)], True, None)],
)
def test_a_second_look_at_a_few(
    failed: Sequence[str],
    passes: bool,
    code: int | None,
    steps: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names what is flaky, fails when a test fails again, and does not look at many or none."""
    noted = tmp_path / ".pytest_cache/v/cache/lastfailed"
    noted.parent.mkdir(parents=True)
    noted.write_text(json.dumps(dict.fromkeys(failed, True)))
    looked: list[str] = []

    def call(_program: Path, *arguments: str) -> int:
        looked.extend(arguments)
        return 0 if passes else 1

    monkeypatch.setattr(dev, "call", call)
    if code is None:
        with pytest.raises(dev.Failure, match=f"{len(failed)} tests failed"):
            dev.again([])
        return
    assert dev.again([]) == code
    assert looked == ["-m", "pytest", *LAST]
    assert ("FLAKY" in capsys.readouterr().err) is passes
    assert steps  # it had set up what it needs
