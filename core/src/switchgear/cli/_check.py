"""The command `switchgear check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import anyio
import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from switchgear._config import read_environment, read_toml
from switchgear._errors import ConfigurationError
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._graph import Capability
from switchgear.cli._probe import Probed, probe_all
from switchgear.cli._stack import most_as_json, names, stack
from switchgear.cli._thresholds import thresholds


@click.command()
@click.argument("file", required=False)
@click.option("--probe", is_flag=True, help="Also connect every backend, and ask it for a sign of life.")
@click.option("--json", "as_json", is_flag=True, help="Print an object instead of text.")
def check(*, file: str | None, probe: bool, as_json: bool) -> None:
    """Check the configuration in FILE, and show what it comes to.

    All that is wrong is listed, each with the path of its key. Without --probe nothing is connected. Without FILE it is
    the configuration in the environment: SWITCHGEAR_CONFIG names a file, and SWITCHGEAR__SERVICES__NAME__SETTINGS__KEY
    sets a single key.

    Each threshold is shown with where it comes from: "default" is switchgear's, "plugin" what the plugin recommends.

    \b
    Examples:
      switchgear check switchgear.toml
      switchgear check switchgear.toml --probe
      SWITCHGEAR_CONFIG=switchgear.toml switchgear check --json

    Exit codes: 0 all is well, 1 a backend did not answer, 2 the configuration is wrong.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    try:
        with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
            config = read_toml(file) if file is not None else read_environment()
    except ConfigurationError as error:
        if as_json:
            problems = [{"key": one.key, "problem": one.problem} for one in error.errors or (error,)]
            source = file or "the environment"
            _print_json(ok=False, source=source, services={}, capabilities={}, problems=problems)
        raise
    probed = anyio.run(probe_all, config) if probe else {}
    if as_json:
        services = {service.name: _as_json(service, probed.get(service.name)) for service in config.services}
        capabilities = {name: _offered_as_json(capability) for name, capability in config.capabilities.items()}
        ok = all(result.ok is not False for result in probed.values())
        _print_json(ok=ok, source=config.source, services=services, capabilities=capabilities, problems=[])
    else:
        _print(config, probed)
    if wrong := [ConfigurationError(result.error or "") for result in probed.values() if not result.configured]:
        raise ConfigurationError.several(config.source, wrong)
    if any(result.ok is False for result in probed.values()):
        raise click.exceptions.Exit(1)


# -- as JSON ---------------------------------------------------------------------------------------------------------


def _print_json(**value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def _as_json(service: ServiceConfig, probed: Probed | None) -> dict[str, Any]:
    explained = stack(service)
    shown: dict[str, Any] = {
        "plugin": service.plugin,
        "backend": service.backend.name,
        "requires": list(service.requires),
        "pipeline": names(explained),
        "at_most": most_as_json(explained),
        "breaker": {key: {"value": value, "source": source} for key, value, source in thresholds(service)},
    }
    if probed is not None:
        shown["probe"] = {
            "ok": probed.ok, "server": probed.server, "latency": probed.latency, "error": probed.error
        }  # fmt: skip
    return shown


def _offered_as_json(capability: Capability) -> dict[str, Any]:
    return {
        "requires": list(capability.requires),
        "prefers": dict(capability.prefers),
        "any_of": [list(group) for group in capability.any_of],
        "criticality": capability.criticality.name,
        "importance": capability.importance,
    }


# -- as text ---------------------------------------------------------------------------------------------------------


def _print(config: GearConfig, probed: Mapping[str, Probed]) -> None:
    console = Console(markup=False, highlight=False)
    there = _counted(len(config.services), "service", "services")
    if config.capabilities:
        there += f", {_counted(len(config.capabilities), 'capability', 'capabilities')}"
    console.print(f"{config.source} is right: {there}.", soft_wrap=True)
    for service in config.services:
        console.print()
        console.print(service.name, style="bold", end="")
        requires = f", requires {', '.join(service.requires)}" if service.requires else ""
        explained = stack(service)
        console.print(f" ({_kind(service)}{requires}): {' > '.join(names(explained))}", soft_wrap=True)
        if explained is not None:
            console.print("  " + "\n  ".join(str(explained).splitlines()[:-1]), soft_wrap=True)
        if service.name in probed:
            text, style = _in_words(probed[service.name])
            console.print(f"  {text}", style=style, soft_wrap=True)
        console.print(Padding(_table(service), (0, 0, 0, 2), expand=False))
    if config.services:
        console.print("\nTimes are in seconds, rates are shares of 1.")
    for name, capability in config.capabilities.items():
        console.print()
        console.print(name, style="bold", end="")
        console.print(f" ({capability.criticality}): {_needs(capability)}", soft_wrap=True)


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _needs(capability: Capability) -> str:
    needs = [f"requires {', '.join(capability.requires)}"] if capability.requires else []
    needs += [f"prefers {name} ({weight:.0%} of it)" for name, weight in capability.prefers.items()]
    needs += [f"needs one of {', '.join(group)}" for group in capability.any_of]
    return "; ".join(needs) or "needs nothing"


def _kind(service: ServiceConfig) -> str:
    backend = service.backend.name
    return service.plugin if service.plugin == backend else f"{service.plugin}: {backend}"


def _table(service: ServiceConfig) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for key, value, source in thresholds(service):
        shown = "off" if value is False else f"{value:g}" if isinstance(value, float) else str(value)
        table.add_row(key, shown, source)
    return table


def _in_words(probed: Probed) -> tuple[str, str]:
    if probed.ok is False:
        return f"FAILED: {probed.error}", "red"
    server = probed.server or "a server that does not say its name"
    if probed.ok is None:
        return f"connected to {server}; its plugin cannot tell whether it serves", "yellow"
    took = "" if probed.latency is None else f" in {probed.latency * 1000:.1f} ms"
    return f"{server} answers{took}", "green"
