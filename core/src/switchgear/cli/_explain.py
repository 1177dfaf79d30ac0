"""The command `switchgear explain`."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from switchgear._document import Capability, Report, Service, State
from switchgear.cli._board import in_words, span
from switchgear.cli._chaos import chaos_in_words
from switchgear.cli._options import json_option, print_json, url_option
from switchgear.cli._remote import Remote
from switchgear.cli._state import find, read_state


@click.command()
@click.argument("name")
@url_option()
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
    found = find(state, name)
    if as_json:
        print_json(found)
        return
    console = Console(markup=False, highlight=False)
    for line in _explained(state, found):
        console.print(line, soft_wrap=True)


def _explained(state: State, found: Report) -> Iterator[Text]:
    yield in_words(found)
    if isinstance(found, Service):
        yield from _of_service(found)
        return
    if isinstance(found, Capability):
        yield from _of_capability(found)
    for service in state.services:
        if service.name in found.path:
            yield Text()
            yield in_words(service)
            yield from _of_service(service)


def _of_service(service: Service) -> Iterator[Text]:
    if service.inhibited_by:
        yield Text(f"  It suffers from {', '.join(service.inhibited_by)}: mend that first.")
    elif service.root:
        yield Text("  It is a root cause: nothing that it requires is impaired.")
    for experiment in service.chaos:
        yield Text(f"  Chaos is on, on purpose: {chaos_in_words(experiment)}")
    if service.suspected:
        yield Text("  So much failed within the same moments that the fault may be this process's own.")
    amiss = [breaker for breaker in service.breakers if breaker.state != "CLOSED" or breaker.share < 1]
    if len(amiss) > 1 and all(not breaker.domain for breaker in amiss):
        amiss = amiss[1:]  # it has no parts to tell apart: its one branch says what the main would only repeat
    for breaker in amiss or service.breakers[:1]:
        yield Text(f"  {breaker.explain}")


def _of_capability(capability: Capability) -> Iterator[Text]:
    yield Text(f"  It is offered at the level {capability.level}. {capability.loses}".rstrip())
    if held := capability.override:
        yield Text(f"  An operator holds it at {held.level} for another {span(held.ends_in)}: {held.reason}")
    if capability.requires:
        yield Text(f"  It requires {', '.join(capability.requires)}.")
    if capability.prefers:
        shares = [f"{name} ({weight:.0%} of it)" for name, weight in capability.prefers.items()]
        yield Text(f"  It prefers {', '.join(shares)}.")
    for group in capability.any_of:
        yield Text(f"  It needs one of {', '.join(group)}.")
