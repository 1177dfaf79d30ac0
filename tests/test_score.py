"""The scores: the properties P1 to P6, the invariants 27 to 32, and the figures promised."""

from __future__ import annotations

from math import ceil, inf, log2, sqrt
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchgear import BreakerGroup, CircuitBreaker, ConfigurationError, State, Verdict
from switchgear._decay import DecayedSums, Evidence
from switchgear._score import (
    HealthConfig,
    bad_ratio,
    confidence,
    error_score,
    reached,
    saturation_score,
    state_score,
)
from switchgear.testing import VirtualClock
from tests.evidence import (
    FAILED,
    NEARLY,
    R50S,
    SERVED,
    THROTTLED,
    TOLERATED,
    evidences,
    ratios,
)
from tests.reports import snapshot_of
from tests.support import SMALL, as_said

OUTCOMES = [SERVED, TOLERATED, THROTTLED, FAILED]
#: Calls of one service: seconds since the one before, and what became of it.
histories = st.lists(st.tuples(st.floats(0, 20), st.sampled_from(OUTCOMES)), max_size=60)


def after(history: list[tuple[float, Evidence]], pause: float = 0.0) -> Evidence:
    sums, now = DecayedSums(), 0.0
    for wait, outcome in history:
        now += wait
        sums.add(outcome, now)
    return sums.evidence(now + pause)


def branch(clock: VirtualClock) -> CircuitBreaker:
    """A breaker whose users are satisfied with calls of up to a second."""
    config = HealthConfig(tolerated=1.0)
    return BreakerGroup("b", SMALL, classify=as_said, clock=clock, tolerated_for=config.tolerated_for).branch("")


# -- one outcome ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "latency", "bad"),
    [
        (Verdict.SUCCESS, 1.0, SERVED),
        (Verdict.SUCCESS, 1.01, TOLERATED),
        (Verdict.SUCCESS, 4.0, TOLERATED),
        (Verdict.SUCCESS, 4.01, FAILED),
        (Verdict.THROTTLED, 0.1, THROTTLED),
        (Verdict.FAILURE, 0.1, FAILED),
        (Verdict.EXHAUSTED, 0.1, FAILED),
        (Verdict.IGNORED, 9.0, Evidence()),
    ],
)
def test_badness_of_an_outcome(verdict: Verdict, latency: float, bad: Evidence) -> None:
    """Served in time 0, tolerated or throttled one half, failed or too slow 1; ignored is no evidence (T = 1 s)."""
    clock = VirtualClock()
    breaker = branch(clock)
    permit = breaker.permit()
    clock.advance(latency)
    permit.settle(verdict)
    assert reached(breaker.snapshot()) == bad


def test_plain_successes_are_evidence_too() -> None:
    """Those that passed without the lock count like the others, and late ones among them do not pass so."""
    clock = VirtualClock()
    breaker = branch(clock)
    for latency in (0.5,) * 30 + (2.0,) * 10:
        permit = breaker.permit()
        clock.advance(latency)
        permit.succeed()
    assert reached(breaker.snapshot()) == Evidence(40, 5, 5)


def test_tolerated_latency_is_told_by_operation_class() -> None:
    """One number is for all classes; a class that is not named, as one that waits by design, is never too slow."""
    by_class = HealthConfig(tolerated={"read": 0.05})
    assert [by_class.tolerated_for("read"), by_class.tolerated_for("blocking")] == [0.05, inf]
    assert HealthConfig(tolerated=0.2).tolerated_for("read") == 0.2
    assert HealthConfig().tolerated_for("read") == inf


def test_a_health_configuration_keeps_no_one_elses_mapping() -> None:
    """It is frozen, so what it was made from may change without it."""
    mine = {"read": 1.0}
    config = HealthConfig(tolerated=mine)
    mine["read"] = 9.0
    assert config.tolerated_for("read") == 1.0


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"tolerated": 0.0}, "tolerated"),
        ({"tolerated": {"read": -1.0}}, "tolerated.read"),
        ({"tolerated": inf}, "tolerated"),
        ({"r50": 0.0}, "r50"),
        ({"r50": 1.0}, "r50"),
    ],
)
def test_a_health_configuration_that_cannot_be_meant_is_refused(given: dict[str, Any], key: str) -> None:
    """The error names the key."""
    with pytest.raises(ConfigurationError, match=r"is no (length of time|ratio)") as refusal:
        HealthConfig(**given)
    assert refusal.value.key == key


# -- the score of errors -------------------------------------------------------------------------------------------


@given(histories, ratios, st.floats(0, 1e6))
def test_invariant_27_p1_a_score_is_bounded(history: list[tuple[float, Evidence]], r50: float, pause: float) -> None:
    """0 <= S <= 100 and 0 <= confidence < 1, whatever happened."""
    evidence = after(history, pause)
    assert 0 <= error_score(evidence, r50) <= 100
    assert 0 <= confidence(evidence) < 1


