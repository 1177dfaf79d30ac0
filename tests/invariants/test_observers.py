"""Invariant 15: observers change nothing, and hear everything in order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from switchgear import (
    CallNotPermitted,
    CircuitBreaker,
    Refused,
    State,
    Transition,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.life import Life
from tests.support import (
    Ear,
    Said,
    TransitionEar,
    breaker_of,
    fail,
    path,
    refused,
    succeed,
)
from tests.tasks import DEADLINE, in_threads

pytestmark = pytest.mark.anyio


def test_invariant_15_a_slow_observer_delays_no_other_call() -> None:
    """While an observer blocks in one thread, calls in others are admitted, refused and settled."""
    breaker = breaker_of()
    arrived, leave = threading.Event(), threading.Event()
    done: list[State] = []

    class Slow:
        def on_transition(self, event: Transition) -> None:
            arrived.set()
            assert leave.wait(DEADLINE)

    breaker.subscribe(Slow())
    ear = Ear()
    breaker.subscribe(ear)

    def work(number: int) -> None:
        try:
            if number == 0:
                fail(breaker, 4)  # the last one tells, and is held up
            else:
                assert arrived.wait(DEADLINE)
                done.append(refused(breaker).state)
                breaker.reset()
                succeed(breaker, 5)
                done.append(breaker.state)
        finally:
            if number == 1:
                leave.set()

    in_threads(work, threads=2)
    assert done == [State.OPEN, State.CLOSED]
    assert path(ear) == [("CLOSED", "OPEN", "failure_rate"), ("OPEN", "CLOSED", "operator")]


def test_invariant_15_a_raising_observer_changes_neither_call_nor_state() -> None:
    """One random life with and without: the same events, the same numbers at the end."""

    class Raising:
        def on_transition(self, event: Transition) -> None:
            raise RuntimeError("broken observer")

        on_refused = on_settled = on_trip_suppressed = on_transition

    quiet = Life(3).live().ear
    subscribe = CircuitBreaker.subscribe

    def and_a_raising_one(self: CircuitBreaker, observer: object) -> Callable[[], None]:
        subscribe(self, Raising())
        return subscribe(self, observer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CircuitBreaker, "subscribe", and_a_raising_one)
        troubled = Life(3).live().ear
    assert troubled.heard == quiet.heard
    assert len(quiet.of(Transition)) > 3


def test_invariant_15_events_are_totally_ordered() -> None:
    """Eight threads drive one breaker through its states: the observers hear one chain, each transition from where
    the last one led, in the order of its generations. A refusal alone, which takes no lock, may be told later.
    """
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1, wait_duration_in_open=1e-6)
    ears = [Ear(), Ear()]
    for ear in ears:
        breaker.subscribe(ear)

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(150):
            with suppress(CallNotPermitted, Said), breaker.permit():
                if rng.random() < 0.7:
                    raise Said(Verdict.FAILURE)
            clock.advance(1e-6)
            if rng.random() < 0.05:
                breaker.force_open("test")
            elif rng.random() < 0.2:
                breaker.reset()

    in_threads(work)
    last_move = breaker.snapshot().last  # looking may move it: a wait may be over
    moves = ears[0].of(Transition)
    assert len(moves) > 50
    assert last_move == moves[-1]
    assert moves[0].from_state is State.CLOSED
    for last, move in pairwise(moves):
        assert move.from_state is last.to_state
        assert move.generation > last.generation
        assert move.at >= last.at
    decided, again = ([event for event in ear.heard if not isinstance(event, Refused)] for ear in ears)
    assert decided == again
    assert len(ears[0].of(Refused)) == len(ears[1].of(Refused)) > 50


def test_invariant_15_observers_that_come_at_once_all_hear() -> None:
    """Eight threads subscribe at the same moment, a hundred times: nobody is forgotten, and all can leave."""
    for _ in range(100):
        breaker = breaker_of()
        ears = [TransitionEar() for _ in range(8)]
        leave: list[Callable[[], None]] = []
        in_threads(lambda number: leave.append(breaker.subscribe(ears[number])))  # noqa: B023 - run here and now
        breaker.reset()
        in_threads(lambda number: leave[number]())  # noqa: B023
        breaker.reset()
        assert [len(ear.heard) for ear in ears] == [1] * 8
