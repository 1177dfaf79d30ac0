"""Windows count what a list would count, in constant time and memory."""

from __future__ import annotations

import sys
from math import inf
from typing import Literal, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchgear import ConfigurationError, CountWindow, TimeWindow
from switchgear._window import take_over
from switchgear.lowlevel import Entry, Tally


class Step(NamedTuple):
    """After a pause: successes in bulk, or one call that was bad, slow or both."""

    pause: float
    what: Literal["succeed", "add", "expire"]
    calls: int = 1
    halves: int = 0
    slow: bool = False


pauses = st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 64.0, 2.0**40])
steps = st.lists(
    st.builds(Step, pauses, st.just("succeed"), calls=st.integers(1, 6) | st.integers(1, 40))
    | st.builds(Step, pauses, st.just("add"), halves=st.integers(0, 2), slow=st.booleans())
    | st.builds(Step, pauses, st.just("expire")),
    max_size=40,
)


class Naive(NamedTuple):
    at: float
    halves: int
    slow: bool


def play(tally: Tally, played: list[Step], start: float) -> tuple[list[Naive], float]:
    """Do the steps to the tally; returns the list of all calls, and the time."""
    now, calls = start, list[Naive]()
    for step in played:
        now += step.pause
        if step.what == "succeed":
            tally.succeed(step.calls, now)
            calls += [Naive(now, 0, False)] * step.calls
        elif step.what == "add":
            tally.add(step.halves, step.slow, now)
            calls.append(Naive(now, step.halves, step.slow))
        else:
            tally.expire(now)
    return calls, now


def counts(tally: Tally) -> tuple[int, int, int]:
    return tally.calls, tally.halves, tally.slow


def counted(calls: list[Naive]) -> tuple[int, int, int]:
    return len(calls), sum(call.halves for call in calls), sum(call.slow for call in calls)


def in_time(window: TimeWindow, calls: list[Naive], now: float) -> list[Naive]:
    width = window.seconds / window.buckets
    return [call for call in calls if call.at // width > now // width - window.buckets]


@given(steps, st.integers(1, 12))
def test_a_count_window_counts_the_last_n_calls(played: list[Step], size: int) -> None:
    """Whatever comes, in bulk or one by one, the tally is that of a list cut to the last N."""
    tally = CountWindow(size).open()
    calls, _ = play(tally, played, 0.0)
    assert counts(tally) == counted(calls[-size:])


@given(steps, st.integers(1, 6), st.sampled_from([0.25, 1.0, 8.0]), st.sampled_from([0.0, 1000.0]))
def test_a_time_window_counts_the_calls_of_its_buckets(
    played: list[Step], buckets: int, width: float, start: float
) -> None:
    """Whatever the clock's steps, the tally is that of a list without what is older than the last buckets."""
    window = TimeWindow(buckets * width, buckets)
    tally = window.open()
    calls, now = play(tally, played, start)
    tally.expire(now)
    assert counts(tally) == counted(in_time(window, calls, now))


@given(steps, st.integers(1, 12))
def test_the_entries_of_a_count_window_are_its_calls_in_order(played: list[Step], size: int) -> None:
    """Another window can take over what this one holds, oldest first."""
    tally = CountWindow(size).open()
    calls, _ = play(tally, played, 0.0)
    entries = [kind for entry in tally.entries() for kind in [(entry.halves, entry.slow)] * entry.calls]
    assert entries == [(call.halves, call.slow) for call in calls[-size:]]
    assert {entry.at for entry in tally.entries()} <= {None}


@given(steps, st.integers(1, 6), st.sampled_from([0.25, 1.0]))
def test_the_entries_of_a_time_window_are_its_calls_by_bucket(played: list[Step], buckets: int, width: float) -> None:
    """They are oldest first, stamped with the beginning of their bucket."""
    window = TimeWindow(buckets * width, buckets)
    tally = window.open()
    calls, now = play(tally, played, 0.0)
    tally.expire(now)
    entries = [kind for e in tally.entries() for kind in [(e.at, e.halves, e.slow)] * e.calls]
    stamps = [at for at, _, _ in entries]
    assert stamps == sorted(stamps, key=lambda at: -1 if at is None else at)
    assert sorted(entries, key=repr) == sorted(
        ((call.at // width * width, call.halves, call.slow) for call in in_time(window, calls, now)), key=repr
    )


@given(steps, st.integers(1, 12), st.integers(1, 12))
def test_a_count_window_takes_over_the_last_calls_of_another(played: list[Step], old: int, new: int) -> None:
    """A shorter window keeps the youngest; a longer one keeps all that is known."""
    tally = CountWindow(old).open()
    calls, now = play(tally, played, 0.0)
    taken = take_over(tally, CountWindow(new), now)
    assert counts(taken) == counted(calls[-old:][-new:])


@given(steps, st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.0, 1024.0]))
@example([Step(0.0, "add", halves=2), Step(1.0, "expire")], 4, 4, 0.0)  # a bucket that begins at time zero
def test_a_time_window_takes_over_the_calls_that_are_young_enough(
    played: list[Step], old: int, new: int, start: float
) -> None:
    """Calls keep their age, to a bucket."""
    window = TimeWindow(old * 1.0, old)
    tally = window.open()
    calls, now = play(tally, played, start)
    tally.expire(now)
    other = TimeWindow(new * 0.5, new)
    taken = take_over(tally, other, now)
    known = [Naive(call.at // 1.0, call.halves, call.slow) for call in in_time(window, calls, now)]
    assert counts(taken) == counted(in_time(other, known, now))


@given(steps, st.integers(1, 12))
def test_a_time_window_takes_over_a_count_window_as_of_now(played: list[Step], size: int) -> None:
    """A count window does not know when its calls were: they are taken for new."""
    tally = CountWindow(size).open()
    calls, now = play(tally, played, 1000.0)
    taken = take_over(tally, TimeWindow(4.0, 4), now)
    assert counts(taken) == counted(calls[-size:])
    taken.expire(now + 3.0)
    assert counts(taken) == counted(calls[-size:])
    taken.expire(now + 4.0)
    assert counts(taken) == (0, 0, 0)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.25, 0.875]), st.sampled_from([0.5, 1.0, 8.0]), st.integers(1, 6))
