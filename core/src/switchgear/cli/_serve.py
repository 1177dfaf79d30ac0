"""The command `switchgear serve`."""

from __future__ import annotations

import socket
import sys
from contextlib import redirect_stdout, suppress
from functools import partial
from ipaddress import ip_address

import anyio
import click

from switchgear._config import read_environment, read_toml
from switchgear._errors import SwitchgearError
from switchgear._gear import Switchgear
from switchgear._gear_config import GearConfig
from switchgear._signals import Signalled, until_signalled
from switchgear.cli._options import token_option
from switchgear.cli._rounds import check_all, for_watching

#: Milliseconds that a client may leave what was sent to it.
_UNTAKEN = 10_000


class _Unusable(SwitchgearError):
    """The address cannot be listened at."""


@click.command()
@click.option("--config", "file", metavar="FILE", help="The configuration; without it, that in the environment.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", default=9464, show_default=True, type=click.IntRange(0, 65535), help="Where to listen; 0: any free port."
)
@click.option(
    "--interval",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="From one check of a backend to the next.",
)
@token_option
def serve(*, file: str | None, host: str, port: int, interval: float, token: str | None) -> None:
    """Watch the configured backends, and say over HTTP how they are: a live page, health, metrics, events.

    Each backend is connected and asked for a sign of life again and again, by its plugin's own check; no application is
    needed. Who has the token may isolate services and override levels. Without a token that is off, and nothing but
    this machine can connect.

    \b
    Examples:
      switchgear serve --config switchgear.toml
      SWITCHGEAR_CONFIG=switchgear.toml switchgear serve --port 0
      switchgear serve --config switchgear.toml --host 0.0.0.0 --token-file /run/secrets/token

    Exit codes: 0 stopped by a signal, 2 it could not be done.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    local = _is_loopback(host)
    if not local and token is None:
        problem = (
            f"everybody who can reach {host} would see what this says. Listen at 127.0.0.1, or give a token in "
            "SWITCHGEAR_TOKEN or a --token-file."
        )
        raise click.BadParameter(problem, param_hint="--host")
    with redirect_stdout(sys.stderr):  # a plugin that prints must not get into what we print
        config = read_toml(file) if file is not None else read_environment()
    with _listen(host, port) as listening:
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        hosts = {host, "127.0.0.1", "localhost", "::1", "[::1]"} if local else None
        run = partial(_serve, config, listening, address, hosts=hosts, token=token, interval=interval)
        with suppress(Signalled):  # before it served anything
            anyio.run(until_signalled, run)
    click.echo("Stopped; nothing is left running.")


async def _serve(
    config: GearConfig,
    listening: socket.socket,
    address: str,
    *,
    hosts: set[str] | None,
    token: str | None,
    interval: float,
) -> None:
    from switchgear.asgi import create_app
    from switchgear.asgi._running import server_of

    gear = Switchgear(for_watching(config, interval))
    app = create_app(gear, token=token, hosts=hosts)
    server = server_of(app)

    async def leave() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            server.should_exit = True

    async with gear, anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        tasks.start_soon(check_all, gear, interval)
        names = ", ".join(gear.services) or "nothing"
        click.echo(f"Watching {names}: {address}/ (Ctrl-C stops)")
        click.echo(f"Operator actions are {'on, for those who have the token' if token else 'off: there is no token'}.")
        with anyio.CancelScope(shield=True):  # it ends when told to leave, and not before its clients have been
            await server.serve(sockets=[listening])
        tasks.cancel_scope.cancel()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        problem = exc.strerror or str(exc)
        raise _Unusable(
            f"{host} port {port} cannot be listened at: {problem}. Give another --port (0: any that is free) or --host."
        ) from exc
    if sys.platform == "linux":
        # A client that takes nothing is dropped, but what it was last sent would keep its connection for ever.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN)
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
