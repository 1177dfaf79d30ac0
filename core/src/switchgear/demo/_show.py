"""One run of the demo, from the first server to the last."""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import TYPE_CHECKING

import anyio

from switchgear.demo._board import open_board
from switchgear.demo._ledger import Ledger
from switchgear.demo._page import watchable
from switchgear.demo._screen import Screen, line
from switchgear.demo._script import faults, play
from switchgear.demo._summary import Summary, summarise

if TYPE_CHECKING:
    from rich.console import Console


async def show(console: Console, *, duration: float, seed: int, live: bool) -> Summary:
    """Starts everything, breaks and heals it for `duration` seconds, ends everything.

    Progress goes to the console: as a screen that is drawn over and over (`live`), or line by line. The seed decides
    which requests come and in which order the faults do. Raises ServerUnavailable for a server that cannot be had, and
    what Switchgear.from_toml raises.
    """
    # The clients log what is broken here on purpose.
    logging.getLogger().addHandler(logging.NullHandler())
    say = partial(console.print, soft_wrap=True)
    say("Starting four servers on 127.0.0.1 ...")
    async with open_board(say) as board:
        from switchgear.demo._storefront import Storefront  # loads the clients' SDKs

        say("\nThe gear is made from this file; windows and waits are short because the show is.\n")
        say(board.configuration, style="dim", end="")
        services = board.gear.services
        storefront = Storefront(board.gear, random.Random(seed))  # noqa: S311  repeatable
        await storefront.open()
        script = faults(board)
        random.Random(seed).shuffle(script)  # noqa: S311
        capabilities = board.gear.degradation.graph.capabilities
        groups = {name: service.group for name, service in services.items()}
        ledger = Ledger(groups, tell=None if live else lambda note: say(line(note)))
        leave = board.gear.subscribe(ledger)
        async with watchable(board.gear) as address, anyio.create_task_group() as tasks:
            say(f"\nWatch it in a browser, too: {address}\n")
            tasks.start_soon(storefront.run, ledger)
            if live:
                screen = Screen(console, ledger, storefront.kinds, address, duration=duration, seed=seed)
                tasks.start_soon(screen.run)
            await play(script, ledger, duration)
            tasks.cancel_scope.cancel()
        leave()
        plugins = {name: service.backend.name for name, service in services.items()}
        return summarise(ledger, plugins, board.servers.names(), capabilities, seed)
