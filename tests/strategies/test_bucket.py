"""The bucket against a model that lets every unit flow in one by one."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear._strategies._bucket import Bucket

pauses = st.floats(0, 5)
amounts = st.sampled_from([0.5, 1.0, 1.0, 2.0, 7.0])


@given(
    rate=st.floats(0.1, 50),
    burst=st.floats(0.5, 10),
    steps=st.lists(
        st.tuples(pauses, amounts, st.sampled_from(["take", "take", "take", "give back", "wait"])), max_size=60
    ),
)
def test_what_flows_in_and_out(rate: float, burst: float, steps: list[tuple[float, float, str]]) -> None:
    """Whatever is taken and given back: the level is what a bucket of that size would have, and never above it."""
    bucket, level, now = Bucket(rate, burst), burst, 0.0
    for pause, units, step in steps:
        now += pause
        level = min(burst, level + pause * rate)
        wait = max(0.0, (min(units, burst) - level) / rate)
        assert bucket.left(now) == pytest.approx(level, abs=1e-6)
        assert bucket.wait(units, now) == pytest.approx(wait, abs=1e-6)
        if step == "wait":
            now += bucket.wait(units, now)
            level = min(burst, level + wait * rate)
            assert bucket.wait(units, now) == 0
        if step == "give back":
            bucket.take(-units, now)
            level = min(burst, level + units)
        elif bucket.take_now(units, now):
            assert step == "wait" or wait < 1e-6
            level -= units
        else:
            assert step == "take"
            assert wait > 0


@given(
    rate=st.floats(0.1, 50),
    burst=st.floats(1, 10),
    arrivals=st.lists(st.tuples(pauses, st.floats(0.1, 1.0)), min_size=1, max_size=60),
)
def test_in_any_span_of_time(rate: float, burst: float, arrivals: list[tuple[float, float]]) -> None:
    """Between any two moments no more is taken than a full bucket and what flows in."""
    bucket, now, taken = Bucket(rate, burst), 0.0, list[tuple[float, float]]()
    for pause, units in arrivals:
        now += pause
        now += bucket.wait(units, now)
        bucket.take(units, now)
        taken.append((now, units))
    for number, (start, _) in enumerate(taken):
        total = 0.0
        for end, units in taken[number:]:
            total += units
            assert total <= (burst + (end - start) * rate) * (1 + 1e-6)


def test_more_than_a_full_bucket_is_let_in_on_credit() -> None:
    """It is not refused for ever; those after it wait until it is paid."""
    bucket = Bucket(10, 5)
    assert bucket.wait(100, 0) == 0
    bucket.take(100, 0)
    assert bucket.left(0) == -95
    assert bucket.wait(1, 0) == pytest.approx(9.6)
    assert bucket.wait(100, 0) == pytest.approx(10.0)


@pytest.mark.parametrize("ahead", [1.0, 10.0])
def test_behind_others(ahead: float) -> None:
    """The wait of who stands in line is what flows in for all before it, too."""
    bucket = Bucket(2.0, 1.0)
    bucket.take(1.0, 0)
    assert bucket.wait(1.0, 0, ahead) == pytest.approx(0.5 + ahead / 2)


def test_held() -> None:
    """Nothing is let through before the moment the server named; a shorter hold does not shorten a longer one."""
    bucket = Bucket(10, 10)
    bucket.hold(30)
    bucket.hold(20)
    assert bucket.wait(1, 0) == 30
    assert not bucket.idle(29)
    assert bucket.idle(30)


def test_many_left_by_the_servers_count_change_nothing() -> None:
    """Ten seconds' worth, or a quarter of all there may be, is enough to go on as fast as allowed."""
    bucket = Bucket(10, 10)
    bucket.take(10, 0)
    for remaining, limit in ((100.0, None), (100.0, 600.0), (5.0, 20.0), (0.0, 0.0)):
        bucket.heard(remaining, limit, 0)
        assert bucket.wait(1, 0) == pytest.approx(0.1)
    assert bucket.idle(1)


def test_few_left_by_the_servers_count_are_taken_slower() -> None:
    """A tenth of ten seconds' worth is taken at a tenth of the rate, and what is missing takes longer to flow in."""
    bucket = Bucket(10, 10)
    bucket.take(10, 0)
    bucket.heard(10, None, 0)
    assert bucket.wait(1, 0) == pytest.approx(1.0)
    assert bucket.left(5) == pytest.approx(5)
    bucket.heard(0, None, 5)
    assert bucket.wait(6, 5) == pytest.approx(10.0)
    bucket.heard(200, None, 5)
    assert bucket.wait(6, 5) == pytest.approx(0.1)


def test_silence_ends_what_was_heard() -> None:
    """Answers without a count do not keep it slow for ever."""
    bucket = Bucket(10, 10)
    bucket.take(10, 0)
    bucket.heard(0, None, 0)
    assert bucket.wait(10, 19.9) > 50
    assert not bucket.idle(19.9)
    assert bucket.wait(10, 20) < 1
    assert bucket.idle(inf)


@pytest.mark.parametrize("processes", [1, 4, 20])
def test_processes_that_share_a_limit_do_not_run_into_it(processes: int) -> None:
    """Each is configured for the whole of it, and none knows of the others. By the server's count they come to share
    it: all of it is used, and in the long run the server refuses at most one in a thousand.
    """
    rate, limit = 10.0, 600.0
    buckets = [Bucket(rate, rate) for _ in range(processes)]
    left, served, refused, now = limit, 0, 0, 0.0
    while now < 600:
        now += 0.01
        left = min(limit, left + rate * 0.01)
        for bucket in buckets:
            if bucket.wait(1, now) == 0:
                bucket.take(1, now)
                if left >= 1:
                    left -= 1
                    served += now > 120
                else:
                    refused += now > 120
                bucket.heard(left, limit, now)
    assert refused < served / 1000
    assert served > 0.98 * rate * 480
