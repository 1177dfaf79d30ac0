"""Observers that want to hear of every call: told of each, once, at hardly any cost to it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from switchgear import BreakerConfig, CallNotPermitted, CircuitBreaker, State, Switchgear, Verdict
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of
from tests.support import DOWN, SMALL, Said, as_said, fail, succeed

Outcome = tuple[str, str, str, str, str, float]


class Stopwatch:
    """Hears the outcome of every call."""

    def __init__(self) -> None:
        self.heard: list[Outcome] = []

    def on_outcome(
        self, service: str, domain: str, operation: str, operation_class: str, verdict: Verdict, seconds: float
    ) -> None:
        self.heard.append((service, domain, operation, operation_class, verdict.name, seconds))


class Board:
    """A service on a clock of its own; calls to it take as long as they are told to."""

    def __init__(self, config: BreakerConfig = SMALL) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        self.gear.guard(Client(), backend_of(config), name="it")
        self.service = self.gear.service("it")

    def call(self, verdict: Verdict = Verdict.SUCCESS, seconds: float = 0.0, domain: str = "") -> None:
        permit = self.service.admit(GET, domain)
        self.clock.advance(seconds)
        if verdict is Verdict.SUCCESS:
            permit.succeed()
        else:
            permit.fail(Said(verdict))


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED])
def test_every_outcome_is_told_with_the_time_it_took(verdict: Verdict) -> None:
    """Whatever it is, and whether or not the door is open for it: eight calls before, it is."""
    board, watch = Board(), Stopwatch()
    board.gear.subscribe(watch)
    for _ in range(8):
        board.call(seconds=0.5)
    board.call(verdict, 0.25, "a")
    board.call(verdict, 0.25)
    assert watch.heard[:8] == [("it", "", "toy.get", "read", "SUCCESS", 0.5)] * 8
    assert watch.heard[8:] == [("it", domain, "toy.get", "read", verdict.name, 0.25) for domain in ("a", "")]


def test_a_timed_call_is_counted_as_if_it_were_not() -> None:
    """The breaker learns the same, and calls that passed the door unseen still do."""
    boards = [Board(), Board()]
    boards[0].gear.subscribe(Stopwatch())
    for board in boards:
        for _ in range(12):
            board.call()
        board.call(Verdict.FAILURE)
        board.call(seconds=0.1)
    timed, untimed = (board.service.group.branch("").snapshot() for board in boards)
    assert timed == untimed
    assert timed.verdicts["SUCCESS"] == 13


def test_a_success_takes_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timed or not, it passes the door: the machine does not hear of it."""
    board, watch = Board(), Stopwatch()
    board.gear.subscribe(watch)
    for _ in range(8):
        board.call()
    with monkeypatch.context() as patch:
        patch.setattr(CircuitBreaker, "settle", None)
        patch.setattr(CircuitBreaker, "admit", None)
        board.call(seconds=0.01)
    assert len(watch.heard) == 9


def test_a_refused_call_has_no_outcome() -> None:
    """It reached nobody."""
    board, watch = Board(), Stopwatch()
    board.gear.subscribe(watch)
    for _ in range(4):
        board.call(Verdict.FAILURE)
    with pytest.raises(CallNotPermitted):
        board.call()
    assert len(watch.heard) == 4


def test_a_call_that_two_breakers_judge_is_told_once() -> None:
    """While the main breaker is not closed it judges calls as well as their branch does."""
    board, watch = Board(), Stopwatch()
    board.gear.subscribe(watch)
    board.service.group.force_open("a test", for_=1.0)
    board.clock.advance(1.0)
    assert board.service.group.state is State.HALF_OPEN
    board.call(seconds=0.125)
    assert [outcome[5] for outcome in watch.heard] == [0.125]


def test_a_stream_took_as_long_as_its_head() -> None:
    """Its length is the consumer's affair."""
    board, watch = Board(), Stopwatch()
    board.gear.subscribe(watch)
    permit = board.service.admit(GET)
    board.clock.advance(0.5)
    permit.first_chunk()
    board.clock.advance(60.0)
    permit.succeed()
    assert watch.heard == [("it", "", "toy.get", "read", "SUCCESS", 0.5)]


def test_who_leaves_hears_no_more_and_calls_are_as_before() -> None:
    """And who comes late hears of lanes and domains that there were already."""
    board, watch = Board(), Stopwatch()
    board.call(domain="a")
    leave = board.gear.subscribe(watch)
    board.call(domain="a")
    board.call(domain="b")
    leave()
    board.call(domain="a")
    board.call(domain="b")
    assert [outcome[1] for outcome in watch.heard] == ["a", "b"]
    branches = board.service.group.branches.values()
    assert [lane.quick for branch in branches for lane in branch._machine.lanes if lane.timed] == []


@pytest.mark.parametrize("warm", [0, 8])
def test_a_breaker_alone_tells_of_its_calls(warm: int) -> None:
    """By whichever way they come; the operation has no name there."""
    breaker = CircuitBreaker("b", SMALL, classify=as_said, clock=VirtualClock())
    succeed(breaker, warm)
    watch = Stopwatch()
    breaker.subscribe(watch)
    breaker(lambda: None)()
    succeed(breaker)
    fail(breaker)
    with pytest.raises(StopIteration):
        breaker.call(_served).send(None)
    with pytest.raises(Said):
        breaker(_down)()
    assert [outcome[4] for outcome in watch.heard] == ["SUCCESS", "SUCCESS", "FAILURE", "SUCCESS", "FAILURE"]


async def _served() -> None: ...


def _down() -> None:
    raise DOWN


def test_an_observer_that_raises_reaches_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """Each error is logged, and after ten of them it is dropped."""

    class Broken:
        def on_outcome(self, *_: Any) -> None:
            raise RuntimeError("observer")

    board = Board()
    board.gear.subscribe(Broken())
    with caplog.at_level(logging.ERROR, "switchgear"):
        for _ in range(12):
            board.call()
    assert [message.endswith("failed on an outcome.") for message in caplog.messages] == [True] * 10 + [False]
    assert caplog.messages[-1].endswith("failed 10 times and is dropped.")
    assert board.service.group.branch("").snapshot().verdicts["SUCCESS"] == 12
