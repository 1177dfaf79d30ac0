"""The machine as whoever drives it sees it: what it returns, and which doors it opens."""

from __future__ import annotations

from dataclasses import replace

from switchgear import State, Verdict
from switchgear._lane import NO_SLOT, SHUT, Slot
from switchgear.lowlevel import BreakerMachine
from tests.support import SMALL


def machine_of(now: float = 0.0) -> BreakerMachine:
    return BreakerMachine("b", SMALL, now, lambda: 0.0)


def settle(machine: BreakerMachine, now: float, verdict: Verdict = Verdict.SUCCESS, times: int = 1) -> None:
    lane = machine.lane("")
    for _ in range(times):
        ticket = machine.admit(lane, now)
        assert ticket is not None
        machine.settle(ticket, lane, verdict, 0.0, now)


def test_a_new_machine() -> None:
    """Its time is the one it was given, and nobody watches."""
    machine = machine_of(7.0)
    assert (machine.name, machine.domain, machine.state) == ("b", "", State.CLOSED)
    assert (machine.used, machine.since, machine.generation) == (7.0, 7.0, 0)
    assert machine.watched is False
    assert machine.events is None


def test_settling_says_whether_it_was_in_time() -> None:
    """True for a result of this era; False for one of an earlier one, and for a probe that was lost."""
    machine = machine_of()
    lane = machine.lane("")
    first, second = machine.admit(lane, 0.0), machine.admit(lane, 0.0)
    assert first is not None
    assert second is not None
    assert machine.settle(first, lane, Verdict.SUCCESS, 0.0, 0.0) is True
    machine.operate("force_open", "test", 0.0, seconds=1.0)
    assert machine.settle(second, lane, Verdict.SUCCESS, 0.0, 0.0) is False
    lost = machine.admit(lane, 1.0)
    assert lost is not None
    later = 1.0 + SMALL.probe_timeout
    assert machine.settle(lost, lane, Verdict.SUCCESS, later - 1.0, later) is False
    assert machine.late == 2


def test_evidence_says_whether_it_was_in_time() -> None:
    """Likewise: a group is told of nothing that came late."""
    machine = machine_of()
    ticket = machine.admit(machine.lane(""), 0.0)
    assert isinstance(ticket, Slot)
    assert machine.evidence(ticket, Verdict.FAILURE, 0.0) is True
    machine.operate("reset", "test", 0.0)
    assert machine.evidence(ticket, Verdict.FAILURE, 0.0) is False


def test_who_does_not_say_that_it_is_a_check_is_none() -> None:
    """Where only the active check probes, a plain call is refused."""
    machine = BreakerMachine("b", replace(SMALL, probe_with="health"), 0.0, lambda: 0.0)
    machine.operate("force_open", "test", 0.0, seconds=1.0)
    assert machine.admit(machine.lane(""), 1.0) is None
    assert machine.admit(machine.lane(""), 1.0, active=True) is not None


def test_doors_open_when_plain_successes_can_change_nothing() -> None:
    """From the minimum of calls on, unless somebody watches; and they shut with the era."""
    machine = machine_of()
    lane = machine.lane("")
    settle(machine, 0.0, times=SMALL.minimum_number_of_calls - 1)
    assert lane.slot.until == SHUT
    settle(machine, 0.0)
    assert lane.slot.until == lane.slot.turn == 10.0
    machine.watch(True)
    assert lane.slot.until == SHUT
    machine.watch(False)
    assert lane.slot.until == 10.0
    machine.operate("reset", "test", 1.0)
    assert lane.slot.until == SHUT


def test_doors_stay_shut_while_a_rule_is_broken_that_time_alone_does_not_act_on() -> None:
    """A success may be the result that opens it: it has to be looked at."""
    machine = machine_of()
    settle(machine, 0.0, times=8)
    settle(machine, 0.0, Verdict.FAILURE, times=3)
    machine.reconfigure(replace(SMALL, failure_rate_threshold=0.25), 0.0)
    assert machine.lanes[0].slot.until == SHUT
    settle(machine, 0.0)
    assert machine.state is State.OPEN


def test_all_doors_shut_with_the_first_slot() -> None:
    """So that calls of any lane notice what hangs in another."""
    machine = BreakerMachine("b", replace(SMALL, slow_call_duration_threshold={"quick": 8.0}), 0.0, lambda: 0.0)
    settle(machine, 0.0, times=8)
    quick = machine.lane("quick")
    assert machine.admit(quick, 5.0) is not None
    assert [lane.slot.until for lane in machine.lanes] == [6.0, 6.0]


def test_a_lane_of_which_nobody_called_gets_no_slot() -> None:
    """However much happens in another."""
    machine = machine_of()
    idle = machine.lane("idle")
    for now in range(0, 100, 5):
        settle(machine, float(now))
        settle(machine, float(now), Verdict.THROTTLED)
    assert idle.slot is NO_SLOT


def test_the_first_call_of_a_class_comes_while_others_hang() -> None:
    """Its slot and its door are made with calls overdue in another lane."""
    machine = BreakerMachine(
        "b", replace(SMALL, slow_call_duration_threshold={"": 1.0}, minimum_number_of_calls=2), 0.0, lambda: 0.0
    )
    settle(machine, 0.0, times=8)
    assert machine.admit(machine.lane(""), 0.0) is not None
    machine.tick(2.0)
    assert machine.admit(machine.lane("other"), 2.0) is not None
    assert machine.snapshot(2.0).overdue == 1