@given(histories, ratios, st.data())
def test_invariant_28_p2_a_worse_outcome_never_raises_the_score(
    history: list[tuple[float, Evidence]], r50: float, data: st.DataObject
) -> None:
    """Replace any outcome by a worse one: the score is no higher."""
    assume(history)
    index = data.draw(st.integers(0, len(history) - 1))
    wait, outcome = history[index]
    worse = [*history[:index], (wait, data.draw(st.sampled_from(OUTCOMES[OUTCOMES.index(outcome) :])))]
    worse += history[index + 1 :]
    assert error_score(after(worse), r50) <= error_score(after(history), r50) + NEARLY


@given(histories, ratios, st.floats(0, 100))
def test_invariant_29_p3_a_failure_never_raises_and_a_success_never_lowers(
    history: list[tuple[float, Evidence]], r50: float, pause: float
) -> None:
    """Of two futures that differ by one more call, that call decides which is better."""
    now = after(history, pause)
    score = error_score(now, r50)
    assert error_score(now + FAILED, r50) <= score + NEARLY
    assert error_score(now + SERVED, r50) >= score - NEARLY


@given(histories, ratios, st.floats(0, 1000), st.floats(0, 1000))
def test_invariant_30_p4_idle_time_never_lowers_the_score_and_confidence_falls(
    history: list[tuple[float, Evidence]], r50: float, pause: float, more: float
) -> None:
    """Without calls a service is forgiven, and ever less is known of it."""
    earlier, later = after(history, pause), after(history, pause + more)
    assert error_score(later, r50) >= error_score(earlier, r50) - NEARLY
    assert confidence(later) <= confidence(earlier)
    if history and more >= 1:
        assert confidence(later) < confidence(earlier) or confidence(later) == 0


@given(histories, histories, ratios)
def test_invariant_32_p6_a_fleets_score_does_not_depend_on_who_is_asked_first(
    one: list[tuple[float, Evidence]], other: list[tuple[float, Evidence]], r50: float
) -> None:
    """The prior is added once, after all nodes' evidence: the order of nodes changes nothing."""
    assert error_score(after(one) + after(other), r50) == error_score(after(other) + after(one), r50)


def steady(rate: float, seconds: float, bad: float, sums: DecayedSums, start: float) -> float:
    """Calls at a rate for some time; returns when the last one ended."""
    for call in range(1, ceil(seconds * rate) + 1):
        sums.add(Evidence(1, bad), start + call / rate)
    return start + ceil(seconds * rate) / rate


@given(st.floats(0.2, 20), st.floats(0, 200), st.floats(0.5, 120), st.floats(1, 30), ratios)
def test_invariant_31_p5_recovery_takes_no_longer_than_its_bound(
    rate: float, before: float, outage: float, half_life: float, r50: float
) -> None:
    """After a total outage of any length S is back at 95 within h * log2(1/r*), r* = r50 * sqrt(1/0.95 - 1), at a
    steady rate of calls; and it stays there.
    """
    rate /= half_life / 10
    bound = half_life * log2(1 / (r50 * sqrt(1 / 0.95 - 1)))
    sums = DecayedSums(half_life)
    end = steady(rate, outage * half_life / 10, 1.0, sums, steady(rate, before * half_life / 10, 0.0, sums, 0.0))
    back = steady(rate, bound, 0.0, sums, end)
    assert error_score(sums.evidence(back), r50) >= 95 - NEARLY
    for later in range(1, 20):
        sums.add(SERVED, back + later / rate)
        assert error_score(sums.evidence(back + later / rate), r50) >= 95 - NEARLY


@given(st.floats(1, 60), ratios)
def test_invariant_31_p5_an_outage_is_seen_within_its_bound_where_there_is_traffic(
    half_life: float, r50: float
) -> None:
    """A total outage takes S below 50 after h * log2(1/(1 - r50)) in the limit of many calls, and never before."""
    bound = half_life * log2(1 / (1 - r50))
    n = 1e12  # calls' worth in a steady state, which an outage makes bad one after the other
    for moment, seen in ((bound * 0.99, False), (bound * 1.01, True)):
        left = n * 2 ** (-moment / half_life)
        assert (error_score(Evidence(n, n - left), r50) < 50) is seen


def seconds_to_see(rate: float, r50: float) -> float:
    """From the first failed call of a total outage until S < 50, after 200 good seconds."""
    sums = DecayedSums()
    start = steady(rate, 200, 0.0, sums, 0.0)
    for call in range(1000):
        now = start + (call + 1) / rate
        sums.add(FAILED, now)
        if error_score(sums.evidence(now), r50) < 50:
            return call / rate
    raise AssertionError


def seconds_to_recover(rate: float, outage: float, r50: float) -> float:
    """From the end of an outage until S >= 95, without the help of a ramp."""
    sums = DecayedSums()
    start = steady(rate, outage, 1.0, sums, steady(rate, 200, 0.0, sums, 0.0))
    for call in range(100_000):
        sums.add(SERVED, start + (call + 1) / rate)
        if error_score(sums.evidence(start + (call + 1) / rate), r50) >= 95:
            return (call + 1) / rate
    raise AssertionError


