"""The faults, one after another, and how long each lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from switchgear._errors import SwitchgearError
from switchgear.demo._board import Board
from switchgear.demo._ledger import Ledger
from switchgear.demo._servers import SqliteFile
from switchgear.testing import Latency

_QUIET = 0.1  # of the duration, before the first fault, and after the last
_HELD = 0.4  # of a fault's turn; the rest is for the way back
_PATIENCE = 15.0  # s that a breaker may take to open, and to close. Many times what it does take, for slow machines
_LOOK = 0.02  # s between two looks
_SLOW = 2.0  # s: more than twice what the breaker of the files takes for slow


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the backend of a service, and how it ends."""

    service: str
    strikes: str
    ends: str
    strike: Callable[[], Awaitable[None]]
    heal: Callable[[], Awaitable[None]]


def faults(board: Board) -> list[Fault]:
    """One of each kind."""
    servers, proxy = board.servers, board.proxy

    async def slow() -> None:
        proxy.add(Latency(_SLOW))

    async def fast() -> None:
        proxy.clear()

    locked = isinstance(servers.db, SqliteFile)
    hangs, goes_on = ("is locked", "is unlocked") if locked else ("hangs (SIGSTOP)", "goes on (SIGCONT)")
    llm = partial(Fault, "llm", heal=servers.llm.heal)
    throttle = partial(servers.llm.fault, "status", status=429, retry_after=1)
    cut = partial(servers.llm.fault, "cut", after=2)
    return [
        Fault("cache", "is killed (SIGKILL)", "is started again", servers.cache.kill, servers.cache.restart),
        Fault("db", hangs, goes_on, servers.db.hang, servers.db.resume),
        Fault("files", f"is slow: all comes {_SLOW:g} s late", "is fast again", slow, fast),
        llm("throttles: 429, retry after 1 s", "serves all again", strike=throttle),
        llm("cuts its answers off half-way", "finishes its answers again", strike=cut),
    ]


async def play(script: Sequence[Fault], ledger: Ledger, duration: float) -> None:
    """Each fault in turn, within `duration` seconds if all breakers are as quick as they should be."""
    quiet = _QUIET * duration
    turn = (duration - 2 * quiet) / len(script)
    await anyio.sleep(quiet)
    for fault in script:
        end = anyio.current_time() + turn
        await _act(fault, ledger, _HELD * turn)
        await anyio.sleep_until(end)
    await anyio.sleep(quiet)


async def _act(fault: Fault, ledger: Ledger, held: float) -> None:
    await _until(lambda: ledger.whole(fault.service))  # or there would be nothing to see
    act = ledger.strikes(fault.service, fault.strikes)
    try:
        try:
            await fault.strike()
            await anyio.sleep(held)
            await _until(lambda: act.opened is not None)
        finally:
            with anyio.CancelScope(shield=True):  # also when we are stopped: nothing closes in peace beside what hangs
                await fault.heal()
    except (SwitchgearError, OSError) as error:
        ledger.note(fault.service, f"cannot be broken and healed: {error}")
        return
    ledger.healed(act, fault.ends)
    if await _until(lambda: ledger.whole(fault.service)):
        ledger.recovered(act)


async def _until(condition: Callable[[], bool]) -> bool:
    """Waits for something; False if it takes too long."""
    with anyio.move_on_after(_PATIENCE):
        while not condition():  # noqa: ASYNC110  a breaker sends no event when it has ramped up
            await anyio.sleep(_LOOK)
        return True
    return False
