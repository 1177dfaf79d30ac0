"""Time that passes while nobody runs."""

from __future__ import annotations

import anyio

from switchgear.testing.virtual_time import stall
from tests.virtual_time import each_backend, run


@each_backend
def test_who_sleeps_through_a_stall_is_woken_too_late(backend: str) -> None:
    """As under an event loop that is blocked: a sleep of one second has taken five, and nobody ran in between."""

    async def main() -> list[float]:
        woken: list[float] = []

        async def sleeper() -> None:
            await anyio.sleep(1)
            woken.append(anyio.current_time() - began)

        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleeper)
            await anyio.sleep(0.5)
            stall(5)
            woken.append(anyio.current_time() - began)
        return woken

    assert run(main, backend=backend) == [5.5, 5.5]
