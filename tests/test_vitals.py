"""What a look at a service's breakers finds out about its health."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import BreakerGroup, Ramp, State, Status, Verdict
from switchgear._circuit import Rules
from switchgear._report import Report
from switchgear._score import HealthConfig
from switchgear._vitals import Vitals
from switchgear.testing import VirtualClock
from tests.support import SMALL, as_said, fail, succeed


class Watched:
    """A service, and who looks at it."""

    def __init__(self, **rules: Unpack[Rules]) -> None:
        self.clock = VirtualClock()
        self.group = BreakerGroup(
            "s", replace(SMALL, **rules), classify=as_said, clock=self.clock,
            tolerated_for=HealthConfig(tolerated=1.0).tolerated_for,
        )  # fmt: skip
        self.vitals = Vitals("s", 0.1)

    def look(self, **saturations: float) -> Report:
        return self.vitals.look(self.group.snapshots(), saturations)


def test_without_calls_nothing_is_known() -> None:
    """100, UNKNOWN, by no confidence; also when a branch is there that nobody uses."""
    watched = Watched()
    assert (watched.look().score, watched.look().status) == (100, Status.UNKNOWN)
    watched.group.branch("a")
    assert (watched.look().score, watched.look().confidence) == (100, 0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), min_size=1, max_size=8))
def test_every_call_is_evidence_once(rounds: list[tuple[int, int, bool]]) -> None:
    """However often is looked, and however calls and looks are mixed: what has been booked is all calls there were."""
    watched = Watched(failure_rate_threshold=None)
    breaker = watched.group.branch("a")
    for good, bad, look in rounds:
        succeed(breaker, good)
        fail(breaker, bad)
        if look:
            watched.look()
    calls = sum(good + bad for good, bad, _ in rounds)
    assert watched.look().confidence == pytest.approx(calls / (calls + 10))
    assert watched.look().confidence == pytest.approx(calls / (calls + 10))


def test_old_calls_fade() -> None:
    """After one half-life they count half."""
    watched = Watched()
    succeed(watched.group.branch("a"), 40)
    watched.look()
    watched.clock.advance(10.0)
    assert watched.look().confidence == pytest.approx(20 / 30)


def test_late_answers_make_it_worse_though_they_succeed() -> None:
    """Users tolerate up to four times what satisfies them, and nothing more."""
    scores = []
    for latency in (0.5, 2.0, 8.0):
        watched = Watched()
        for _ in range(30):
            permit = watched.group.branch("a").permit()
            watched.clock.advance(latency)
            permit.succeed()
        scores.append(watched.look().score)
    assert scores[0] == 100
    assert scores[0] > scores[1] > scores[2]


def test_calls_that_hang_count_before_they_end() -> None:
    """Nobody has heard of them, and users wait."""
    watched = Watched(slow_call_duration_threshold=1.0, slow_call_rate_threshold=1.0)
    breaker = watched.group.branch("a")
    succeed(breaker, 5)
    for _ in range(20):
        breaker.permit()
    for _ in range(8):
        watched.clock.advance(0.25)
        breaker.tick()
    assert (breaker.machine_state, breaker.snapshot().overdue) == (State.CLOSED, 20)
    assert watched.look().status is Status.UNHEALTHY


def test_an_open_branch_that_callers_still_want_keeps_its_weight() -> None:
    """Its refused calls show that they want it: an outage does not fade because nobody gets through."""
    watched = Watched(wait_duration_in_open=1000.0)
    fail(watched.group.branch("a"), 4)
    for _ in range(60):
        for _ in range(5):
            with pytest.raises(Exception, match="not permitted"):
                watched.group.branch("a").permit()
            succeed(watched.group.branch("b"))
        watched.clock.advance(1.0)
        watched.look()
    report = watched.look()
    assert report.path[:2] == ("s", "a")
    assert report.score == pytest.approx(55, abs=5)


def test_recovery_is_judged_by_the_ramps_own_calls() -> None:
    """An outage that the breaker has answered for is not paid twice: the errors are forgotten when it ramps up."""
    watched = Watched(ramp=Ramp(duration=10.0))
    breaker = watched.group.branch("a")
    fail(breaker, 4)
    watched.look()
    watched.clock.advance(8.0)
    succeed(breaker, 4)
    assert watched.look().reason.startswith("its breaker is ramping up")
    watched.clock.advance(10.0)
    succeed(breaker)
    assert watched.look().score == 100


def test_a_domain_whose_branch_was_dropped_begins_anew() -> None:
    """Counters that have gone back are those of another branch."""
    watched = Watched()
    succeed(watched.group.branch("a"), 30)
    watched.look()
    watched.group._drop("a")
    succeed(watched.group.branch("a"), 2)
    assert watched.look().confidence == pytest.approx(32 / 42)  # seen before it was dropped, and after
    watched.group._drop("a")
    watched.group.branch("b")
    assert watched.look().confidence == 0


def test_the_fullest_saturation_limits() -> None:
    """It is named in the path."""
    watched = Watched()
    succeed(watched.group.branch("a"), 30)
    report = watched.look(pool=0.95, bulkhead=0.5)
    assert report.path == ("s", "pool_saturation")
    assert report.score == pytest.approx(55)


def test_a_burst_is_no_saturation() -> None:
    """A pool counts as full when it has been so for some seconds, however many looks fall into a burst; and no longer
    than it is."""
    watched = Watched()
    succeed(watched.group.branch("a"), 30)
    assert watched.look(pool=0.3).score == 100
    for _ in range(30):
        watched.clock.advance(0.05)
        assert watched.look(pool=1.0).score == 100
    watched.clock.advance(0.5)
    assert watched.look(pool=0.3).score == 100
    for _ in range(2):
        watched.clock.advance(1.0)
        assert watched.look(pool=1.0).score == 100
    watched.clock.advance(1.0)
    assert watched.look(pool=1.0).score == pytest.approx(40)
    watched.clock.advance(0.05)
    assert watched.look(pool=0.5).score == 100


def test_throttling_is_half_as_bad() -> None:
    """It is alive, and asks for less."""
    watched = Watched(failure_rate_threshold=None)
    breaker = watched.group.branch("a")
    fail(breaker, 20, Verdict.THROTTLED)
    throttled = watched.look().score
    fail(breaker, 20, Verdict.FAILURE)
    assert watched.look().score < throttled < 100
