"""`switchgear chaos`: let calls of a running process go wrong, for a drill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console

from switchgear._document import Experiment, Service
from switchgear.cli._options import for_option, json_option, print_json, reason_option, token_option, url_option
from switchgear.cli._remote import Remote

#: Strategy -> the option that it has a use for.
_STRATEGIES = {
    "fault": "", "latency": "seconds", "outcome": "result", "stream_cut": "parts", "pool_starve": "seconds",
}  # fmt: skip
_SCOPES = {"operation": "operations", "domain": "domains"}


def _share(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    number, percent = value.removesuffix("%"), value.endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{value!r} is no share of the calls. Write it like 5% or 0.05.")
    return share


def _scope(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, list[str]]:
    scope: dict[str, list[str]] = {}
    for value in values:
        kind, _, name = value.partition("=")
        if kind not in _SCOPES or not name:
            raise click.BadParameter(f"{value!r} names no calls. Write it like operation=redis.get or domain=shard-1.")
        scope.setdefault(_SCOPES[kind], []).append(name)
    return scope


def _result(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no JSON. A text has quotes of its own: '\"none\"'.") from None


@click.command()
@click.argument("service")
@click.option("--strategy", type=click.Choice(list(_STRATEGIES)), default="fault", show_default=True,
              help="What happens to a call: it fails, takes longer, returns a result, has its stream cut off, or keeps "
                   "its place in the pool for longer.")  # fmt: skip
@click.option("--rate", metavar="SHARE", default="0.1%", show_default=True, callback=_share,
              help="Of the calls: 5% or 0.05.")  # fmt: skip
@click.option("--scope", metavar="KIND=NAME", multiple=True, callback=_scope,
              help="Only these calls: operation=redis.get or domain=shard-1. May be repeated.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, 3600, min_open=True),
              help="Of latency and pool_starve: by so much longer; 1 if not given.")  # fmt: skip
@click.option("--parts", type=click.IntRange(0, 1_000_000),
              help="Of stream_cut: so many parts come before the error; 1 if not given.")  # fmt: skip
@click.option("--result", metavar="JSON", callback=_result, help="Of outcome: what calls return; null if not given.")
@for_option(required=False)
@reason_option(required=False)
@click.option("--end", is_flag=True, help="End all chaos in the service before its time.")
@json_option
@token_option
@url_option()
def chaos(
    *, service: str, strategy: str, rate: float, scope: dict[str, list[str]], for_: float | None, reason: str | None,
    end: bool, url: str, token: str | None, as_json: bool, **of_strategy: Any,
) -> None:  # fmt: skip
    """Let a share of the calls to SERVICE go wrong for a time, to see whether what should help does.

    The pipeline of the service must have been made ready for it, by chaos = true in its configuration; in production it
    should not be. What was switched on before goes on. Each injection is counted and told to observers.

    \b
    Examples:
      switchgear chaos cache --rate 20% --for 10m --reason "drill of the ninth"
      switchgear chaos cache --strategy latency --seconds 3 --scope operation=redis.get --for 5m --reason drill
      switchgear chaos cache --end

    Exit codes: 0 done, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    remote, path = Remote(url, token), f"/api/services/{quote(service, safe='')}/chaos"
    given = {option: value for option, value in of_strategy.items() if value is not None}
    if end:
        body = {"reason": reason or "ended from the command line"}
        now = remote.order(path, body, Service, method="DELETE")
    else:
        if for_ is None or not reason:
            raise click.UsageError("Chaos needs --for and --reason, lest it be forgotten and nobody know why.")
        if useless := given.keys() - {_STRATEGIES[strategy]}:
            raise click.UsageError(f"--{min(useless)} is nothing to the strategy {strategy}.")
        now = remote.order(
            path, {"injection": strategy, "rate": rate, "for": for_, "reason": reason, **scope, **given}, Service
        )
    if as_json:
        print_json(now)
    else:
        Console(markup=False, highlight=False).print(_told(now), soft_wrap=True)


def _told(service: Service) -> str:
    if not service.chaos:
        return f"No chaos is switched on in {service.name}."
    return "\n".join(f"{service.name}: {chaos_in_words(one)}" for one in service.chaos)


def chaos_in_words(one: Experiment) -> str:
    """What is done to which calls, for how long and why."""
    domains = f"the domains {', '.join(one.domains)}" if one.domains else ""
    whose = " in ".join(filter(None, [", ".join(one.operations), domains]))
    return (f"{one.injection} into {one.rate:.3g} of the calls{whose and f' of {whose}'}, for another "
            f"{one.ends_in:.0f} s: {one.reason}")  # fmt: skip
