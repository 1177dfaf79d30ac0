"""The command `switchgear fault-proxy`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import click

from switchgear._errors import SwitchgearError
from switchgear._signals import Signalled, until_signalled
from switchgear.testing import Bandwidth, FaultProxy, Latency, LimitData, ResetPeer, Slicer, Timeout, Toxic

#: As Toxiproxy names them.
_TOXICS: dict[str, type[Toxic]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
}
_ORDERS = ("down", "blackhole", "up", "heal", "status")


@click.command("fault-proxy")
@click.argument("upstream", metavar="HOST:PORT")
@click.argument("orders", nargs=-1)
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen on 127.0.0.1; a free port, if not given.")
def fault_proxy(*, upstream: str, orders: tuple[str, ...], port: int | None) -> None:
    """Stand before a server, and hurt the connections to it. Orders are given as arguments, and then line by line.

    \b
    latency 0.2 jitter=0.05   bytes arrive so many seconds late
    bandwidth 1000            so many bytes get through in a second
    timeout                   nothing gets through (timeout 5: and after 5 s the connection ends)
    reset_peer                connections are reset
    slicer 10 seconds=0.1     bytes arrive in pieces
    limit_data 100            connections end after so many bytes
    down, blackhole, up       new connections are refused, unanswered, accepted again
    heal                      all is well
    status                    what has gone through

    Each strikes what comes from the server; with direction=upstream, what goes there; with toxicity=0.5 every other
    connection.

    \b
    Examples:
      switchgear fault-proxy 127.0.0.1:6379 --port 7000
      switchgear fault-proxy 127.0.0.1:5432 "latency 0.2" "bandwidth 10000"

    Exit codes: 0 stopped by a signal, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    host, _, number = upstream.rpartition(":")
    if not host or not number.isdecimal():
        raise click.BadParameter(f"{upstream!r} is no HOST:PORT, such as 127.0.0.1:6379.", param_hint="HOST:PORT")
    for order in orders:
        _understood(order)
    with suppress(Signalled):
        anyio.run(until_signalled, partial(_run, FaultProxy(host, int(number), port=port), orders))


class _NotUnderstood(SwitchgearError):
    """An order that is none."""


async def _run(proxy: FaultProxy, orders: tuple[str, ...]) -> None:
    try:
        async with proxy:
            click.echo(f"Listening at 127.0.0.1:{proxy.port} (Ctrl-C stops)")
            for order in orders:
                await _obey(proxy, order)
            async for order in _lines():
                try:
                    await _obey(proxy, order)
                except SwitchgearError as error:
                    click.echo(str(error))
            await anyio.sleep_forever()
    except* OSError as errors:
        raise _NotUnderstood(f"127.0.0.1 port {proxy.port} cannot be listened at: {errors.exceptions[0]}.") from None


async def _obey(proxy: FaultProxy, order: str) -> None:
    asked = _understood(order)
    if isinstance(asked, Toxic):
        click.echo(f"{proxy.add(asked)} is in force.")
    elif asked == "status":
        click.echo(str(proxy.statistics()))
    elif asked:
        await getattr(proxy, asked)()
        click.echo(f"{asked}: done.")


def _understood(order: str) -> Toxic | str:
    """A toxic, the name of a method, or "" for an empty line. Raises _NotUnderstood."""
    name, *words = order.split() or [""]
    if name in {"", *_ORDERS} and not words:
        return name
    if name not in _TOXICS:
        raise _NotUnderstood(f"{order!r} is no order. Known: {', '.join((*_TOXICS, *_ORDERS))}.")
    make: Callable[..., Toxic] = _TOXICS[name]
    try:
        return make(
            *(_value(word) for word in words if "=" not in word),
            **{key: _value(value) for key, _, value in (word.partition("=") for word in words if "=" in word)},
        )
    except (TypeError, ValueError) as exc:
        raise _NotUnderstood(f"{order!r} cannot be done: {exc}") from exc


def _value(word: str) -> Any:
    if word in {"true", "false"}:
        return word == "true"
    if word.isdecimal():
        return int(word)
    return word if word.isalpha() else float(word)


async def _lines() -> AsyncIterator[str]:
    """What is typed, until there is no more."""
    typed, more = b"", b"\n"
    while more:
        with suppress(OSError, ValueError):  # a file, which is always readable, or no input at all
            await anyio.wait_readable(sys.stdin)
        more = os.read(sys.stdin.fileno(), 4096)
        *lines, typed = (typed + more).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
