"""Observers: indexed by what they hear, told in order, dropped when they keep failing."""

from __future__ import annotations

import logging

import pytest

from switchgear import Reason, Refused, Settled, State, Transition, TripSuppressed, Verdict
from switchgear.lowlevel import Bus, Event
from tests.support import Ear, TransitionEar

TRANSITION = Transition(
    breaker="b", domain="", from_state=State.CLOSED, to_state=State.OPEN, reason=Reason.FAILURE_RATE,
    detail="", at=0.0, generation=1,
)  # fmt: skip
SUPPRESSED = TripSuppressed(breaker="b", domain="", reason=Reason.FAILURE_RATE, detail="", at=0.0)
REFUSED = Refused(breaker="b", domain="", operation="", state=State.OPEN, retry_after=None, at=0.0)
SETTLED = Settled(breaker="b", domain="", operation="", verdict=Verdict.SUCCESS, duration=0.0, late=False, at=0.0)
EVENTS: list[Event] = [TRANSITION, SUPPRESSED, REFUSED, SETTLED]


def test_an_observer_hears_what_it_has_methods_for() -> None:
    """And nothing else; others hear all of it."""
    bus, some, everything = Bus(), TransitionEar(), Ear()
    bus.subscribe(some)
    bus.subscribe(everything)
    for event in EVENTS:
        bus.publish(event)
    assert some.heard == [TRANSITION, SUPPRESSED]
    assert everything.heard == EVENTS


def test_the_bus_knows_what_anybody_hears() -> None:
    """So that what nobody hears is not built."""
    bus = Bus()
    assert not any(bus.hears(type(event)) for event in EVENTS)
    leave = bus.subscribe(TransitionEar())
    assert [bus.hears(type(event)) for event in EVENTS] == [True, True, False, False]
    leave()
    leave()  # once more does nothing
    assert not any(bus.hears(type(event)) for event in EVENTS)


def test_who_leaves_takes_nobody_along() -> None:
    """The others go on hearing."""
    bus, first, second = Bus(), Ear(), Ear()
    leave = bus.subscribe(first)
    bus.subscribe(second)
    leave()
    bus.publish(SETTLED)
    assert (first.heard, second.heard) == ([], [SETTLED])


def test_an_object_that_hears_nothing_is_refused() -> None:
    """A wrong name for a method would otherwise go unnoticed."""

    class Deaf:
        def on_transitions(self, _event: Transition) -> None: ...

    with pytest.raises(TypeError) as error:
        Bus().subscribe(Deaf())
    assert str(error.value) == (
        "Deaf observes nothing: it has none of the methods on_transition, on_trip_suppressed, on_refused, on_settled, "
        "on_level_changed, on_self_suspected, on_heartbeat, on_outcome, on_injected, on_retried, on_hedged, "
        "on_limited, on_degraded."
    )


class Broken:
    """Raises at each event, until told otherwise."""

    raises = True
    heard = 0

    def __repr__(self) -> str:
        return "Broken"

    def on_settled(self, _event: Settled) -> None:
        self.heard += 1
        if self.raises:
            raise RuntimeError("observer")


def test_an_observer_that_keeps_failing_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """After ten errors, each of them logged; and the dropping, too. Those after it hear every time."""
    bus, broken, ear = Bus(), Broken(), Ear()
    bus.subscribe(broken)
    bus.subscribe(ear)
    with caplog.at_level(logging.ERROR, "switchgear"):
        for _ in range(12):
            bus.publish(SETTLED)
    assert (broken.heard, len(ear.heard)) == (10, 12)
    said = ["Observer Broken failed on Settled."] * 10 + ["Observer Broken failed 10 times and is dropped."]
    assert caplog.messages == said


def test_nine_errors_are_forgiven() -> None:
    """Between them it hears, and goes on."""
    bus, broken = Bus(), Broken()
    bus.subscribe(broken)
    for _ in range(9):
        bus.publish(SETTLED)
    broken.raises = False
    for _ in range(5):
        bus.publish(SETTLED)
    assert broken.heard == 14


def test_an_observer_that_comes_again_begins_anew() -> None:
    """Its old errors are forgotten with it."""
    bus, broken = Bus(), Broken()
    for _ in range(3):
        leave = bus.subscribe(broken)
        for _ in range(9):
            bus.publish(SETTLED)
        leave()
    assert broken.heard == 27


def test_an_observer_may_leave_while_it_is_told() -> None:
    """The others are told of this event all the same."""
    bus, ear = Bus(), Ear()

    class Once:
        def on_settled(self, _event: Settled) -> None:
            leave()

    leave = bus.subscribe(Once())
    bus.subscribe(ear)
    bus.publish(SETTLED)
    bus.publish(SETTLED)
    assert len(ear.heard) == 2