@pytest.mark.parametrize(("rate", "seconds"), [(0.5, 8.0), (1, 5.0), (5, 2.4), (50, 1.8), (500, 1.6)])
def test_how_soon_a_total_outage_is_seen(rate: float, seconds: float) -> None:
    """Below 50 (redis, h = 10 s) after 8.0, 5.0, 2.4, 1.8, 1.6 s at 0.5, 1, 5, 50, 500 calls a second."""
    assert round(seconds_to_see(rate, R50S["redis"]), 1) == seconds


@pytest.mark.parametrize("rate", [0.5, 1, 5, 50, 500])
@pytest.mark.parametrize("outage", [30.0, 60.0])
def test_how_soon_a_recovery_is_seen(rate: float, outage: float) -> None:
    """Back at 95 after 26 to 53 s at those rates; the bound is 54.5 s."""
    assert 26 <= seconds_to_recover(rate, outage, R50S["redis"]) <= 53
    assert round(10 * log2(1 / (R50S["redis"] * sqrt(1 / 0.95 - 1))), 1) == 54.5


def test_what_the_first_failures_make_of_a_score() -> None:
    """Failed calls and no others: 93, 66, 42, 28, 20, and 7 after ten; without the prior the first would make it 7."""
    assert [round(error_score(Evidence(k, k), 0.1)) for k in (1, 2, 3, 4, 5, 10)] == [93, 66, 42, 28, 20, 7]


def test_what_evidence_makes_of_the_same_ratio() -> None:
    """One bad call in ten: 98, 81, 73, 60, 55 for n = 10, 50, 100, 500, 2000; at r50 and without end it would be 50."""
    assert [round(error_score(Evidence(n, n / 10), 0.1)) for n in (10, 50, 100, 500, 2000)] == [98, 81, 73, 60, 55]
    assert error_score(Evidence(1e12, 1e11), 0.1) == pytest.approx(50, abs=1e-3)


@given(evidences)
def test_the_proven_ratio_is_below_the_seen_one(evidence: Evidence) -> None:
    """Wilson's lower bound: a ratio of 0..1, no more than the calls show, and 0 for no bad call."""
    assert 0 <= bad_ratio(evidence) <= evidence.badness / (evidence.calls + 10) + NEARLY
    assert bad_ratio(Evidence(evidence.calls, 0)) < NEARLY


@given(st.floats(0, 1e6), st.floats(0, 1), ratios)
def test_what_is_served_late_is_not_unhealthy(calls: float, share: float, r50: float) -> None:
    """However many calls users merely tolerate, S_err is 40 or more: each of them was answered."""
    late = calls * share / 2
    assert error_score(Evidence(calls, late, late), r50) >= 40


@given(evidences, ratios)
def test_above_its_floor_lateness_counts_as_any_badness(evidence: Evidence, r50: float) -> None:
    """S_err is that of all badness while this is 40 or more; below, that of the failures, and at most 40."""
    alike = error_score(Evidence(evidence.calls, evidence.badness), r50)
    failures = error_score(Evidence(evidence.calls, evidence.badness - evidence.lateness), r50)
    assert error_score(evidence, r50) == pytest.approx(alike if alike >= 40 else min(40, failures))


def test_a_database_that_slows_down_is_no_dead_one() -> None:
    """Three calls in ten between T and 4 T, of a thousand: 40 and not 12, and as many failures would make it 3."""
    assert round(error_score(Evidence(1000, 150, 150), R50S["db"])) == 40
    assert round(error_score(Evidence(1000, 150), R50S["db"])) == 12
    assert round(error_score(Evidence(1000, 300), R50S["db"])) == 3


# -- the other scores ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utilisation", "score"),
    [(0, 100), (0.8, 100), (0.85, 85), (0.9, 70), (1.0, 40), (1.7, 40), (float("nan"), 100)],
)
def test_the_score_of_a_pool(utilisation: float, score: float) -> None:
    """100 up to 80 %, then evenly down to 40 when it is full; what is not a number is no saturation."""
    assert saturation_score(utilisation) == pytest.approx(score)


@pytest.mark.parametrize(
    ("state", "share", "score"),
    [
        (State.CLOSED, 1.0, 100),
        (State.CLOSED, 0.1, 16),
        (State.CLOSED, 0.5, 40),
        (State.HALF_OPEN, 1.0, 10),
        (State.OPEN, 1.0, 10),
        (State.FORCED_OPEN, 1.0, 0),
        (State.DISABLED, 1.0, 100),
        (State.METRICS_ONLY, 1.0, 100),
    ],
)
def test_the_score_of_a_state(state: State, share: float, score: float) -> None:
    """100 where all calls are admitted, 10 + 60 p on the ramp, 10 when refusing or probing, 0 when forced."""
    assert state_score(snapshot_of(state, share=share)) == pytest.approx(score)
