"""The command `switchgear demo`."""

from __future__ import annotations

import json
from functools import partial
from math import inf

import click

#: Seconds. In less, a fault is healed before anybody has seen what it did.
_SHORTEST = 30.0


@click.command()
@click.option("--duration", default=60.0, show_default=True, metavar="SECONDS", help="How long the show is.")
@click.option("--headless", is_flag=True, help="Print lines instead of drawing a screen, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one object in the end; progress goes to standard error.")
@click.option("--seed", default=1, show_default=True, help="Decides which requests come, and the order of the faults.")
def demo(*, duration: float, headless: bool, as_json: bool, seed: int) -> None:
    """Start four real backends, break them one after another, and watch.

    Valkey, PostgreSQL, SeaweedFS (S3) and an OpenAI-compatible server run on free ports of 127.0.0.1, and a small shop
    uses them through guarded clients. The cache is killed, the database hangs, the files become slow, the assistant
    throttles and then cuts its answers off; each is healed before the next one breaks. Nothing is left running.

    \b
    Examples:
      switchgear demo
      switchgear demo --duration 30 --seed 7
      switchgear demo --headless --json > result.json

    Exit codes: 0 every breaker tripped and recovered, 1 one did not, 2 a server cannot be had, 130 or 143 stopped.
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    if not _SHORTEST <= duration < inf:
        problem = (
            f"five faults need more than {duration:g} s to be seen, healed and recovered from. Give {_SHORTEST:g}."
        )
        raise click.BadParameter(problem, param_hint="--duration")

    import anyio
    from rich.console import Console

    from switchgear._signals import Signalled, until_signalled
    from switchgear.demo._show import show
    from switchgear.demo._summary import draw

    console = Console(stderr=as_json, markup=False, highlight=False)
    live = console.is_terminal and not (console.is_dumb_terminal or headless or as_json)
    try:
        summary = anyio.run(until_signalled, partial(show, console, duration=duration, seed=seed, live=live))
    except Signalled as stopped:
        console.print("Stopped; nothing is left running.")
        raise click.exceptions.Exit(stopped.exit_code) from None
    if as_json:
        click.echo(json.dumps(summary.to_json(), indent=2))
    else:
        console.print(draw(summary))
    raise click.exceptions.Exit(0 if summary.ok else 1)
