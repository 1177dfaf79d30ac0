"""The program: exit codes, errors in words, help."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

import pytest

from switchgear.cli._app import app
from tests.cli.support import PROGRAM, environment, program, run
from tests.planted import WORKING, Garden


def test_version() -> None:
    """One line with name and version."""
    shown = program("--version")
    assert (shown.returncode, shown.stdout) == (0, f"switchgear {version('switchgear')}\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_examples_for_every_command(flag: str) -> None:
    """Each command shows how it is used, and says so in its own help."""
    shown = run(flag)
    assert shown.exit_code == 0
    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert [line for line in lines if line.startswith("switchgear check switchgear.toml --probe ")]
    for name, command in app.loaded().items():
        assert command.short_help or command.help
        assert [line for line in lines if line.startswith(f"{name} ")]
        lines_of_its_own = run(name, flag).stdout.splitlines()
        assert [line for line in lines_of_its_own if line.startswith(f"    switchgear {name}")]
        assert not any("\\b" in line for line in lines_of_its_own)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "No such command 'chek'"),
        (["check", "--jsn"], "No such option"),
        (["plugins", "redis"], "unexpected extra argument"),
        (["check", "nowhere.toml"], "Error: nowhere.toml: There is no such file"),
        (["check"], "Error: Nothing is configured. Set SWITCHGEAR_CONFIG"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2_and_words(arguments: list[str], said: str) -> None:
    """On standard error, without a traceback."""
    shown = program(*arguments)
    assert shown.returncode == 2
    assert shown.stdout == ""
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors that we mean are put into words."""
    monkeypatch.setattr("switchgear.cli._plugins.Plugins", lambda: 1 / 0)
    assert isinstance(run("plugins").exception, ZeroDivisionError)


@pytest.mark.parametrize("module", ["click", "rich"])
def test_without_its_extra_the_program_says_the_pip_line(module: str) -> None:
    """The script is installed with the core, what it needs is not."""
    code = f"import sys; sys.modules[{module!r}] = None; from switchgear.cli import main; main()"
    shown = subprocess.run([sys.executable, "-c", code, "plugins"], capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert shown.stderr == 'Error: The command line is not installed. Install it with: pip install "switchgear[cli]"\n'


def test_without_cattrs_check_says_the_pip_line(garden: Garden, write: Callable[[str], str]) -> None:
    """A part of the extra may be missing too."""
    garden.plant("memory")
    file = write('[services.cache]\nplugin = "memory"\n')
    code = "import sys; sys.modules['cattrs'] = None; from switchgear.cli import main; main()"
    command = [sys.executable, "-c", code, "check", file]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert shown.returncode == 2
    assert shown.stderr.endswith('is not installed. Install it with: pip install "switchgear[config]"\n')


HANGING = WORKING.replace(
    "    return True",
    "    import anyio, sys\n    print('probing', file=sys.stderr, flush=True)\n    await anyio.sleep_forever()",
)


def test_an_interrupt_is_quiet(garden: Garden, write: Callable[[str], str]) -> None:
    """Ctrl-C in the middle of a probe: exit code 130 and not a word."""
    garden.plant("hanging", HANGING)
    command = [PROGRAM, "check", write('[services.cache]\nplugin = "hanging"'), "--probe"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True)
    assert running.stderr is not None
    try:
        assert running.stderr.readline() == "probing\n"
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, stdout, stderr.strip()) == (130, "", "")


def shown_on_a_terminal(*arguments: str, **environ: str) -> str:
    ours, theirs = pty.openpty()
    try:
        env = environment(TERM="xterm", **environ)
        subprocess.run([PROGRAM, *arguments], stdout=theirs, stdin=theirs, stderr=theirs, env=env, check=True)
        return os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colour_is_for_terminals_that_want_it(garden: Garden) -> None:
    """Green on a terminal; plain in a pipe, and where NO_COLOR asks for it."""
    garden.plant("memory")
    only = {"SWITCHGEAR_PLUGINS": "memory"}
    assert "\x1b[32mACTIVE" in shown_on_a_terminal("plugins", **only)
    assert "\x1b[3" not in shown_on_a_terminal("plugins", NO_COLOR="1", **only)
    assert "\x1b" not in program("plugins", **only).stdout
