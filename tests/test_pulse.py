"""A gear that nobody enters beats where its process runs an event loop, and is in nobody's way."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from switchgear import Switchgear
from switchgear._process import ProcessGear
from tests.backends import Client, backend_of, until

BACKEND = backend_of()


@pytest.fixture
def gear(monkeypatch: pytest.MonkeyPatch) -> ProcessGear:
    """One that beats quickly."""
    from switchgear import _pulse

    monkeypatch.setattr(_pulse, "_INTERVAL", 0.01)
    return ProcessGear()


@pytest.fixture
def client(gear: Switchgear) -> Client:
    return gear.guard(Client(), BACKEND, name="toy")


class Ear:
    def __init__(self) -> None:
        self.lags: list[float] = []

    def on_heartbeat(self, event: Any) -> None:
        self.lags.append(event.lag)


def test_it_begins_with_the_first_guarded_call_on_an_event_loop(gear: Switchgear, client: Client) -> None:
    """Not when the client is made, which may be at import; and from then on it looks at what nobody asks for."""

    async def main() -> None:
        await anyio.lowlevel.checkpoint()
        assert gear.heartbeat is None
        client.get()
        await until(lambda: gear.heartbeat)

    asyncio.run(main())


def test_synchronous_calls_do_without(gear: Switchgear, client: Client) -> None:
    """And leave the beginning to the first one on a loop."""
    client.get()
    client.get()
    assert gear.heartbeat is None

    async def main() -> None:
        client.get()
        await until(lambda: gear.heartbeat)

    asyncio.run(main())
    assert client.happened == ["get "] * 3


def test_trio_does_without(gear: Switchgear, client: Client) -> None:
    """Calls go as ever; there is no heartbeat on trio."""

    async def main() -> None:
        client.get()
        await anyio.sleep(0.05)

    anyio.run(main, backend="trio")
    assert client.happened == ["get "]
    assert gear.heartbeat is None


def test_it_is_no_task(gear: Switchgear, client: Client) -> None:
    """Who waits for all tasks before he leaves does not wait for it."""

    async def main() -> None:
        client.get()
        await until(lambda: gear.heartbeat)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_it_goes_on_with_the_next_loop(gear: Switchgear) -> None:
    """Each asyncio.run() has a loop of its own, and clients that are made in it."""
    for _ in range(2):
        ear = Ear()
        leave = gear.subscribe(ear)

        async def main(ear: Ear = ear) -> None:
            gear.guard(Client(), BACKEND, name="toy").get()
            await until(lambda: ear.lags)

        asyncio.run(main())
        leave()


def test_there_is_one_however_many_services_are_called(gear: Switchgear) -> None:
    """Two services called at once do not make it beat twice."""
    ear = Ear()
    gear.subscribe(ear)

    async def main() -> None:
        for name in ("one", "two", "three"):
            gear.guard(Client(), BACKEND, name=name).get()
        before = gear._pulse  # type: ignore[attr-defined]
        loop: Any = asyncio.get_running_loop()
        beats = [timer for timer in loop._scheduled if getattr(timer._callback, "__self__", None) is before]
        assert len(beats) == 1

    asyncio.run(main())


def test_it_tells_how_late_the_loop_is(gear: Switchgear, client: Client) -> None:
    """As the heartbeat of an entered gear does: a loop that is held up is a fault of ours."""
    ear = Ear()
    gear.subscribe(ear)

    async def main() -> None:
        client.get()
        await until(lambda: len(ear.lags) >= 2)
        held_up = asyncio.get_running_loop().time() + 0.2
        while asyncio.get_running_loop().time() < held_up:
            pass
        await until(lambda: max(ear.lags) > 0.15)

    asyncio.run(main())


def test_it_keeps_no_context_alive(gear: Switchgear, client: Client) -> None:
    """Not the request's in which the first call was made, with all that hangs on it."""
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    seen: list[str | None] = []

    class Looker:
        def on_heartbeat(self, _event: object) -> None:
            seen.append(request.get(None))

    gear.subscribe(Looker())

    async def main() -> None:
        request.set("somebody's")
        client.get()
        await until(lambda: seen)

    asyncio.run(main())
    assert set(seen) == {None}


CLOSING = """
import asyncio
from switchgear._process import ProcessGear
from tests.backends import Client, backend_of

async def main():
    client.get()

gear = ProcessGear()
client = gear.guard(Client(), backend_of(), name="toy")
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


def test_a_loop_is_closed_in_silence() -> None:
    """Without asyncio.run(), which would cancel a task, nothing is said of one that is pending."""
    command = [sys.executable, "-W", "error", "-c", CLOSING]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def fork(in_child: Callable[[], None]) -> int:
    """The exit code of a forked process that does it."""
    pid = os.fork()
    if pid == 0:
        try:
            in_child()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_process_has_its_own(gear: Switchgear, client: Client) -> None:
    """As the workers of a server that made its clients before it forked, and those of one that forks while it runs."""

    def in_child() -> None:
        ear = Ear()
        gear.subscribe(ear)

        async def main() -> None:
            gear.guard(Client(), BACKEND, name="toy").get()
            await until(lambda: ear.lags)

        asyncio.run(main())

    assert fork(in_child) == 0

    async def main() -> None:
        client.get()
        await until(lambda: gear.heartbeat)
        assert fork(in_child) == 0

    asyncio.run(main())
