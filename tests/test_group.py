"""A service fails in parts: a branch for each domain, and a main that judges branches."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from switchgear import (
    Backoff,
    BreakerConfig,
    BreakerGroup,
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    Ramp,
    Reason,
    State,
    Transition,
    Verdict,
    _group,
)
from switchgear.lowlevel import Bus
from switchgear.testing import VirtualClock
from tests.support import SMALL, Ear, Said, as_said

DOWN_EVERYWHERE = Verdict.FAILURE.everywhere()


def group_of(clock: VirtualClock | None = None, bus: Bus | None = None, **rules: Any) -> BreakerGroup:
    return BreakerGroup("s", replace(SMALL, **rules), classify=as_said, clock=clock or VirtualClock(), bus=bus)


def call(group: BreakerGroup, domain: str, verdict: Verdict = Verdict.SUCCESS) -> bool:
    """Whether a call was admitted; its outcome is the verdict."""
    try:
        permit = group.acquire("op", "read", domain)
    except CallNotPermitted:
        return False
    permit.fail(Said(verdict))
    return True


def fell(group: BreakerGroup, domain: str, verdict: Verdict = Verdict.FAILURE) -> None:
    """Make a domain fail until its branch opens."""
    while group.branch(domain).machine_state is State.CLOSED:
        call(group, domain, verdict)


def main(group: BreakerGroup) -> State:
    return group.main.machine_state


# -- branches ----------------------------------------------------------------------------------------------------------


def test_a_faulty_domain_trips_its_own_branch() -> None:
    """One dead shard of ten costs the other nine nothing."""
    group = group_of()
    for shard in range(10):
        call(group, f"shard-{shard}")
    fell(group, "shard-3")
    assert not call(group, "shard-3")
    assert all(call(group, f"shard-{shard}") for shard in range(10) if shard != 3)
    assert main(group) is State.CLOSED


def test_a_refusal_names_service_and_domain() -> None:
    """So that whoever reads it knows what still works."""
    group = group_of()
    fell(group, "eu")
    with pytest.raises(CallNotPermitted, match=r"^Call not permitted: s\[eu\] is OPEN: failure rate"):
        group.acquire("op", "read", "eu")


def test_branches_are_made_on_first_use_and_by_name_the_same() -> None:
    """And they share rules, classification and clock."""
    group = group_of()
    branch = group.branch("a")
    assert group.branch("a") is branch
    call(group, "b")
    assert list(group.branches) == ["a", "b"]
    assert (branch.name, branch.domain, branch.config) == ("s", "a", group.config)
    assert branch.clock is group.main.clock
    assert branch.classify is group.main.classify is as_said


def test_the_classes_of_operations_have_lanes_of_their_own_in_a_branch() -> None:
    """What is slow for a read is not for a blocking one."""
    clock = VirtualClock()
    group = group_of(clock, slow_call_duration_threshold={"read": 1.0})
    for operation_class in ("read", "blocking"):
        with group.acquire("op", operation_class, "a") as permit:
            clock.advance(5.0)
        assert (permit.operation, permit.domain) == ("op", "a")
    assert group.branch("a").snapshot().slow_call_rate == 0.5


def test_results_are_judged_in_every_branch() -> None:
    """By the group's `classify_result`."""
    group = BreakerGroup("s", SMALL, classify_result=lambda result: Verdict.FAILURE if result else Verdict.SUCCESS)
    group.acquire("op", "read", "a").succeed(True)
    assert group.branch("a").snapshot().verdicts["FAILURE"] == 1


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_group, "MOST_DOMAINS", 4)
    return 4


def test_there_are_no_more_branches_than_the_bound(few: int) -> None:
    """However many domains are made up: the longest unused closed one makes room."""
    clock = VirtualClock()
    group = group_of(clock)
    for domain in "abcd":
        call(group, domain)
        clock.advance(1.0)
    call(group, "a")
    clock.advance(1.0)
    for number in range(100):
        call(group, str(number))
        call(group, "a")
        clock.advance(1.0)
        assert len(group.branches) == few
    assert "a" in group.branches
    assert set("bcd").isdisjoint(group.branches)
    assert len(group._ways) <= few


