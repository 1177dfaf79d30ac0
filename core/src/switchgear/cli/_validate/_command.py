"""The command `switchgear validate`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import redirect_stdout

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from switchgear._gear_config import GearConfig
from switchgear._level import hold_for
from switchgear.cli._options import json_option, token_option, url_option
from switchgear.cli._remote import Remote
from switchgear.cli._state import read_state
from switchgear.cli._validate._check import Outcome, Result
from switchgear.cli._validate._facts import Drill, Facts
from switchgear.cli._validate._gather import ask_backends, check_rules, literal_secrets, read_file
from switchgear.cli._validate._processing import ask_process, drill
from switchgear.cli._validate._table import judge

_STYLES = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}


@click.command()
@click.argument("file")
@url_option(default=None)
@click.option(
    "--rules", multiple=True, metavar="FILE", help="Prometheus rules that are deployed with it, for promtool."
)
@click.option("--drill", "drills", is_flag=True, help="Isolate each service of the process for seconds, and look.")
@click.option("--yes", is_flag=True, help="Drill without asking.")
@token_option
@json_option
def validate(
    *, file: str, url: str | None, rules: tuple[str, ...], drills: bool, yes: bool, token: str | None, as_json: bool
) -> None:
    """Say whether the configuration in FILE may be deployed, and whether a process that runs it does as it says.

    The file is read, every backend connected with its credentials, and what is found is checked: plugins, permissions,
    versions, timeouts against thresholds, retries, pools, metrics, the graph of capabilities. With --url the endpoints
    of a process are asked too, and whether it runs this very file.

    With --drill each service of that process is isolated for some seconds and closed again, one after another: do
    levels fall as the graph says, is it ready and alive as it should be, does all of it come back? Users notice, so
    it is for staging. It takes a minute or two for each service, since levels rise slowly.

    \b
    Examples:
      switchgear validate switchgear.toml
      switchgear validate switchgear.toml --url http://127.0.0.1:9464 --rules rules.yml
      SWITCHGEAR_TOKEN=... switchgear validate switchgear.toml --url http://staging:9464 --drill

    Exit codes: 0 it may be deployed, perhaps with warnings, 1 a check has failed, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    remote = None if url is None else Remote(url, token)
    if drills:
        _agree(remote, token, yes=yes)
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
        facts = _gather(file, remote, rules, drills=drills)
    results = judge(facts)
    if as_json:
        _print_json(file, results)
    else:
        _print(results)
    if any(result.outcome is Outcome.FAIL for result in results):
        raise click.exceptions.Exit(1)


def _agree(remote: Remote | None, token: str | None, *, yes: bool) -> None:
    """Comes back if the process may be drilled."""
    if remote is None or token is None:
        raise click.UsageError("A drill needs the process (--url) and the right to order it about (SWITCHGEAR_TOKEN).")
    names = ", ".join(service.name for service in read_state(remote).services)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("A drill disturbs users. Say --yes where nobody can be asked.")
    if not click.confirm(f"Isolate {names} at {remote.url}, one after another?", err=True):
        raise click.UsageError("Nothing was drilled.")


def _gather(file: str, remote: Remote | None, rules: tuple[str, ...], *, drills: bool) -> Facts:
    config, problems = read_file(file)
    running = None if remote is None else ask_process(remote)
    known = running.state.services if running and running.state else ()
    domains = {service.name: [breaker.domain for breaker in service.breakers if breaker.domain] for service in known}
    return Facts(
        source=file,
        problems=problems,
        config=config,
        literals=literal_secrets(config),
        asked=ask_backends(config, domains),
        running=running,
        rules=check_rules(rules),
        drill=_drill(remote, config) if remote is not None and drills else None,
    )


def _drill(remote: Remote, config: GearConfig) -> Drill:
    hold = hold_for(service.breaker.backoff.initial for service in config.services)
    return drill(remote, hold, lambda step: click.echo(step, err=True))


def _print_json(source: str, results: list[Result]) -> None:
    counted = Counter(str(result.outcome) for result in results)
    told = [
        {"outcome": str(outcome), "check": check, "subject": subject, "text": text}
        for outcome, check, subject, text in results
    ]
    click.echo(json.dumps({"ok": not counted["FAIL"], "source": source, "counts": counted, "results": told}, indent=2))


def _print(results: list[Result]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    last = ""
    for outcome, check, subject, text in results:
        style = "" if outcome is not Outcome.PASS else "dim"
        table.add_row(
            Text(str(outcome), style=_STYLES[outcome]), check if check != last else "", subject, Text(text, style=style)
        )
        last = check
    console = Console(markup=False, highlight=False)
    console.print(table)
    counted = Counter(result.outcome for result in results)
    summary = f"{counted[Outcome.PASS]} passed, {counted[Outcome.WARN]} to look at, {counted[Outcome.FAIL]} failed."
    console.print(f"\n{summary}", style=_STYLES[max(counted, default=Outcome.PASS)])
