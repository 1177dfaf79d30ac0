"""The ramp: after an outage a growing share of calls is admitted, lest the herd fell what has just got up."""

from __future__ import annotations

from typing import Any

import pytest

from switchgear import CallNotPermitted, CircuitBreaker, Ramp, State, Verdict
from switchgear.testing import VirtualClock
from tests.support import Ear, breaker_of, decided, fail, half_open, hold, path, refused, succeed

RAMP = Ramp(initial=0.125, duration=8.0)


def ramping(clock: VirtualClock, ramp: Ramp = RAMP) -> CircuitBreaker:
    """A breaker that has just closed after an outage."""
    breaker = half_open(clock, ramp=ramp)
    succeed(breaker, 3)
    assert decided(breaker) is State.CLOSED
    return breaker


def admitted(breaker: CircuitBreaker, calls: int) -> list[bool]:
    found = []
    for _ in range(calls):
        try:
            with breaker.permit():
                found.append(True)
        except CallNotPermitted:
            found.append(False)
    return found


def test_the_first_call_is_admitted_and_then_the_share_evenly() -> None:
    """At an eighth: one, then each eighth; not by chance."""
    breaker = ramping(VirtualClock())
    found = admitted(breaker, 40)
    assert [call for call, answer in enumerate(found) if answer] == [0, 7, 15, 23, 31, 39]


def test_the_share_grows_to_all_of_them() -> None:
    """Evenly over the duration; at its end every call is admitted, and it is over."""
    clock = VirtualClock()
    breaker = ramping(clock)
    shares = []
    for _ in range(5):
        shares.append(breaker.snapshot().share)
        clock.advance(2.0)
    assert shares == [0.125, 0.34375, 0.5625, 0.78125, 1.0]
    assert all(admitted(breaker, 50))


@pytest.mark.parametrize("seconds", [0.0, 2.0, 4.0, 7.0])
def test_over_many_calls_the_share_is_what_is_admitted(seconds: float) -> None:
    """To one call."""
    clock = VirtualClock()
    breaker = ramping(clock)
    clock.advance(seconds)
    share = breaker.snapshot().share
    assert sum(admitted(breaker, 800)) == pytest.approx(800 * share, abs=1)


def test_a_refusal_says_which_share_is_admitted() -> None:
    """And knows no moment."""
    breaker = ramping(VirtualClock())
    succeed(breaker)
    refusal = refused(breaker)
    assert (refusal.state, refusal.retry_after) == (State.CLOSED, None)
    assert refusal.reason == "it is ramping up and admits 12% of the calls"
    assert breaker.snapshot().refused[State.CLOSED] == 1


def test_without_a_ramp_it_closes_at_full_width() -> None:
    """None turns it off."""
    breaker = half_open(VirtualClock(), ramp=None)
    succeed(breaker, 3)
    assert all(admitted(breaker, 100))


def test_only_probes_lead_to_a_ramp() -> None:
    """An operator's reset closes at full width."""
    breaker = half_open(VirtualClock(), ramp=RAMP)
    breaker.reset()
    assert breaker.snapshot().share == 1.0


def test_a_relapse_at_a_small_share_opens() -> None:
    """Half of an eighth is less than the ramp begins with. As few calls as a round of probes are enough to tell."""
    clock = VirtualClock()
    breaker = ramping(clock)
    ear = Ear()
    breaker.subscribe(ear)
    while decided(breaker) is State.CLOSED:
        try:
            fail(breaker)
        except CallNotPermitted:
            clock.advance(0.0625)
    assert path(ear) == [("CLOSED", "OPEN", "relapse")]
    last = breaker.snapshot().last
    assert last is not None
    assert last.detail == "failure rate 1.00 of 4 calls (limit 0.5), while ramping up"
    assert clock() < 1008.0 + 2.0


