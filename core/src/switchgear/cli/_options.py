"""Options that commands share: which process is meant, by what right, for how long."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import msgspec

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

#: Seconds that an order may hold; the endpoints take no longer one.
_LONGEST = 24 * 3600.0
_UNITS = 3600.0, 60.0, 1.0  # seconds, as in:
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_TOKEN = re.compile(r"[!-~]+")  # what may stand in a header


def url_option(*, default: str | None = "http://127.0.0.1:9464") -> Callable[[CommandT], CommandT]:
    """--url: the endpoints of a running process."""
    return click.option(
        "--url",
        envvar="SWITCHGEAR_URL",
        default=default,
        show_default=True,
        show_envvar=True,
        callback=_url,
        help="The endpoints of the process.",
    )


def json_option(command: CommandT) -> CommandT:
    """--json: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print an object instead of text.")(command)


def print_json(document: object) -> None:
    """A document of msgspec's, in lines for people too."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def token_option(command: CommandT) -> CommandT:
    """--token-file: where the operator's token is. Never an argument: those are seen by everybody on the machine."""
    return click.option(
        "--token-file",
        "token",
        type=click.Path(exists=True, dir_okay=False),
        callback=_token,
        help="A file with the operator's token; without it the token is taken from SWITCHGEAR_TOKEN.",
    )(command)


def for_option(*, required: bool) -> Callable[[CommandT], CommandT]:
    """--for: the time limit of an order, in seconds."""
    told = "For how long: 90s, 10m, 1h30m. Then it is automatic again."
    return click.option("--for", "for_", metavar="DURATION", required=required, callback=_duration, help=told)


def reason_option(*, required: bool) -> Callable[[CommandT], CommandT]:
    """--reason: why an order was given."""
    told = "Why, for those who will wonder about it. It is kept with the order."
    return click.option("--reason", required=required, callback=_reason, help=told)


def _url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket
        usable = False
    if not usable or set(value) & set("?#@"):  # nor is a command line the place for a user's password
        raise click.BadParameter(f"{value!r} is no address of endpoints. Write it like http://127.0.0.1:9464.")
    return value


def _token(_ctx: click.Context, _param: click.Parameter, file: str | None) -> str | None:
    source = "SWITCHGEAR_TOKEN" if file is None else file
    token = (os.environ.get(source, "") if file is None else Path(file).read_text(errors="replace")).strip()
    if token and not _TOKEN.fullmatch(token):
        raise click.UsageError(f"What is in {source} is no token: it has blanks or other than ASCII characters in it.")
    return token or None


def _duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = _DURATION.fullmatch(value)
    numbers = match.groups(default="0") if match else ()
    seconds = sum(float(number) * unit for number, unit in zip(numbers, _UNITS, strict=False))
    if not seconds:
        raise click.BadParameter(f"{value!r} is no length of time. Write it like 90s, 10m or 1h30m.")
    if seconds > _LONGEST:
        raise click.BadParameter("an order holds for 24h at most. What is to last longer belongs in the configuration.")
    return seconds


def _reason(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.search(r"\w", value):
        raise click.BadParameter("say it in a word or more.")
    return value
