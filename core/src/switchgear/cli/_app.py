"""All commands. A new one has a module of its own and a line at the end of this one."""

from __future__ import annotations

from typing import Any

import click

from switchgear._errors import SwitchgearError
from switchgear.cli._check import check
from switchgear.cli._explain import explain
from switchgear.cli._metrics import metrics
from switchgear.cli._operate import close, disable, isolate, override
from switchgear.cli._plugins import plugins
from switchgear.cli._rules import rules
from switchgear.cli._serve import serve
from switchgear.cli._status import health, status
from switchgear.cli._validate._command import validate
from switchgear.cli._watch import watch
from switchgear.demo._command import demo


class _Refusal(click.ClickException):
    """An error of ours, as one paragraph. The cause says the rest to those who debug."""

    exit_code = 2


class _App(click.Group):
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

    Exit codes: 0 all is well, 1 something is not, 2 it could not be done, 3 it is unhealthy, 130 interrupted. What a
    command means by them stands in its own help.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped


app.add_command(check)
app.add_command(close)
app.add_command(demo)
app.add_command(disable)
app.add_command(explain)
app.add_command(health)
app.add_command(isolate)
app.add_command(metrics)
app.add_command(override)
app.add_command(plugins)
app.add_command(rules)
app.add_command(serve)
app.add_command(status)
app.add_command(validate)
app.add_command(watch)