@pytest.mark.usefixtures("few")
def test_a_busy_branch_does_not_make_room_though_its_calls_pass_unseen() -> None:
    """Thousands of calls a second leave no trace but an open door; made-up domains are forgotten first."""
    clock = VirtualClock()
    group = group_of(clock, window=CountWindow(100))
    for _ in range(20):
        call(group, "busy")
    busy = group.branch("busy")
    for number in range(200):
        call(group, "busy")
        call(group, f"made up {number}")
        clock.advance(0.04)
    assert group.branch("busy") is busy


def test_a_branch_that_is_not_closed_never_makes_room(few: int) -> None:
    """What is known of a failing domain is not forgotten for the sake of a new one."""
    group = group_of()
    for domain in range(few - 1):
        call(group, str(domain))
    fell(group, "dead")
    for domain in range(100, 200):
        call(group, str(domain))
    assert not call(group, "dead")


@pytest.mark.usefixtures("few")
def test_where_no_branch_makes_room_the_overflow_takes_the_rest() -> None:
    """All new domains share one branch; it makes no room either, and a domain that finds one later gets its own."""
    clock = VirtualClock()
    group = group_of(clock)
    for domain in "abcd":
        group.branch(domain).disable("test")
    assert call(group, "e")
    assert call(group, "f")
    assert set(group.branches) == {*"abcd", _group.OVERFLOW}
    assert group.branch("e") is group.branch("f") is group.branches[_group.OVERFLOW]
    group.branch("a").reset()
    assert group.branch("e").domain == "e"
    assert set(group.branches) == {*"bcde", _group.OVERFLOW}


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("few", "frequent_switches")
def test_threads_may_meet_at_the_bound() -> None:
    """Every call of every thread is guarded or refused; none meets an error of ours."""
    group = group_of()
    barrier = threading.Barrier(6)

    def work(index: int) -> int:
        barrier.wait(10)
        return sum(call(group, f"{(index * 7 + turn) % 23}") for turn in range(300))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 1800
    assert len(group.branches) <= 4 + 6


# -- the main ----------------------------------------------------------------------------------------------------------


def test_the_main_opens_when_two_and_most_branches_are_open() -> None:
    """Two of three; with the numbers in its reason."""
    group = group_of()
    for domain in "abc":
        call(group, domain)
    fell(group, "a")
    assert main(group) is State.CLOSED
    fell(group, "b")
    assert main(group) is State.OPEN
    assert not call(group, "c")
    last = group.main.snapshot().last
    assert last is not None
    assert (str(last.reason), last.detail) == ("majority", "2 of 3 active domains are not closed")


def test_half_is_not_most() -> None:
    """Two of four leave the other two alone."""
    group = group_of()
    for domain in "abcd":
        call(group, domain)
    fell(group, "a")
    fell(group, "b")
    assert main(group) is State.CLOSED
    assert call(group, "c")


def test_one_branch_alone_is_never_the_service() -> None:
    """Also when it is the only one."""
    group = group_of()
    fell(group, "a")
    assert main(group) is State.CLOSED


def test_branches_out_of_use_have_no_say() -> None:
    """A closed branch that nobody has called for a minute does not outvote those in use."""
    clock = VirtualClock()
    group = group_of(clock)
    for domain in "abcdefgh":
        call(group, domain)
    clock.advance(60.0)
    fell(group, "a")
    fell(group, "b")
    assert main(group) is State.OPEN


def test_just_in_use_still_has_a_say() -> None:
    """A second less."""
    clock = VirtualClock()
    group = group_of(clock)
    for domain in "abcd":
        call(group, domain)
    clock.advance(59.0)
    fell(group, "a")
    fell(group, "b")
    assert main(group) is State.CLOSED