def test_a_relapse_at_a_large_share_halves_it() -> None:
    """It begins anew, with an empty window, and grows at the same pace; what is in flight is late."""
    clock = VirtualClock()
    breaker = ramping(clock)
    clock.advance(6.0)
    late = hold(breaker)
    share = breaker.snapshot().share
    assert share == 0.78125
    while breaker.snapshot().share == share:
        try:
            fail(breaker)
        except CallNotPermitted:
            continue
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.share, snapshot.calls) == (State.CLOSED, share / 2, 0)
    late.returns()
    assert breaker.snapshot().late == 1
    clock.advance(1.0)
    assert breaker.snapshot().share == share / 2 + 0.875 / 8


def test_a_relapse_to_exactly_the_initial_share_does_not_open() -> None:
    """Half of a quarter is the eighth it began with."""
    clock = VirtualClock()
    breaker = ramping(clock, Ramp(initial=0.125, duration=7.0))
    clock.advance(1.0)
    assert breaker.snapshot().share == 0.25
    while breaker.snapshot().share == 0.25 and decided(breaker) is State.CLOSED:
        try:
            fail(breaker)
        except CallNotPermitted:
            continue
    assert breaker.snapshot().share == 0.125


def test_a_round_of_probes_worth_of_calls_is_enough_for_a_relapse() -> None:
    """Not the minimum of a healthy time: that many calls would fell what has just got up."""
    breaker = half_open(VirtualClock(), ramp=RAMP, minimum_number_of_calls=8, permitted_calls_in_half_open=2)
    succeed(breaker, 2)
    failed = 0
    while decided(breaker) is State.CLOSED:
        try:
            fail(breaker)
        except CallNotPermitted:
            continue
        failed += 1
    assert failed == 2


def test_what_the_backend_itself_says_opens_at_once() -> None:
    """A wait named while ramping up is no relapse of statistics."""
    breaker = ramping(VirtualClock())
    fail(breaker, 1, Verdict.THROTTLED.after(5.0))
    assert breaker.snapshot().retry_after == 5.0


def test_after_the_ramp_the_full_minimum_counts_again() -> None:
    """Its end is a moment: from then on as many failures as before the outage are needed, and they open."""
    clock = VirtualClock()
    breaker = half_open(clock, ramp=RAMP, minimum_number_of_calls=8, permitted_calls_in_half_open=2)
    succeed(breaker, 2)
    ear = Ear()
    breaker.subscribe(ear)
    clock.advance(8.0)
    fail(breaker, 7)
    assert decided(breaker) is State.CLOSED
    fail(breaker)
    assert path(ear) == [("CLOSED", "OPEN", "failure_rate")]


def test_while_ramping_up_every_call_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """No door is open before the ramp is over; then they are."""
    clock = VirtualClock()
    breaker = ramping(clock)
    for _ in range(100):
        admitted(breaker, 1)
    taken = 0
    real = CircuitBreaker.admit

    def admit(*args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        taken += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(CircuitBreaker, "admit", admit)
    admitted(breaker, 10)
    assert taken == 10
    clock.advance(8.0)
    succeed(breaker, 20)
    assert taken == 11


def test_a_ramp_can_be_turned_off_while_it_lasts() -> None:
    """By new rules without one."""
    breaker = ramping(VirtualClock())
    breaker.reconfigure(breaker_of(ramp=None).config)
    assert breaker.snapshot().share == 1.0
    assert all(admitted(breaker, 20))


def test_the_ramp_that_has_begun_keeps_its_pace_under_new_rules() -> None:
    """Another ramp is for the next recovery."""
    clock = VirtualClock()
    breaker = ramping(clock)
    breaker.reconfigure(breaker_of(ramp=Ramp(initial=0.5, duration=1.0)).config)
    clock.advance(2.0)
    assert breaker.snapshot().share == 0.34375


def test_the_defaults_are_a_tenth_over_five_seconds() -> None:
    """As documented."""
    assert Ramp() == Ramp(initial=0.1, duration=5.0)
