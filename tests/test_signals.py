"""A signal cancels the work, and the exit code is the one that shells know."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

import anyio
import pytest

from switchgear._signals import Signalled, until_signalled

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_work_is_cancelled_and_ends_in_good_order(number: signal.Signals, exit_code: int) -> None:
    """It may take its time to clean up, and a second signal does not cut that short."""
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        os.kill(os.getpid(), number)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                os.kill(os.getpid(), number)
                await anyio.wait_all_tasks_blocked()
                cleaned = True

    with anyio.fail_after(5), pytest.raises(Signalled) as stopped:
        await until_signalled(work)
    assert stopped.value.exit_code == exit_code
    assert cleaned


async def test_without_a_signal_it_returns_what_the_work_does() -> None:
    """And takes its handlers away again."""

    async def work() -> int:
        return 7

    before = signal.getsignal(signal.SIGTERM)
    assert await until_signalled(work) == 7
    assert signal.getsignal(signal.SIGTERM) == before


async def test_an_error_comes_out_as_it_is() -> None:
    """Not in a group, of which no caller would expect it."""

    async def work() -> NoReturn:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await until_signalled(work)