def test_listeners_make_no_difference_to_the_main() -> None:
    """Whether refusals are heard or not, only a branch that opens is news: time and refusals alone open nothing."""
    states = []
    for listening in (False, True):
        clock = VirtualClock()
        bus = Bus()
        if listening:
            bus.subscribe(Ear())
        group = group_of(clock, bus, wait_duration_in_open=1000.0)
        for domain in "abcde":
            call(group, domain)
        fell(group, "a")
        fell(group, "b")
        clock.advance(100.0)
        call(group, "a")
        states.append(main(group))
    assert states == [State.CLOSED, State.CLOSED]


def test_a_verdict_for_all_opens_the_main_with_its_branch() -> None:
    """Not at each single failure: when it is the one by which its branch opens."""
    group = group_of()
    call(group, "b")
    for _ in range(3):
        call(group, "a", DOWN_EVERYWHERE)
        assert main(group) is State.CLOSED
    call(group, "a", DOWN_EVERYWHERE)
    assert main(group) is State.OPEN
    last = group.main.snapshot().last
    assert last is not None
    assert (str(last.reason), last.detail) == (
        "service_wide", "failure rate 1.00 of 4 calls (limit 0.5), and that holds for all domains",
    )  # fmt: skip
    assert not call(group, "b")


@pytest.mark.parametrize("among_others", [False, True])
def test_of_several_addresses_none_speaks_for_all(among_others: bool) -> None:
    """A verdict for all is then one for its domain, whether there are two addresses or one that is of several."""
    group = group_of()
    group.reached_at("a:1", among_others=among_others)
    group.reached_at("a:1" if among_others else "b:1")
    fell(group, "a:1/read", DOWN_EVERYWHERE)
    assert main(group) is State.CLOSED
    assert not call(group, "a:1/read")
    assert call(group, "b:1/read")


def test_one_address_speaks_for_all() -> None:
    """However many clients are said to connect there."""
    group = group_of()
    group.reached_at("a:1")
    group.reached_at("a:1")
    fell(group, "a:1/read", DOWN_EVERYWHERE)
    assert main(group) is State.OPEN


@pytest.mark.parametrize(
    ("verdict", "retry_after"),
    [
        (Verdict.EXHAUSTED.everywhere(), None),
        (Verdict.EXHAUSTED.everywhere().after(30.0), 30.0),
        (Verdict.THROTTLED.everywhere().after(30.0), 30.0),
        (Verdict.THROTTLED.everywhere(), 8.0),
        (DOWN_EVERYWHERE, 8.0),
    ],
    ids=repr,
)
def test_the_main_waits_as_long_as_was_said(verdict: Verdict, retry_after: float | None) -> None:
    """Only an exhaustion without a moment is for ever; where no wait was named, the configured one is waited."""
    group = group_of()
    fell(group, "a", verdict)
    snapshot = group.main.snapshot()
    assert (snapshot.state, snapshot.retry_after) == (State.OPEN, retry_after)


def test_the_main_waits_no_longer_than_the_branch_that_opened_it() -> None:
    """Both draw by chance; the service is back after one draw, not after the longer of two."""
    clock = VirtualClock()
    group = group_of(clock, wait_duration_in_open=Backoff(initial=8.0, jitter=1.0))
    for _ in range(4):
        while main(group) is not State.OPEN:
            call(group, "a", DOWN_EVERYWHERE)
        main_wait, wait = group.main.snapshot().retry_after, group.branch("a").snapshot().retry_after
        assert main_wait == wait
        assert wait is not None
        clock.advance(wait)
        group.tick()


def test_a_closed_main_watches_no_calls() -> None:
    """The branches do."""
    group = group_of()
    for _ in range(10):
        call(group, "a")
    assert sum(group.main.snapshot().verdicts.values()) == 0


