"""Active checks: a service that nobody calls comes back all the same, and a check is a probe like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from switchgear import CallNotPermitted, Service, State, Switchgear, _heartbeat
from switchgear._breaker_config import ProbeWith
from switchgear._heartbeat import Heartbeat
from switchgear._prober import Prober
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of, until
from tests.support import DOWN, SMALL, Ear

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_heartbeat, "_INTERVAL", 0.001)
    monkeypatch.setattr(_heartbeat, "_IDLE_INTERVAL", 0.002)


class Board:
    """A gear with one service, whose clock stands still."""

    def __init__(self, probe_with: ProbeWith = "both", **rules: Any) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        self.client = Client()
        config = replace(SMALL, **{"probe_with": probe_with, "permitted_calls_in_half_open": 2, **rules})
        self.gear.guard(self.client, backend_of(config), name="toy")
        self.service: Service = self.gear.service("toy")
        self.group = self.service.group
        self.looks = 0

    @property
    def checks(self) -> list[str]:
        return [what for what in self.client.happened if what.startswith("check")]

    def fell(self, domain: str = "a") -> None:
        while self.group.branch(domain).machine_state is State.CLOSED:
            self.service.admit(GET, domain).fail(DOWN)

    def states(self) -> set[State]:
        return {snapshot.state for snapshot in self.group.snapshots()}

    def _watched(self) -> list[tuple[Service, Client]]:
        self.looks += 1
        return [(self.service, self.client)]

    async def looked_at(self) -> None:
        """Comes back when the prober has had time to do something wrong."""
        enough = self.looks + 5
        await until(lambda: self.looks >= enough)

    @asynccontextmanager
    async def probing(self) -> AsyncIterator[Heartbeat]:
        heartbeat = Heartbeat(Prober(self._watched), self.gear.degradation, self.clock, self.gear._bus)
        leave = self.gear.subscribe(heartbeat)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heartbeat.run)
            yield heartbeat
            tasks.cancel_scope.cancel()
        leave()


@pytest.mark.parametrize("probe_with", ["health", "both"])
async def test_an_idle_service_comes_back(probe_with: ProbeWith) -> None:
    """Nobody calls it: when the wait is over the check probes, of the very domain, until the breaker closes."""
    board = Board(probe_with)
    board.fell("a")
    async with board.probing():
        board.clock.advance(8.0)
        await until(lambda: board.states() == {State.CLOSED})
    assert board.checks == ["check a", "check a"]


async def test_it_does_not_check_before_the_wait_is_over() -> None:
    """Nor what is closed, nor what an operator holds open."""
    board = Board()
    board.fell("a")
    board.group.branch("held").force_open("test", for_=1.0)
    board.group.branch("closed")
    async with board.probing():
        await board.looked_at()
    assert board.checks == []


async def test_where_only_traffic_probes_nothing_is_checked() -> None:
    """The breaker stays half-open until somebody calls."""
    board = Board("traffic")
    board.fell("a")
    board.clock.advance(8.0)
    async with board.probing():
        await board.looked_at()
    assert board.checks == []


async def test_a_check_that_fails_opens_again() -> None:
    """Its error is judged like a call's, harms nobody, and the next wait is waited before the next check."""
    board = Board()
    board.fell("a")
    board.client.answer = lambda _: DOWN
    async with board.probing():
        board.clock.advance(8.0)
        await until(lambda: board.group.branch("a").machine_state is State.OPEN and board.checks)
        assert board.checks == ["check a"]
        assert board.group.branch("a").snapshot().verdicts["FAILURE"] == 5
        board.client.answer = lambda _: True
        board.clock.advance(8.0)
        await until(lambda: board.states() == {State.CLOSED})


async def test_a_check_that_hangs_is_a_failed_one() -> None:
    """After `probe_timeout` it is given up."""
    board = Board(probe_timeout=0.02)
    board.fell("a")
    never = anyio.Event()
    board.client.answer = lambda _: never
    board.clock.advance(8.0)
    async with board.probing():
        await until(lambda: board.group.branch("a").snapshot().verdicts["FAILURE"] == 5)
    assert board.group.branch("a").machine_state is State.OPEN


