#!/usr/bin/env python3
"""Do everything a developer does here; needs Python 3.11 or later and pip (or uv), nothing else.

usage: python3 dev.py COMMAND [ARGUMENTS]
"""

# Standard library only, and no import from the workspace: this file runs before anything is installed.
# The first run makes .venv and installs the locked packages; a run with nothing changed starts at once.

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
STAMP = VENV / "switchgear-stamp"
REQUIREMENTS = ROOT / "requirements"
MEMBERS = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
OLDEST_PYTHON = (3, 11)


class Failure(Exception):
    """Something the developer has to put right; printed as one paragraph, without a traceback."""


# --- Set-up -----------------------------------------------------------------------------------------------------------


class Installer:
    """Installs packages into one environment, with uv when it can be had and with plain pip when not."""

    def __init__(self, python: Path, uv: str | None) -> None:
        self.python = python
        self.uv = uv

    def install(self, what: str, *arguments: str | Path) -> None:
        if self.uv:
            try:
                step(f"{what} with uv", self.uv, "pip", "install", "--python", self.python, *arguments)
            except Failure as failure:
                # uv does not read pip's configuration, so that an index or proxy known only to pip fails here.
                say(f"{failure}\nuv could not do it; trying pip.")
                self.uv = None
            else:
                return
        step(f"{what} with pip", *pip(self.python), *arguments)


def pip(python: Path) -> list[str | Path]:
    return [base_python(), "-m", "pip", "--python", python, "--disable-pip-version-check", "install"]


def base_python() -> str:
    """The interpreter that .venv is made from, also when dev.py itself runs inside .venv."""
    return getattr(sys, "_base_executable", None) or sys.executable


def set_up() -> None:
    """Make .venv and install the locked packages, unless that is done already."""
    fingerprint = _fingerprint()
    with _one_at_a_time():
        if STAMP.is_file() and STAMP.read_text() == fingerprint:
            return
        started = time.monotonic()
        STAMP.unlink(missing_ok=True)
        _make_environment()
        installer = Installer(PYTHON, _find_uv())
        # Wheels only: nothing is compiled, and no package's build code runs on a developer's machine.
        locked = REQUIREMENTS / "dev.lock"
        installer.install("installing the locked packages", "--require-hashes", "--only-binary=:all:", "-r", locked)
        editable = [argument for member in MEMBERS for argument in ("-e", member)]
        installer.install("installing the workspace", "--no-deps", "--no-build-isolation", *editable)
        STAMP.write_text(fingerprint)
        say(f"Ready after {time.monotonic() - started:.0f} s.")


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in (REQUIREMENTS / "dev.lock", ROOT / "pyproject.toml", *(member / "pyproject.toml" for member in MEMBERS)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands started together must not both build .venv: the second waits for the first."""
    import fcntl  # here, since Windows has none and deserves the message of main()

    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_environment() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if PYTHON.exists() and (VENV / "lib" / f"python{version}").is_dir():
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    # Debian splits ensurepip off into python3-venv; an environment without pip needs it not.
    step(f"making .venv with Python {version}", base_python(), "-m", "venv", "--without-pip", VENV)


def _find_uv() -> str | None:
    found = shutil.which("uv", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
    if found:
        return found
    if os.environ.get("SWITCHGEAR_NO_UV"):
        return None
    if subprocess.run([base_python(), "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        raise Failure(
            f"{base_python()} has no pip, and uv is not installed either. "
            "Install one of them (on Debian: apt install python3-pip) and run this again."
        )
    with contextlib.suppress(Failure):
        step("installing uv", *pip(PYTHON), "--require-hashes", "-r", REQUIREMENTS / "bootstrap.lock")
        return str(BIN / "uv")
    say("uv cannot be had here; plain pip does the same, in a minute or two instead of seconds.")
    return None


# --- Running things ---------------------------------------------------------------------------------------------------


def step(what: str, *command: str | Path) -> None:
    """Run a long command, saying how it goes; its output is shown only when it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(list(command), stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment())
        try:
            while True:
                try:
                    code = process.wait(1 if sys.stderr.isatty() else 15)
                    break
                except subprocess.TimeoutExpired:
                    _progress(f"{what} ... {time.monotonic() - started:.0f} s")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        _progress(f"{what}: {'done' if code == 0 else 'failed'} after {time.monotonic() - started:.1f} s", last=True)
        if code:
            output.seek(0)
            tail = "".join(output.readlines()[-20:]).strip()
            raise Failure(f"{what.capitalize()} failed (exit code {code}). It said:\n{tail}")


def _progress(text: str, *, last: bool = False) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[2K\033[2mdev.py: {text}\033[0m", end="\n" if last else "", file=sys.stderr, flush=True)
    else:
        say(text)


def say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    env.pop("PYTHONHOME", None)
    env.setdefault("UV_SYSTEM_CERTS", "1")  # a company's own certificate authority is in the system's store
    env["UV_PYTHON_DOWNLOADS"] = "never"
    return env


# --- Commands ---------------------------------------------------------------------------------------------------------


def setup(arguments: list[str]) -> int:
    """make .venv; every other command does this first when needed"""
    del arguments
    set_up()
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {"setup": setup}


def main(arguments: list[str]) -> int:
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        say(str(failure))
        sys.exit(2)
