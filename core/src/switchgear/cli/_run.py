"""The command `switchgear run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click

import switchgear
from switchgear._config import FILE, is_configured, read_environment
from switchgear._errors import MissingDependency, SwitchgearError
from switchgear._plugins import Plugins

#: In front of PYTHONPATH, so that every Python of the application's finds it.
_BOOTSTRAP = Path(switchgear.__file__).parent / "_bootstrap"


class _CannotRun(SwitchgearError):
    """The program is not there, or is none."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--config", "file", metavar="FILE", help="The configuration; without it, that in the environment, if any."
)
@click.option(
    "--serve",
    "port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Serve the live page, health and metrics at this port of 127.0.0.1.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(*, file: str | None, port: int | None, command: tuple[str, ...]) -> None:
    """Run an application with every client guarded that it makes, without a line of code.

    Clients of all installed plugins are guarded as their plugins recommend, or as FILE says of the service at their
    address; also those of the processes that the application starts. COMMAND takes the place of this one: it gets its
    signals, and its exit code is the one.

    With --serve, the first of the application's processes that calls a backend serves what it knows.

    \b
    Examples:
      switchgear run -- python app.py
      switchgear run -- -m module              # by the Python that switchgear is installed in
      switchgear run --config switchgear.toml --serve 9464 -- gunicorn app:app

    Exit codes: those of COMMAND; 2 it could not be run.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    program = [sys.executable, *command] if command[0].startswith("-") else list(command)
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what the application prints
        environ = _environ(os.environ, file, port)
    sys.stdout.flush()
    try:
        os.execvpe(program[0], program, environ)  # noqa: S606 - to start a program is what it is asked for
    except OSError as exc:
        raise _CannotRun(f"{program[0]} cannot be run: {exc.strerror}. Give a program, as you would without "
                         "switchgear: switchgear run -- python app.py") from exc  # fmt: skip


def _environ(given: Mapping[str, str], file: str | None, port: int | None) -> dict[str, str]:
    """The environment of the application. Raises what is wrong with the configuration, while somebody is looking."""
    environ = dict(given)
    if file is not None:
        environ[FILE] = str(Path(file).absolute())  # it may change its directory
    if is_configured(environ):
        read_environment(environ)
    environ["SWITCHGEAR_RUN"] = ",".join(_awaited(Plugins(environ=environ)))
    environ.pop("SWITCHGEAR_RUN_SERVE", None)
    if port is not None:
        _check_endpoints()
        environ["SWITCHGEAR_RUN_SERVE"] = str(port)
    before = environ.get("PYTHONPATH")
    rest = [path for path in before.split(os.pathsep) if path != str(_BOOTSTRAP)] if before else []
    environ["PYTHONPATH"] = os.pathsep.join([str(_BOOTSTRAP), *rest])
    return environ


def _check_endpoints() -> None:
    try:
        import uvicorn  # noqa: F401  # pyright: ignore[reportUnusedImport]

        import switchgear.asgi  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as exc:
        if exc.name != "uvicorn":
            raise
        raise MissingDependency("uvicorn, which listens,", install="switchgear[http]") from exc


def _awaited(plugins: Plugins) -> Sequence[str]:
    """The modules that clients are made in."""
    methods = [method for backend in plugins.backends() if backend.instrument for method in backend.instrument.made_by]
    return sorted({method.partition(":")[0] for method in methods})