async def test_a_check_that_cannot_tell_decides_nothing() -> None:
    """It gives its permit back, and is asked again; a user's call may find out meanwhile."""
    board = Board()
    board.fell("a")
    board.client.answer = lambda _: False
    board.clock.advance(8.0)
    async with board.probing():
        await until(lambda: len(board.checks) >= 3)
        snapshot = board.group.branch("a").snapshot()
        assert (snapshot.state, snapshot.probes[0]) == (State.HALF_OPEN, 0)
        board.client.answer = lambda _: True
        await until(lambda: board.states() == {State.CLOSED})


async def test_one_breaker_is_checked_once_at_a_time_and_several_at_once() -> None:
    """A check that takes long holds up none of another domain."""
    board = Board()
    for domain in "abcde":
        board.service.admit(GET, domain).succeed()
    board.fell("a")
    board.fell("b")
    first = anyio.Event()
    board.client.answer = lambda domain: first if domain == "a" else True
    board.clock.advance(8.0)
    async with board.probing():
        await until(lambda: board.group.branch("b").machine_state is State.CLOSED)
        assert board.checks.count("check a") == 1
        first.set()
        await until(lambda: board.states() == {State.CLOSED})


async def test_the_main_is_checked_too() -> None:
    """For the service as a whole: without a domain."""
    board = Board("health")
    board.fell("a")
    board.fell("b")
    assert board.group.main.machine_state is State.OPEN
    board.clock.advance(8.0)
    async with board.probing():
        await until(lambda: board.states() == {State.CLOSED})
    assert {"check ", "check a", "check b"} == set(board.checks)


async def test_the_calls_of_a_check_need_no_permit_of_their_own() -> None:
    """They pass through the open breaker by the check's permit, and only the check is counted."""
    board = Board("health")
    board.fell("a")
    board.clock.advance(8.0)
    branch = board.group.branch("a")
    assert branch.state is State.HALF_OPEN
    with pytest.raises(CallNotPermitted):
        board.client.get("a")
    assert await board.service.check(board.client, branch) is True
    assert branch.snapshot().verdicts["SUCCESS"] == 1
    with pytest.raises(CallNotPermitted):
        board.client.get("a")


async def test_a_check_is_told_apart_where_no_probe_is_due() -> None:
    """None: not due; False: there is no check, or it cannot tell."""
    board = Board()
    board.fell("a")
    assert await board.service.check(board.client, board.group.branch("a")) is None
    plain = Switchgear(clock=board.clock)
    plain.guard(Client(), backend_of(probe=False), name="plain")
    service = plain.service("plain")
    assert await service.check(Client(), service.group.main) is False


async def test_a_check_is_an_operation_of_its_backend() -> None:
    """Observers see which calls were checks."""
    board = Board()
    board.fell("a")
    board.clock.advance(8.0)
    ear = Ear()
    board.gear.subscribe(ear)
    await board.service.check(board.client, board.group.branch("a"))
    assert [getattr(event, "operation", "") for event in ear.heard] == ["", "toy.probe"]


async def test_a_transition_wakes_it() -> None:
    """Made on its own thread, it is noticed at once; from another thread, at the next look."""
    board = Board()
    async with board.probing() as prober:
        await until(lambda: not prober._woken.is_set())
        woken = prober._woken
        await anyio.to_thread.run_sync(board.fell, "b")
        assert woken is not prober._woken or not woken.is_set()
        board.clock.advance(8.0)
        await until(lambda: board.checks)
        await until(lambda: board.states() == {State.CLOSED})
        board.fell("a")
        assert prober._woken.is_set()


async def test_the_gear_runs_it_while_it_is_entered() -> None:
    """And no longer."""
    board = Board()
    board.fell("a")
    async with board.gear:
        board.clock.advance(8.0)
        await until(lambda: board.states() == {State.CLOSED})
    last = board.gear.heartbeat
    assert last is not None
    board.clock.advance(100.0)
    await anyio.wait_all_tasks_blocked()
    assert board.gear.heartbeat == last


async def test_calls_that_all_hang_are_noticed_without_another_call() -> None:
    """When every caller waits for the backend, the gear's own look at the clock opens the breaker."""
    board = Board(minimum_number_of_calls=4, slow_call_duration_threshold={"read": 1.0})
    for _ in range(6):
        board.service.admit(GET, "a")
    async with board.probing():
        for _ in range(3):  # a slot ends, the next begins, and what began in the first is overdue
            board.clock.advance(0.75)
            await board.looked_at()
        assert board.group.branch("a").machine_state is State.OPEN