def test_an_open_main_keeps_calls_from_its_branches() -> None:
    """They learn nothing and refuse nothing."""
    group = group_of()
    call(group, "c")
    group.main.force_open("test")
    assert not call(group, "c")
    assert group.branch("c").snapshot().refused == {}


def test_a_probing_main_shares_the_verdicts_of_its_branches() -> None:
    """A call through both is a probe of the main: enough of them close it, and its failures open it again."""
    clock = VirtualClock()
    group = group_of(clock)
    group.main.trip(Reason.MAJORITY, "test")
    clock.advance(8.0)
    assert [call(group, "c") for _ in range(2)] == [True, True]
    assert group.main.snapshot().probes == (2, 0)
    assert call(group, "d")
    assert main(group) is State.CLOSED
    group.main.trip(Reason.MAJORITY, "test")
    clock.advance(8.0)
    call(group, "c", Verdict.FAILURE)
    call(group, "d", Verdict.FAILURE)
    assert main(group) is State.OPEN


def test_a_refusal_of_the_branch_gives_the_mains_probe_back() -> None:
    """Nothing was tried."""
    clock = VirtualClock()
    group = group_of(clock, permitted_calls_in_half_open=1)
    fell(group, "a")
    group.branch("a").force_open("test")
    group.main.trip(Reason.MAJORITY, "test", wait=1.0)
    clock.advance(1.0)
    for _ in range(5):
        assert not call(group, "a")
    assert group.main.snapshot().probes == (0, 0)
    assert call(group, "b")
    assert main(group) is State.CLOSED


def test_a_branch_that_begins_to_probe_does_not_open_the_main_again() -> None:
    """It is on its way back."""
    clock = VirtualClock()
    group = group_of(clock)
    for domain in "abc":
        fell(group, domain) if main(group) is State.CLOSED else None
    assert main(group) is State.OPEN
    clock.advance(8.0)
    assert call(group, "a")
    assert (main(group), group.branch("a").machine_state) == (State.HALF_OPEN, State.HALF_OPEN)
    assert call(group, "b")
    assert main(group) is State.HALF_OPEN
    assert call(group, "a")
    assert main(group) is State.CLOSED


@pytest.mark.parametrize("seed", range(8))
def test_after_any_outage_the_whole_service_comes_back(seed: int) -> None:
    """Random outages of random length over random domains; then it is well, and within minutes all is CLOSED."""
    chance = random.Random(seed)
    clock = VirtualClock()
    rules = BreakerConfig(
        minimum_number_of_calls=5, window=CountWindow(20), wait_duration_in_open=Backoff(), ramp=Ramp(),
    )  # fmt: skip
    group = BreakerGroup("s", rules, classify=as_said, clock=clock)
    domains = [f"d{number}" for number in range(chance.randint(1, 8))]
    for _ in range(chance.randint(1, 4)):
        dead = [domain for domain in domains if chance.random() < 0.7]
        everywhere = chance.random() < 0.3
        for _ in range(chance.randint(10, 1000)):
            domain = chance.choice(domains)
            bad = DOWN_EVERYWHERE if everywhere else Verdict.FAILURE
            call(group, domain, bad if domain in dead else Verdict.SUCCESS)
            clock.advance(chance.uniform(0.0, 1.0))
    healed = clock()
    while not all(state is State.CLOSED for state in states(group)):
        call(group, chance.choice(domains))
        clock.advance(0.1)
        assert clock() - healed < 600.0
    clock.advance(20.0)
    assert all(call(group, domain) for domain in domains)


def states(group: BreakerGroup) -> list[State]:
    return [snapshot.state for snapshot in group.snapshots()]


# -- seeing and steering -----------------------------------------------------------------------------------------------


def test_snapshots_are_the_main_first_and_then_the_branches() -> None:
    """Each with its domain."""
    group = group_of()
    call(group, "a")
    call(group, "b")
    assert [snapshot.domain for snapshot in group.snapshots()] == ["", "a", "b"]
    assert group.state is State.CLOSED


