"""All ways in which three callers and the clock can take turns on the machine: no order of steps breaks a promise."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import pytest

from switchgear import Backoff, BreakerConfig, CountWindow, Ramp, State, Transition, Verdict
from switchgear._breaker_config import ProbeWith
from switchgear._era import Lease
from switchgear.lowlevel import TRANSITIONS, BreakerMachine

WAIT = 8.0
TIMEOUT = 4.0
HOLD = 6.0


class Step(NamedTuple):
    """What a caller does next, or time passing (no caller)."""

    caller: int | None
    ends: Verdict | None  #: None: asks to be admitted


def config(permitted: int, probe_with: ProbeWith) -> BreakerConfig:
    return BreakerConfig(
        probe_with=probe_with,
        window=CountWindow(2),
        minimum_number_of_calls=2,
        permitted_calls_in_half_open=permitted,
        probe_timeout=TIMEOUT,
        max_wait_in_half_open=4 * TIMEOUT,
        wait_duration_in_open=Backoff(initial=WAIT, multiplier=1, max=WAIT, jitter=0),
        ramp=Ramp(initial=0.5, duration=1.0),
    )


class World:
    """A machine, its callers, and everything that must hold after each of their steps."""

    def __init__(self, permitted: int, start: State, probe_with: ProbeWith = "traffic", checks: int = -1) -> None:
        self.permitted = permitted
        self.checks = checks  # the caller that is no user, but the plugin's own check
        self.now = 0.0
        self.machine = BreakerMachine("b", config(permitted, probe_with), 0.0, lambda: 0.0)
        self.lane = self.machine.lane("")
        self.tickets: dict[int, tuple[object, float, int]] = {}
        self.settled = 0
        if start is not State.CLOSED:
            self.machine.operate("force_open", "start", 0.0, seconds=0.0)
            if start is State.HALF_OPEN:
                self.machine.tick(0.0)
        self.machine.events = None

    def take(self, step: Step) -> None:
        """One step, and the invariants after it."""
        before, generation = self.machine.state, self.machine.generation
        if step.caller is None:
            self.now += WAIT / 2
            self.machine.tick(self.now)
        elif step.ends is None:
            self._ask(step.caller)
        elif step.caller in self.tickets:
            self._end(step.caller, step.ends, generation)
        for event in self.machine.events or ():
            assert isinstance(event, Transition)
            # Invariant 6: only along the table.
            assert TRANSITIONS[before][event.reason] is event.to_state
            before = event.to_state
        self.machine.events = None
        assert before is self.machine.state
        self._probes_are_few()

    def _ask(self, caller: int) -> None:
        opened, held = self.machine.bolt, self.machine.held(self.now)
        ticket = self.machine.admit(self.lane, self.now, active=caller == self.checks)
        if held:  # something else is waited for
            assert ticket is None
        # Invariant 2: nothing passes an open breaker before its moment.
        if opened is not None and self.now < opened.until:
            assert ticket is None
        if ticket is not None:
            self.tickets[caller] = ticket, self.now, self.machine.generation

    def _end(self, caller: int, verdict: Verdict, generation: int) -> None:
        ticket, started, issued = self.tickets.pop(caller)
        self.machine.tick(self.now)
        state, generation = self.machine.state, self.machine.generation
        late = self.machine.late
        in_time = self.machine.settle(ticket, self.lane, verdict, self.now - started, self.now)  # type: ignore[arg-type]
        self.settled += 1
        if issued != generation:
            # Invariant 5: the past changes nothing.
            assert (self.machine.state, self.machine.generation) == (state, generation)
            assert not in_time
            assert self.machine.late == late + 1
        if isinstance(ticket, Lease):
            # Invariant 1: a second result of the same probe is late, whatever it says.
            after = self.machine.state, self.machine.generation
            assert not self.machine.settle(ticket, self.lane, Verdict.FAILURE, 0.0, self.now)
            assert (self.machine.state, self.machine.generation) == after

    def hold(self) -> None:
        """Whoever knows the graph has no probes for a while."""
        self.machine.hold("a parent", self.now, seconds=HOLD)
        self.machine.events = None  # what was due came with it

    def _probes_are_few(self) -> None:
        snapshot = self.machine.snapshot(self.now)
        done, under_way = snapshot.probes
        # Invariant 3: so many probes a round, and never more at once.
        assert done + under_way <= self.permitted
        assert snapshot.in_flight <= len(self.tickets)

    def recovers(self) -> bool:
        """Time and probes that succeed lead to CLOSED at full width, whatever happened (invariant 4)."""
        for _ in range(20):
            self.now += WAIT
            ticket = self.machine.admit(self.lane, self.now)
            if ticket is not None:
                self.machine.settle(ticket, self.lane, Verdict.SUCCESS, 0.0, self.now)
                if self.machine.state is State.CLOSED and self.machine.snapshot(self.now + WAIT).share == 1.0:
                    return True
        return False


def orders() -> list[tuple[int | None, ...]]:
    """All orders of three callers' two steps (ask, end) and of time passing twice. Callers are alike, so they are
    numbered as they come."""
    every = set(permutations([0, 0, 1, 1, 2, 2, None, None]))
    return sorted((o for o in every if list(dict.fromkeys(c for c in o if c is not None)) == [0, 1, 2]), key=str)


ENDS = [Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED]


@pytest.mark.parametrize("start", [State.CLOSED, State.OPEN, State.HALF_OPEN], ids=str)
@pytest.mark.parametrize("permitted", [1, 2])
def test_no_order_of_steps_breaks_a_promise(permitted: int, start: State) -> None:
    """420 orders x 27 outcomes: legal edges only, few probes, the past without effect, and always a way back."""
    seen = 0
    for order in orders():
        for outcome in range(len(ENDS) ** 3):
            world = World(permitted, start)
            asked: set[int] = set()
            for caller in order:
                if caller is None or caller not in asked:
                    world.take(Step(caller, None))
                    if caller is not None:
                        asked.add(caller)
                else:
                    world.take(Step(caller, ENDS[outcome // 3**caller % 3]))
            # Invariant 1: whoever was admitted was settled, once.
            assert not world.tickets
            assert world.recovers(), (order, outcome)
            seen += 1
    assert seen == 420 * 27


_HELD = -1


@pytest.mark.parametrize("start", [State.OPEN, State.HALF_OPEN], ids=str)
@pytest.mark.parametrize("probe_with", ["traffic", "health", "both"])
def test_no_order_of_holds_and_checks_breaks_a_promise(probe_with: ProbeWith, start: State) -> None:
    """630 orders x 9 outcomes of a user, the plugin's own check, a hold and time: none probes while it holds, only the
    check where probing is left to it, and there is always a way back."""
    orders = set(permutations([0, 0, 1, 1, _HELD, None, None]))
    assert len(orders) == 630
    for order in orders:
        for outcome in range(len(ENDS) ** 2):
            world = World(1, start, probe_with, checks=1)
            asked: set[int] = set()
            for caller in order:
                if caller == _HELD:
                    world.hold()
                elif caller is None or caller not in asked:
                    world.take(Step(caller, None))
                    asked |= {caller} if caller is not None else set()
                    # Half-open lasts for less than a round's time here: no user is needed yet.
                    assert probe_with != "health" or not isinstance(world.tickets.get(0, [None])[0], Lease)
                else:
                    world.take(Step(caller, ENDS[outcome // 3**caller % 3]))
            assert not world.tickets
            assert world.recovers(), (order, outcome)


@pytest.mark.parametrize("permitted", [1, 2])
def test_probes_that_are_never_settled_do_not_wedge_it(permitted: int) -> None:
    """Callers that are admitted and vanish, in every number: the permits come back after `probe_timeout`."""
    for vanish in range(1, 4):
        world = World(permitted, State.HALF_OPEN)
        for caller in range(vanish):
            world.take(Step(caller, None))
        assert world.recovers()
