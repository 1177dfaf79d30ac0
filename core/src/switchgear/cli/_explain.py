"""The command `switchgear explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from switchgear.cli._board import in_words
from switchgear.cli._document import (
    Capability,
    Report,
    Service,
    State,
    capabilities,
    no_such,
    read_state,
    reports,
    services,
)
from switchgear.cli._options import json_option, url_option
from switchgear.cli._remote import Remote


@click.command()
@click.argument("name")
@url_option
@json_option
def explain(*, name: str, url: str, as_json: bool) -> None:
    """Say why a capability or a service is as it is, by which rule with which numbers, and what comes next.

    \b
    Examples:
      switchgear explain checkout
      switchgear explain db

    Exit codes: 0 explained, 2 it could not be asked.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    state = read_state(Remote(url))
    known = reports(state)
    if name not in known:
        raise no_such("capability or service", name, known)
    if as_json:
        click.echo(json.dumps(known[name], indent=2))
        return
    console = Console(markup=False, highlight=False)
    for line in _explained(state, known[name]):
        console.print(line, soft_wrap=True)


def _explained(state: State, report: Report) -> Iterator[Text]:
    yield in_words(report)
    if service := services(state).get(report["name"]):
        yield from _of_service(service)
        return
    if capability := capabilities(state).get(report["name"]):
        yield from _of_capability(capability)
    for cause in services(state).values():
        if cause["name"] in report["path"]:
            yield Text()
            yield in_words(cause)
            yield from _of_service(cause)


def _of_service(service: Service) -> Iterator[Text]:
    if service["inhibited_by"]:
        yield Text(f"  It suffers from {', '.join(service['inhibited_by'])}: mend that first.")
    elif service["root"]:
        yield Text("  It is a root cause: nothing that it requires is impaired.")
    if service["suspected"]:
        yield Text("  So much broke at the same moment that the fault may be this process's own.")
    main, *branches = service["breakers"]
    yield Text(f"  {main['explain']}")
    for branch in branches:
        if branch["state"] != "CLOSED" or branch["share"] < 1:
            yield Text(f"  {branch['explain']}")


def _of_capability(capability: Capability) -> Iterator[Text]:
    yield Text(f"  It is offered at the level {capability['level']}.")
    if held := capability["override"]:
        yield Text(f"  An operator holds it there for another {held['ends_in']:.0f} s: {held['reason']}.")
    if capability["loses"]:
        yield Text(f"  {capability['loses']}")
    if capability["requires"]:
        yield Text(f"  It requires {', '.join(capability['requires'])}.")
    if capability["prefers"]:
        shares = [f"{name} ({weight:.0%})" for name, weight in capability["prefers"].items()]
        yield Text(f"  Without these it loses a share: {', '.join(shares)}.")
    for group in capability["any_of"]:
        yield Text(f"  It needs one of {', '.join(group)}.")
