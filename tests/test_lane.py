"""The ledger of calls in flight: counted by ticks that need no lock, overdue neither too early nor too late."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear._lane import NO_SLOT, SHUT, Lane, Slot


def in_flight(slot: Slot) -> int:
    slot.new_successes()
    return slot.in_flight()


def test_a_slot_counts_what_started_and_what_left() -> None:
    """Reading does not count as a call, however often it is done."""
    slot = Slot(0, 0.0, 1.0)
    for expected in (1, 2, 3):
        next(slot.started)
        assert in_flight(slot) == in_flight(slot) == expected
    next(slot.ok)
    assert slot.new_successes() == 1
    assert slot.new_successes() == 0
    slot.settled += 1
    assert in_flight(slot) == 1
    next(slot.ok)
    assert slot.new_successes() == 1
    assert slot.in_flight() == 0


def test_the_calls_in_flight_are_those_of_one_moment() -> None:
    """A call that leaves between the two counts makes it read again, or it would count as in flight and as gone."""

    class Leaving:
        """A count of successes that another thread ticks once, between two readings."""

        def __init__(self) -> None:
            self.ticks = iter([0, 2, 3, 4])

        def __iter__(self) -> Leaving:
            return self

        def __next__(self) -> int:
            return next(self.ticks)

    slot = Slot(0, 0.0, 1.0)
    for _ in range(5):
        next(slot.started)
    slot.ok = Leaving()  # type: ignore[assignment]
    assert slot.in_flight_now() == 4


def test_a_lane_begins_without_a_slot_of_its_own() -> None:
    """A breaker that is never used shares one slot with all others; its door is shut."""
    lane = Lane("read", 1.0)
    assert lane.slot is NO_SLOT
    assert NO_SLOT.until == SHUT == -inf
    assert lane.overdue(1e9) == 0
    assert lane.slots() == [NO_SLOT]


@pytest.mark.parametrize(
    ("slow", "horizon", "turn"),
    [(8.0, inf, 101.0), (inf, inf, 110.0), (400.0, inf, 110.0), (8.0, 100.5, 100.5)],
    ids=["an eighth of the threshold", "ten seconds", "ten seconds at most", "the window's horizon"],
)
def test_a_slot_ends(slow: float, horizon: float, turn: float) -> None:
    """By whatever comes first."""
    lane = Lane("", slow)
    lane.turn(0, 100.0, horizon)
    assert (lane.slot.opened, lane.slot.turn, lane.slot.until) == (100.0, turn, SHUT)


def test_turning_shuts_the_door_behind() -> None:
    """A call that still holds the old slot finds its door shut, and the slot is kept for the calls in it."""
    lane = Lane("", 8.0)
    lane.turn(0, 100.0, inf)
    first = lane.slot
    first.until = first.turn
    lane.turn(0, 100.5, inf)
    assert first.until == SHUT
    assert first.turn == 100.5  # it ended early: its calls are younger than that
    assert lane.slots() == [first, lane.slot]


def test_a_new_era_forgets_the_slots_of_the_old() -> None:
    """Their calls are late, not overdue."""
    lane = Lane("", 8.0)
    lane.turn(0, 100.0, inf)
    next(lane.slot.started)
    lane.turn(0, 101.0, inf)
    lane.turn(1, 102.0, inf)
    assert lane.past is None
    assert lane.overdue(1e9) == 0


def test_an_empty_past_slot_is_dropped_and_one_with_calls_is_kept() -> None:
    """Memory is bound to calls in flight, not to time."""
    lane = Lane("", 8.0)
    lane.turn(0, 0.0, inf)
    hanging = lane.slot
    next(hanging.started)
    for now in range(1, 100):
        lane.turn(0, float(now), inf)
        lane.overdue(float(now))
    assert lane.past == [hanging]
    hanging.settled += 1
    assert lane.overdue(100.0) == 0
    assert lane.past is None


def test_a_call_that_starts_just_as_its_slot_turns_is_still_counted_when_it_leaves() -> None:
    """A thread may have read the door before it shut, and tick it after: nothing becomes negative, nothing is lost."""
    lane = Lane("", 8.0)
    lane.turn(0, 0.0, inf)
    slot = lane.slot
    lane.turn(0, 1.0, inf)
    assert lane.overdue(1.0) == 0  # dropped, being empty
    next(slot.started)  # the slow thread
    next(slot.ok)
    assert slot.new_successes() == 1
    assert slot.in_flight() == 0


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0]), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([1.0, 4.0, 8.0, 128.0]),
)
def test_overdue_is_never_too_early_and_at_most_a_quarter_too_late(
    steps: list[tuple[float, bool]], slow: float
) -> None:
    """Each call counts no earlier than `slow` seconds after its start, and no later than 1.25 times that."""
    lane = Lane("", slow)
    now, starts = 0.0, list[float]()
    lane.turn(0, now, inf)
    for pause, call in steps:
        now += pause
        if now >= lane.slot.turn:
            lane.turn(0, now, inf)
        overdue = lane.overdue(now)
        assert sum(now - start >= 1.25 * slow for start in starts) <= overdue
        assert overdue <= sum(now - start >= slow for start in starts)
        if call:
            next(lane.slot.started)
            starts.append(now)
