"""Pauses between attempts: random, growing, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError
from switchgear._strategies._pauses import Pauses

lengths = st.floats(0, 100)
jitters: Any = st.sampled_from(["full", "decorrelated"])


@given(lengths, lengths, jitters, st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_pauses_are_within_their_bounds(one: float, other: float, jitter: Any, rolls: list[float]) -> None:
    """Invariant 26: never below zero or what decorrelated ones begin with, never above the longest of that attempt."""
    chance = iter(rolls)
    pauses = Pauses(min(one, other), max(one, other), jitter, lambda: next(chance))
    pauses.check()
    last = 0.0
    for attempt in range(1, len(rolls) + 1):
        last = pauses.next(attempt, last)
        longest = pauses.longest(attempt)
        assert (0 if jitter == "full" else pauses.initial) <= last <= longest + 1e-9
        assert longest <= pauses.max


def test_full_jitter_doubles() -> None:
    """Up to the longest pause, however many attempts there were."""
    pauses = Pauses(0.5, 6, "full", lambda: 1.0)
    assert [pauses.next(attempt, 0) for attempt in (1, 2, 3, 4, 5, 10_000)] == [0.5, 1, 2, 4, 6, 6]
    assert Pauses(0.5, 6, "full", lambda: 0.0).next(3, 0) == 0


def test_decorrelated_jitter_goes_by_the_last_pause() -> None:
    """Anything from the first up to three times the last."""
    least, most = Pauses(1, 50, "decorrelated", lambda: 0.0), Pauses(1, 50, "decorrelated", lambda: 1.0)
    assert [most.next(1, 0), most.next(2, 3), most.next(3, 9), most.next(4, 27)] == [3, 9, 27, 50]
    assert [least.next(attempt, 27) for attempt in (1, 5)] == [1, 1]


@pytest.mark.parametrize(("initial", "longest", "key"), [(-1, 1, "initial"), (2, 1, "max"), (0, float("inf"), "max")])
def test_impossible_pauses_are_refused(initial: float, longest: float, key: str) -> None:
    """With the key that is wrong."""
    with pytest.raises(ConfigurationError) as error:
        Pauses(initial, longest, "full", lambda: 0.0).check()
    assert error.value.key == key
