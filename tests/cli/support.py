"""Running the command line, inside this process and as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from switchgear.cli._app import app

PROGRAM = str(Path(sys.executable).with_name("switchgear"))


def run(*arguments: str, **environ: str) -> Result:
    """In this process."""
    return CliRunner().invoke(app, arguments, env=environ, prog_name="switchgear")


def program(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """As a program."""
    command = [PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(**environ))


def environment(**environ: str) -> dict[str, str]:
    """This process' environment, with what a test says and nothing else of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHGEAR")}
    return {**inherited, **environ}
