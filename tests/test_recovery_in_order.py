"""A whole gear through an outage and out of it, on virtual time: what comes back, in which order, and that all does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear import Backoff, CallNotPermitted, Level, State, Switchgear
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of
from tests.support import DOWN, SMALL

STEP = 0.25  # s between two beats, and between two calls of each service
BACKOFF = Backoff(initial=2.0, max=8.0, jitter=0.0)
CONFIG = replace(SMALL, wait_duration_in_open=BACKOFF)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Up to six services; each may require any of those before it."""
    names = "abcdef"[: draw(st.integers(1, 6))]
    parents = [st.sets(st.sampled_from(names[:n])) if n else st.just(set[str]()) for n in range(len(names))]
    return {name: tuple(sorted(draw(parents[n]))) for n, name in enumerate(names)}


@dataclass
class Plant:
    """Services that serve when they are up and all that they require is."""

    requires: dict[str, tuple[str, ...]]
    down: set[str] = field(default_factory=set[str])
    #: Probes: of which service, who it requires was not closed, and how many of its own intervals it had waited.
    admitted: list[tuple[str, frozenset[str], float]] = field(default_factory=list[tuple[str, frozenset[str], float]])

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        # Chance that repeats: one roll in nine would send all six back within half a second.
        self.gear = Switchgear(clock=self.clock, roll=Random(1).random)
        self.clients = [self.gear.guard(Client(name), backend_of(CONFIG), name=name) for name in self.requires]
        self.gear.degradation.declare(self.requires)
        self.gear.capability("all", requires=list(self.requires))
        self.ancestors = {name: self.gear.degradation.graph.ancestors(name) for name in self.requires}

    def refusing(self) -> frozenset[str]:
        return frozenset(name for name in self.requires if self.gear.breaker(name, "").state is not State.CLOSED)

    def beat(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP)):
            self.clock.advance(STEP)
            self.gear.degradation.look()
            for name in self.requires:
                self.call(name)

    def call(self, name: str) -> None:
        refusing = self.refusing()
        try:
            permit = self.gear.service(name).admit(GET)
        except CallNotPermitted:
            return
        if name in refusing:  # it is a probe
            branch = self.gear.breaker(name, "").snapshot()
            interval = BACKOFF.wait(branch.attempt, 0.0)
            self.admitted.append((name, refusing & self.ancestors[name], (self.clock() - branch.since) / interval))
        if self.down & (self.ancestors[name] | {name}):
            permit.fail(DOWN)
        else:
            permit.succeed()


@settings(max_examples=20)
@given(graphs(), st.data(), st.sampled_from([3.0, 15.0, 60.0]))
def test_after_an_outage_all_come_back_and_children_after_their_parents(
    requires: dict[str, tuple[str, ...]], data: st.DataObject, outage: float
) -> None:
    """Whatever fell: no probe goes out while a required service is not closed, unless it has waited five intervals;
    some time after the repair everything is CLOSED, and the capability FULL.
    """
    plant = Plant(requires)
    plant.beat(5.0)
    plant.down = data.draw(st.sets(st.sampled_from(sorted(requires)), min_size=1))
    plant.beat(outage)
    assert plant.refusing() >= plant.down
    assert plant.gear.degradation.level("all") is Level.OFF
    plant.down = set()
    plant.beat(60.0)
    assert plant.refusing() == frozenset()
    for name, waited_for, waited in plant.admitted:
        assert not waited_for or waited >= 5, (name, waited_for, waited)
    plant.beat(60.0)
    assert plant.gear.degradation.level("all") is Level.FULL


def test_services_that_fell_together_do_not_come_back_in_one_second() -> None:
    """A herd of returning services might fell what they share."""
    plant = Plant(dict.fromkeys("abcdef", ()))
    plant.beat(5.0)
    plant.down = set("abcdef")
    plant.beat(3.0)
    plant.down = set()
    closed: dict[str, float] = {}
    for _ in range(60):
        plant.beat(STEP)
        closed |= {n: plant.clock() for n in set(plant.requires) - plant.refusing() if n not in closed}
    assert len(closed) == 6
    assert max(closed.values()) - min(closed.values()) >= 2 * STEP