def test_a_time_window_only_gains_until_its_horizon(number: int, into: float, width: float, buckets: int) -> None:
    """What is about to leave is there until the horizon, and gone with it."""
    tally = TimeWindow(width * buckets, buckets).open()
    start = number * width
    tally.add(2, True, start)
    now = start + (buckets - 1 + into) * width
    tally.expire(now)
    assert tally.horizon(now) == start + buckets * width
    tally.expire(tally.horizon(now) - width / 1024)
    assert counts(tally) == (1, 2, 1)
    tally.expire(tally.horizon(now))
    assert counts(tally) == (0, 0, 0)


@given(st.floats(0, 2.0**33), st.floats(2.0**-10, 2.0**20), st.integers(1, 100))
def test_the_horizon_is_never_past(now: float, width: float, buckets: int) -> None:
    """Whatever the clock shows within three centuries, and whatever the roundings."""
    assert TimeWindow(width * buckets, buckets).open().horizon(now) >= now


def test_nothing_ever_leaves_a_count_window_by_time() -> None:
    """Its horizon is infinite, and expiring does nothing."""
    tally = CountWindow(3).open()
    tally.add(2, False, 0.0)
    tally.expire(1e9)
    assert tally.horizon(0.0) == inf
    assert counts(tally) == (1, 2, 0)


@pytest.mark.parametrize("seconds", [10, 60, 3600, 86_400])
def test_a_step_in_time_costs_the_buckets_and_not_the_seconds(seconds: int) -> None:
    """After a day's silence a window of ten buckets forgets ten buckets: the step ends, at once."""
    tally = TimeWindow(seconds, 10).open()
    tally.add(2, True, 1.0)
    tally.expire(2.0**52)
    assert counts(tally) == (0, 0, 0)
    tally.succeed(3, 2.0**52)
    assert counts(tally) == (3, 0, 0)


def test_successes_that_ended_before_the_window_are_not_counted() -> None:
    """A success that is handed over only after its bucket has left stays out."""
    tally = TimeWindow(4.0, 4).open()
    tally.expire(10.0)
    tally.succeed(1, 6.5)
    assert counts(tally) == (0, 0, 0)
    tally.succeed(1, 7.0)
    assert counts(tally) == (1, 0, 0)
    tally.expire(10.75)
    assert counts(tally) == (1, 0, 0)
    tally.expire(11.0)
    assert counts(tally) == (0, 0, 0)


def size_of(tally: Tally) -> int:
    slots = [getattr(tally, slot) for slot in type(tally).__slots__]  # type: ignore[attr-defined]
    return sum(
        sys.getsizeof(value) + sum(map(sys.getsizeof, value if isinstance(value, list) else ())) for value in slots
    )


@pytest.mark.parametrize("window", [CountWindow(1000), TimeWindow(60.0, 10)])
def test_memory_does_not_grow_with_calls(window: CountWindow | TimeWindow) -> None:
    """A million calls take as much as a thousand."""
    tally = window.open()
    for call in range(1000):
        tally.add(2, True, call * 0.1)
    small = size_of(tally)
    for call in range(1000, 3000):
        tally.add(call % 3, True, call * 0.1)
        tally.succeed(1000, call * 0.1)
        tally.add(1, False, call * 0.1)
    assert size_of(tally) <= small + 500  # integers grow by a digit


def test_a_count_window_takes_memory_only_while_something_in_it_was_wrong() -> None:
    """Its ring is made at the first call that is not a plain success, and dropped when the last of those has left."""
    tally = CountWindow(1000).open()
    healthy = size_of(tally)
    tally.succeed(500, 0.0)
    assert size_of(tally) < healthy + 100
    tally.add(2, False, 0.0)
    assert size_of(tally) > healthy + 900
    tally.succeed(999, 0.0)
    assert size_of(tally) > healthy + 900
    tally.succeed(1, 0.0)
    assert size_of(tally) < healthy + 100
    assert counts(tally) == (1000, 0, 0)


def test_a_window_of_nothing_is_refused() -> None:
    """The error names the key and says what is possible."""
    with pytest.raises(
        ConfigurationError, match=r"^window: A count window of 0 calls cannot hold one. Use 1 or more.$"
    ):
        CountWindow(0)
    for seconds, buckets in ((0.0, 1), (-1.0, 1), (inf, 1), (float("nan"), 1), (1.0, 0)):
        with pytest.raises(ConfigurationError) as error:
            TimeWindow(seconds, buckets)
        said = f"window: A time window of {seconds} s in {buckets} buckets is empty. Both must be above 0."
        assert str(error.value) == said


def test_the_defaults_are_a_hundred_calls_and_a_minute_in_ten_parts() -> None:
    """As documented."""
    assert CountWindow() == CountWindow(size=100)
    assert TimeWindow() == TimeWindow(seconds=60.0, buckets=10)


def test_an_entry_is_plain_data() -> None:
    """Authors of other windows can make them."""
    assert Entry(2, 1, False, None) == (2, 1, False, None)