def test_closed_is_told_without_a_look_at_the_clock() -> None:
    """For a client that asks whether to retry: of main and branch; unknown domains are closed."""
    group = group_of()
    assert group.closed("never seen")
    assert "never seen" not in group.branches
    fell(group, "a")
    assert not group.closed("a")
    assert group.closed("b")
    group.main.force_open("test")
    assert not group.closed("b")
    group.disable("test")
    assert group.closed("a")


def test_explain_is_of_whatever_is_worst_off() -> None:
    """The main; while that is closed, a branch that is not, or has bad calls in its window; or the domain that was
    asked for. The main has none to tell of: it watches none while it is closed."""
    group = group_of()
    call(group, "b")
    assert group.explain().domain == ""
    call(group, "c", Verdict.FAILURE)
    assert str(group.explain()).endswith("in its window: 1.00 failed and 0.00 slow of 1.")
    assert group.explain().domain == "c"
    fell(group, "a")
    assert str(group.explain()).startswith("s[a] is OPEN")
    assert str(group.explain("b")).startswith("s[b] is CLOSED")
    group.force_open("maintenance")
    assert str(group.explain()).startswith("s is FORCED_OPEN for 0.0 s: maintenance.")


def test_forcing_open_refuses_everything_for_so_long() -> None:
    """By the main alone."""
    clock = VirtualClock()
    group = group_of(clock)
    group.force_open("maintenance", for_=60.0)
    assert not call(group, "a")
    clock.advance(60.0)
    assert call(group, "a")
    assert group.state is State.HALF_OPEN


@pytest.mark.parametrize("operation", ["disable", "metrics_only"])
def test_an_order_holds_for_all_branches_and_those_to_come(operation: str) -> None:
    """Until the reset, which holds for all too."""
    group = group_of()
    fell(group, "a")
    getattr(group, operation)("trial")
    for _ in range(10):
        assert call(group, "a", Verdict.FAILURE)
        assert call(group, "new", Verdict.FAILURE)
    assert {str(state).lower().removesuffix("d") for state in states(group)} == {operation}
    last = group.branch("new").snapshot().last
    assert last is not None
    assert last.detail == "trial"
    group.reset("done")
    call(group, "newer")
    assert set(states(group)) == {State.CLOSED}
    assert group.branch("newer").snapshot().last is None
    assert not group.branch("a").snapshot().calls


def test_other_rules_reach_every_branch_and_those_to_come() -> None:
    """States and windows are kept; the main still has no ramp."""
    group = group_of()
    fell(group, "a")
    rules = replace(SMALL, consecutive_failures=1, ramp=Ramp())
    group.reconfigure(rules)
    assert group.config == rules
    assert group.main.config == replace(rules, ramp=None)
    assert group.branch("a").machine_state is State.OPEN
    assert group.branch("a").config == group.branch("new").config == rules


def test_observers_hear_of_all_branches() -> None:
    """Through the bus that they share; who comes later is heard as well."""
    bus = Bus()
    group = group_of(bus=bus)
    for _ in range(8):
        call(group, "a")
    ear = Ear()
    leave = bus.subscribe(ear)
    group.listeners_changed()
    call(group, "a")
    call(group, "b")
    group.main.reset()
    assert [event.domain for event in ear.heard] == ["a", "b", ""]
    leave()
    group.listeners_changed()
    call(group, "a")
    assert len(ear.heard) == 3


def test_a_branch_tells_its_group_what_it_is_told_to_tell() -> None:
    """An observer of the branch that raises does not keep the main from opening."""
    bus = Bus()

    class Broken:
        def on_transition(self, _event: Transition) -> None:
            raise RuntimeError("observer")

    bus.subscribe(Broken())
    group = group_of(bus=bus)
    fell(group, "a")
    fell(group, "b")
    assert main(group) is State.OPEN
    assert isinstance(group.main, CircuitBreaker)
