"""All states that a small machine can reach with three callers and a clock, without bound on the number of steps.

Not orders of steps but states are enumerated: two histories that leave the machine alike are followed on once. So this
ends, and what holds here holds after any number of steps. On each edge the promises are checked, and from each state
the way back to CLOSED is walked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from switchgear import BreakerConfig, CountWindow, Ramp, State, Transition, Verdict
from switchgear._era import Bolt, Closed, HalfOpen, Lease
from switchgear.lowlevel import TRANSITIONS, BreakerMachine

CALLERS = range(3)
STEP = 16.0  # seconds of one tick
ENDS = {"served": Verdict.SUCCESS, "failed": Verdict.FAILURE, "cancelled": Verdict.IGNORED}

Action = tuple[str, int | None]  # what, and which caller
TICK: Action = ("tick", None)


def config(permitted: int, *, slow: bool, ramp: bool) -> BreakerConfig:
    return BreakerConfig(
        window=CountWindow(2),
        minimum_number_of_calls=2,
        slow_call_duration_threshold=2 * STEP if slow else None,
        slow_call_rate_threshold=1.0,
        wait_duration_in_open=2 * STEP,
        permitted_calls_in_half_open=permitted,
        probe_timeout=2 * STEP,
        max_wait_in_half_open=3 * STEP,
        ramp=Ramp(initial=0.5, duration=2 * STEP) if ramp else None,  # half of any share on it is too little: it opens
    )


@dataclass
class Held:
    ticket: Any
    started: float


@dataclass
class World:
    """A machine and its callers, brought to where they are by a list of actions."""

    config: BreakerConfig
    now: float = 0.0
    callers: dict[int, Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = BreakerMachine("b", self.config, self.now, lambda: 0.0)
        self.lane = self.machine.lane("")

    def actions(self) -> Iterator[Action]:
        """What can happen next. Callers are alike: of those that are idle, the first may begin."""
        yield TICK
        for caller in self.callers:
            for end in ENDS:
                yield end, caller
        idle = [caller for caller in CALLERS if caller not in self.callers]
        if idle:
            yield "asks", idle[0]

    def do(self, action: Action) -> None:
        what, caller = action
        if caller is None:
            self.now += STEP
            self.machine.tick(self.now)
        elif what == "asks":
            ticket = self.machine.admit(self.lane, self.now)
            if ticket is not None:
                self.callers[caller] = Held(ticket, self.now)
        else:
            held = self.callers.pop(caller)
            self.machine.settle(held.ticket, self.lane, ENDS[what], self.now - held.started, self.now)

    def live(self) -> list[Held]:
        """The callers whose results still count."""
        era = self.machine._era
        leases = era.leases if isinstance(era, HalfOpen) else []
        return [
            held
            for held in self.callers.values()
            if held.ticket.generation == self.machine.generation
            and (held.ticket in leases or not isinstance(held.ticket, Lease))
        ]

    def fingerprint(self) -> tuple[Any, ...]:
        """All that can make a difference later; times as distances from now, callers without their names."""
        machine, era = self.machine, self.machine._era
        known: tuple[Any, ...] = ()
        if isinstance(era, Bolt):
            known = (era.until - self.now,)
        elif isinstance(era, HalfOpen):
            leases = sorted((lease.deadline - self.now, self.now - lease.started) for lease in era.leases)
            known = (tuple(leases), era.done, era.halves, era.slow, era.decide_by - self.now)
        elif isinstance(era, Closed):
            ramp = era.ramp and (era._first_share, era._since - self.now, era._credit)
            known = (tuple(era.tally.entries()), ramp)
        live = sorted(min(self.now - held.started, 4 * STEP) for held in self.live())
        return machine.state, known, tuple(live), len(self.callers) - len(live)


def after(rules: BreakerConfig, path: tuple[Action, ...]) -> World:
    world = World(rules)
    for action in path:
        world.do(action)
    world.machine.events = None
    return world


def check_edge(world: World, action: Action) -> None:
    """Do one action, and hold the machine to its promises."""
    machine, (what, caller) = world.machine, action
    before, bolt = machine.state, machine.bolt
    stale = caller in world.callers and world.callers[caller] not in world.live()
    fingerprint, late = world.fingerprint(), machine.late
    under_way, settled = len(world.live()), sum(machine.snapshot(world.now).verdicts.values())
    world.do(action)
    snapshot = machine.snapshot(world.now)
    for event in machine.events or ():
        assert isinstance(event, Transition)
        assert TRANSITIONS[before][event.reason] is event.to_state  # 6: legal edges only
        before = event.to_state
    assert before is machine.state
    if what == "asks" and bolt is not None and world.now < bolt.until:
        assert caller not in world.callers  # 2: nothing passes an open breaker
    if snapshot.state is State.HALF_OPEN:
        assert sum(snapshot.probes) <= world.config.permitted_calls_in_half_open  # 3: few at once, few in a round
    if what in ENDS and not stale:
        # 1: settled exactly once. (A result may open the breaker; then all others are late at once.)
        assert sum(snapshot.verdicts.values()) == settled + 1
        assert snapshot.in_flight in {0, under_way - 1}
        assert machine.late == late
    if what in ENDS and stale:
        assert machine.late == late + 1  # 5: what belongs to an earlier era changes nothing
        assert world.fingerprint()[:3] == fingerprint[:3]
        assert not machine.events
    assert snapshot.in_flight == (0 if machine.bolt else len(world.live()))


def recovers(world: World) -> bool:
    """Whether time, and one caller whose calls succeed, lead to CLOSED at full width. The others never return."""
    for _ in range(40):
        snapshot = world.machine.snapshot(world.now)
        if snapshot.state is State.CLOSED and snapshot.share == 1.0:
            return True
        ticket = world.machine.admit(world.lane, world.now)
        if ticket is not None:
            world.machine.settle(ticket, world.lane, Verdict.SUCCESS, 0.0, world.now)
        if ticket is None or snapshot.state is State.CLOSED:
            world.now += STEP
    return False


@pytest.mark.parametrize("ramp", [False, True], ids=["no ramp", "ramp"])
@pytest.mark.parametrize("slow", [False, True], ids=["no slow calls", "slow calls"])
@pytest.mark.parametrize("permitted", [1, 2])
def test_every_state_keeps_its_promises_and_leads_back_to_closed(permitted: int, *, slow: bool, ramp: bool) -> None:
    """Invariants 1 to 6 on every edge, and no state, whatever the callers did or failed to do, is a trap."""
    rules = config(permitted, slow=slow, ramp=ramp)
    paths: dict[tuple[Any, ...], tuple[Action, ...]] = {World(rules).fingerprint(): ()}
    left = deque(paths.values())
    while left:
        path = left.popleft()
        here = after(rules, path)
        for action in here.actions():
            world = after(rules, path)
            check_edge(world, action)
            if (found := world.fingerprint()) not in paths:
                paths[found] = (*path, action)
                left.append(paths[found])
        assert recovers(here), path
    reached = {fingerprint[0] for fingerprint in paths}
    assert reached == {State.CLOSED, State.OPEN, State.HALF_OPEN}
    assert len(paths) > 100
