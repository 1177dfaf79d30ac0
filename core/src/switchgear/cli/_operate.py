"""What an operator can order of a running process: `switchgear isolate`, `close`, `disable` and `override`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import click
from rich.console import Console
from rich.text import Text

from switchgear._document import Capability, Service
from switchgear._level import Level
from switchgear.cli._board import in_words
from switchgear.cli._options import for_option, json_option, print_json, reason_option, token_option, url_option
from switchgear.cli._remote import Remote

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _order_options(command: CommandT) -> CommandT:
    for option in (json_option, token_option, url_option()):
        command = option(command)
    return command


def _limited(command: CommandT) -> CommandT:
    return for_option(required=True)(reason_option(required=True)(command))


@click.command()
@click.argument("name")
@_limited
@_order_options
def isolate(*, name: str, for_: float, reason: str, url: str, token: str | None, as_json: bool) -> None:
    """Let no call through to the service NAME for a time: its breakers are FORCED_OPEN.

    For maintenance, or to take the load off a backend. Callers get their fallbacks, and levels fall accordingly.

    \b
    Examples:
      switchgear isolate db --for 10m --reason "failover, ticket 4711"

    Exit codes: 0 done, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    _order(Remote(url, token), name, "isolate", {"reason": reason, "for": for_}, as_json=as_json)


@click.command()
@click.argument("name")
@reason_option(required=False)
@_order_options
def close(*, name: str, reason: str | None, url: str, token: str | None, as_json: bool) -> None:
    """Close the breakers of the service NAME, whoever opened them: calls go through, and are watched anew.

    \b
    Examples:
      switchgear close db
      switchgear close db --reason "failover is over"

    Exit codes: 0 done, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    _order(Remote(url, token), name, "close", {"reason": reason or "closed from the command line"}, as_json=as_json)


@click.command()
@click.argument("name")
@_limited
@_order_options
def disable(*, name: str, for_: float, reason: str, url: str, token: str | None, as_json: bool) -> None:
    """Switch the breakers of the service NAME off for a time: all calls go through, unwatched.

    \b
    Examples:
      switchgear disable db --for 30m --reason "its threshold is wrong, ticket 4711"

    Exit codes: 0 done, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    _order(Remote(url, token), name, "disable", {"reason": reason, "for": for_}, as_json=as_json)


def _order(remote: Remote, name: str, order: str, body: dict[str, Any], *, as_json: bool) -> None:
    service = remote.order(f"/api/services/{quote(name, safe='')}/{order}", body, Service)
    if as_json:
        print_json(service)
    else:
        _print(Text(service.breakers[0].explain))


@click.command()
@click.argument("capability")
@click.argument("level", required=False, type=click.Choice([level.name for level in reversed(Level)]))
@for_option(required=False)
@reason_option(required=False)
@click.option("--end", is_flag=True, help="End an override before its time.")
@_order_options
def override(
    *,
    capability: str,
    level: str | None,
    for_: float | None,
    reason: str | None,
    end: bool,
    url: str,
    token: str | None,
    as_json: bool,
) -> None:
    """Hold CAPABILITY at LEVEL for a time, whatever its health; or end that with --end.

    \b
    Examples:
      switchgear override search OFF --for 2h --reason "index is rebuilt, ticket 4711"
      switchgear override search --end

    Exit codes: 0 done, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    if end == (level is not None):
        raise click.UsageError("Give a LEVEL to hold the capability at, or --end.")
    if not end and (for_ is None or not reason):
        raise click.UsageError("An override needs --for and --reason, lest it be forgotten and nobody know why.")
    remote, path = Remote(url, token), f"/api/capabilities/{quote(capability, safe='')}/override"
    if end:
        body = {"reason": reason or "ended from the command line"}
        now = remote.order(path, body, Capability, method="DELETE")
    else:
        now = remote.order(path, {"level": level, "reason": reason, "for": for_}, Capability)
    if as_json:
        print_json(now)
    else:
        _print(Text.assemble(f"{now.name} is offered at the level {now.level}. ", in_words(now)))


def _print(text: Text) -> None:
    Console(markup=False, highlight=False).print(text, soft_wrap=True)
