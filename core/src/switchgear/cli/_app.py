"""All commands. A new one has a module of its own and a line in this one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from switchgear._errors import SwitchgearError

#: Command -> the module that has it, as a function of the same name (with _ for -). Loaded when it is asked for: a
#: container's health check runs one of them every few seconds, and has no use for the others' imports.
_COMMANDS = {
    "chaos": "switchgear.cli._chaos",
    "check": "switchgear.cli._check",
    "close": "switchgear.cli._operate",
    "dashboards": "switchgear.cli._dashboards",
    "demo": "switchgear.demo._command",
    "disable": "switchgear.cli._operate",
    "explain": "switchgear.cli._explain",
    "fault-proxy": "switchgear.cli._fault_proxy",
    "health": "switchgear.cli._status",
    "isolate": "switchgear.cli._operate",
    "metrics": "switchgear.cli._metrics",
    "new-plugin": "switchgear.cli._new_plugin._command",
    "override": "switchgear.cli._operate",
    "plugins": "switchgear.cli._plugins",
    "rules": "switchgear.cli._rules",
    "run": "switchgear.cli._run",
    "serve": "switchgear.cli._serve",
    "status": "switchgear.cli._status",
    "validate": "switchgear.cli._validate._command",
    "watch": "switchgear.cli._watch",
}


def _load(name: str) -> click.Command:
    command: click.Command = getattr(import_module(_COMMANDS[name]), name.replace("-", "_"))
    return command


class _Refusal(click.ClickException):
    """An error of ours, as one paragraph. The cause says the rest to those who debug."""

    exit_code = 2


class _App(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return _load(cmd_name)

    def loaded(self) -> dict[str, click.Command]:
        """All commands by name."""
        return {name: _load(name) for name in _COMMANDS}

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SwitchgearError as error:
            raise _Refusal(str(error)) from error


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="switchgear", prog_name="switchgear", message="%(prog)s %(version)s")
def app() -> None:
    """Circuit breakers for the backends of an application.

    \b
    switchgear demo                             four real backends, broken one after another
    switchgear run -- python app.py             guard every client that an application makes
    switchgear plugins                          what is installed, and does it load
    switchgear check switchgear.toml            is the configuration right, and what does it come to
    switchgear check switchgear.toml --probe    ... and do the backends answer
    switchgear validate switchgear.toml         may it be deployed
    switchgear serve --config switchgear.toml   ... again and again, with a live page
    switchgear status                           how is a running process, and what is wrong
    switchgear watch                            ... live
    switchgear explain checkout                 ... and why
    switchgear metrics                          what is counted, under which names
    switchgear rules > rules.yml                alerts made of it, for Prometheus
    switchgear dashboards --out DIR             ... and dashboards, for Grafana
    switchgear new-plugin acme                  a plugin for a backend of yours, to begin with

    Exit codes: 0 all is well, 1 something is not, 2 it could not be done, 3 it is unhealthy, 130 interrupted. What a
    command means by them stands in its own help.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
