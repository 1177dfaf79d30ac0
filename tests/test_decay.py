"""Decayed sums are what their definition says, in whatever order calls are counted and however long it goes on."""

from __future__ import annotations

import random
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError
from switchgear._decay import DecayedSums, Evidence, left

DAY = 86400.0

#: Calls that ended at a time, and their badness each.
calls = st.tuples(st.integers(1, 50), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 200))
streams = st.lists(calls, max_size=20)
half_lives = st.floats(0.1, 1000)


def sums_of(stream: list[tuple[int, float, float]], half_life: float = 10.0) -> DecayedSums:
    sums = DecayedSums(half_life)
    for count, badness, at in stream:
        sums.add(Evidence(count, count * badness, count * badness / 3), at)
    return sums


def close(evidence: Evidence, calls: float, badness: float) -> bool:
    return (evidence.calls, evidence.badness) == pytest.approx((calls, badness), rel=1e-9, abs=1e-12)


@given(streams, half_lives, st.floats(200, 400))
def test_the_sums_are_what_the_definition_says(
    stream: list[tuple[int, float, float]], half_life: float, now: float
) -> None:
    """The sum of 2**(-(t - ti)/h), and of bi times that, and its late part, even if calls are counted out of order."""
    weights = [(count * 2 ** (-(now - at) / half_life), badness) for count, badness, at in stream]
    evidence = sums_of(stream, half_life).evidence(now)
    bad = fsum(weight * bad for weight, bad in weights)
    assert close(evidence, fsum(weight for weight, _ in weights), bad)
    assert evidence.lateness == pytest.approx(bad / 3, rel=1e-9, abs=1e-12)


@given(st.integers(1, 10_000), st.floats(0, 100), st.floats(0, 100))
def test_a_bulk_of_calls_counts_as_its_calls_would(count: int, at: float, later: float) -> None:
    """A number of plain successes in one go are so many times one, also when told of after a later call."""
    sums = DecayedSums()
    sums.add(Evidence(1, 1), at + later)
    sums.add(Evidence(count), at)
    assert close(sums.evidence(at + later), 1 + count * left(later, 10.0), 1)


@given(streams, streams)
def test_invariant_32_p6_merge_is_commutative(
    one: list[tuple[int, float, float]], other: list[tuple[int, float, float]]
) -> None:
    """Which node's sums come first makes no difference, to the last bit, and merging changes neither."""
    a, b = sums_of(one), sums_of(other)
    before = a.evidence(200), b.evidence(200)
    assert a.merge(b).evidence(200) == b.merge(a).evidence(200)
    assert (a.evidence(200), b.evidence(200)) == before
    assert close(a.merge(b).evidence(200), *_both(before))


@given(streams, streams, streams)
def test_invariant_32_p6_merge_is_associative(
    one: list[tuple[int, float, float]], two: list[tuple[int, float, float]], three: list[tuple[int, float, float]]
) -> None:
    """However the nodes are grouped, their sums are those of one node that has seen all calls."""
    a, b, c = sums_of(one), sums_of(two), sums_of(three)
    together = sums_of([*one, *two, *three]).evidence(200)
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c))):
        assert close(merged.evidence(200), together.calls, together.badness)


def _both(pair: tuple[Evidence, Evidence]) -> tuple[float, float]:
    both = pair[0] + pair[1]
    return both.calls, both.badness


def test_sums_do_not_drift_over_days() -> None:
    """After 200,000 calls in three days the sums are exact to nine digits."""
    dice = random.Random(1)
    sums = DecayedSums()
    times = sorted(dice.uniform(0, 3 * DAY) for _ in range(200_000))
    for at in times:
        sums.add(Evidence(1, 0.5), at)
    exact = fsum(2 ** (-(times[-1] - at) / 10.0) for at in times)
    assert close(sums.evidence(times[-1]), exact, exact / 2)


def test_sums_of_a_busy_month_stay_at_their_limit() -> None:
    """A million calls a second for a month neither overflow nor creep: n stays at rate * h / ln 2."""
    sums = DecayedSums()
    for second in range(30 * 24 * 60):  # a minute's calls at a time
        sums.add(Evidence(60e6, 60e6), second * 60.0)
    steady = 60e6 / (1 - 2**-6)
    assert close(sums.evidence(30 * DAY - 60), steady, steady)


def test_what_is_long_gone_is_forgotten() -> None:
    """After years without a call nothing is left, and nothing is out of range."""
    sums = DecayedSums()
    sums.add(Evidence(1e9, 1e9), 0.0)
    assert sums.evidence(1e9) == Evidence(0.0, 0.0)
    assert sums.evidence(1e300) == Evidence(0.0, 0.0)


def test_a_moment_before_the_last_call_is_taken_for_that() -> None:
    """A clock read on another thread may be a little behind: the sums do not grow by it."""
    sums = DecayedSums()
    sums.add(Evidence(4, 1), 100.0)
    assert sums.evidence(99.0) == Evidence(4, 1)


def test_sums_without_calls_are_empty_at_any_time() -> None:
    """There is no moment at which a new stream begins."""
    sums = DecayedSums()
    assert sums.evidence(-5.0) == sums.merge(DecayedSums()).evidence(5.0) == Evidence()


def test_the_middle_of_a_span_stands_for_it() -> None:
    """Calls spread over one half-life and counted in its middle weigh what they should to 2 %."""
    spread, middle = DecayedSums(), DecayedSums()
    for tenth in range(100):
        spread.add(Evidence(1), (tenth + 0.5) / 10)
    middle.add(Evidence(100), 5.0)
    assert middle.evidence(10.0).calls == pytest.approx(spread.evidence(10.0).calls, rel=0.021)


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("inf"), float("nan")])
def test_a_half_life_has_a_length(half_life: float) -> None:
    """What is no length of time is refused, and the error names the key."""
    with pytest.raises(ConfigurationError, match="is no length of time") as refusal:
        DecayedSums(half_life)
    assert refusal.value.key == "half_life"


def test_sums_that_forget_at_different_rates_do_not_merge() -> None:
    """Their sum would mean nothing."""
    with pytest.raises(ValueError, match="10 s and 20 s"):
        DecayedSums(10).merge(DecayedSums(20))
