"""Ending in good order when told to."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

T = TypeVar("T")


class Signalled(Exception):
    """A signal has cancelled the work. `exit_code` is what a shell makes of it: 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


async def until_signalled(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns or raises; Signalled once SIGINT or SIGTERM has cancelled it and it has ended.

    Only the first signal counts: to end in good order takes a moment, and impatience must not cut that short.
    """
    scope = anyio.CancelScope()
    received: list[int] = []
    results: list[T] = []
    errors: list[Exception] = []

    async def listen(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                received.append(number)
                scope.cancel()

    async with anyio.create_task_group() as tasks:
        await tasks.start(listen)
        with scope:
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001  raised below: out of here it would come wrapped in a group
                errors.append(error)
        tasks.cancel_scope.cancel()
    if errors:
        raise errors[0]
    if not results:
        raise Signalled(received[0])
    return results[0]
