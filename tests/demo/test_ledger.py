"""What the demo says it measured is what happened."""

from __future__ import annotations

import pytest

from switchgear import CallNotPermitted, Level, LevelChange, Reason, State
from switchgear._level import LevelReason
from switchgear.demo._ledger import Act, Answer
from tests.demo.support import Plant


@pytest.fixture
def plant() -> Plant:
    return Plant()


def counts(plant: Plant, service: str = "cache") -> tuple[int, int, int, int]:
    account = plant.ledger.accounts[service]
    return account.calls, account.failures, account.refused, account.trips


def test_calls_failures_refusals_and_trips_are_counted(plant: Plant) -> None:
    """A failed call is a call too; a refused one has not reached the backend and is none."""
    plant.call()
    plant.trip()
    with pytest.raises(CallNotPermitted):
        plant.call()
    assert counts(plant) == (3, 2, 1, 1)
    assert counts(plant, "db") == (0, 0, 0, 0)


def test_a_call_through_main_and_branch_counts_once(plant: Plant) -> None:
    """While the main is not closed it settles each call as well, and refuses in place of the branch."""
    plant.trip()
    plant.groups["cache"].main.trip(Reason.SERVICE_WIDE, "said of all")
    with pytest.raises(CallNotPermitted):
        plant.call()
    plant.clock.advance(1)
    plant.call()
    assert counts(plant) == (3, 2, 1, 1)


def test_an_active_check_is_no_call(plant: Plant) -> None:
    """Probes of the plugin, admitted or refused, are not what users asked for."""
    plant.call(operation="redis.probe")
    plant.trip()
    with pytest.raises(CallNotPermitted):
        plant.branch().acquire_probe("redis.probe")
    assert counts(plant) == (2, 2, 0, 1)


def test_reopening_is_no_further_trip(plant: Plant) -> None:
    """A trip is from CLOSED to OPEN; a failed round of probes only goes on with it."""
    plant.trip()
    plant.clock.advance(1)
    for _ in range(3):
        plant.call(error=OSError("still down"))
    assert plant.branch().machine_state is State.OPEN
    assert counts(plant)[3] == 1


def test_a_service_is_as_bad_as_the_worst_of_its_breakers(plant: Plant) -> None:
    """One domain that opens is the service's trip; a second that follows is news of the same."""
    plant.branch(domain="here/write")
    plant.trip()
    plant.branch(domain="here/write").trip(Reason.SERVICE_WIDE, "so is this")
    assert plant.ledger.accounts["cache"].state is State.OPEN
    assert counts(plant)[3] == 1
    assert [note.state for note in plant.told] == [State.OPEN]


def test_times_run_from_the_fault_to_open_and_from_the_repair_to_all_calls(plant: Plant) -> None:
    """Protected is OPEN, not HALF_OPEN; recovered is CLOSED with the ramp behind it."""
    ledger = plant.ledger
    act = ledger.strikes("cache", "is killed")
    plant.trip()
    assert act.time_to_protect == 0.5
    plant.clock.advance(3)
    ledger.healed(act, "is back")
    plant.pass_probes()
    assert plant.branch().state is State.CLOSED
    assert not ledger.whole("cache")
    plant.clock.advance(2)
    assert ledger.whole("cache")
    ledger.recovered(act)
    assert act.time_to_recover == 2.75
    assert ledger.act("cache") is None


def test_a_fault_that_nobody_noticed_has_no_times(plant: Plant) -> None:
    """What did not happen is None, not zero."""
    act = plant.ledger.strikes("cache", "is killed")
    plant.trip("db")
    assert (act.time_to_protect, act.time_to_recover) == (None, None)


def test_notes_have_the_time_the_service_and_the_numbers(plant: Plant) -> None:
    """Each thing that happens is told at once, with the rule that decided."""
    act = plant.ledger.strikes("cache", "is killed")
    plant.trip()
    plant.ledger.healed(act, "is back")
    assert [(note.at, note.service, note.text) for note in plant.told] == [
        (0.0, "cache", "is killed"),
        (0.5, "cache", "OPEN: 2 failures in a row (limit 2)"),
        (0.5, "cache", "is back"),
    ]
    assert plant.told == plant.ledger.notes


class TestGoodput:
    """The share of requests that were answered, of those that did not need what was broken."""

    def answer(self, plant: Plant, answer: Answer, *requires: str, took: float = 0.0) -> None:
        started = plant.clock()
        plant.clock.advance(took)
        plant.ledger.answered("order", requires, started, answer)

    def act(self, plant: Plant) -> Act:
        act = plant.ledger.strikes("cache", "is killed")
        plant.clock.advance(1)
        return act

    def test_without_requests_there_is_none(self, plant: Plant) -> None:
        """Nothing divided by nothing is not called a success."""
        assert plant.ledger.goodput() == {"before": None, "during_fault": None, "after": None}

    def test_a_request_counts_in_its_phase(self, plant: Plant) -> None:
        """Before the first fault, while a service is broken, and at all other times."""
        self.answer(plant, Answer.FULL)
        self.answer(plant, Answer.FAILED)
        act = self.act(plant)
        self.answer(plant, Answer.FULL, "db")
        plant.ledger.healed(act, "is back")
        self.answer(plant, Answer.FAILED, "db")
        self.answer(plant, Answer.FULL, "db")
        self.answer(plant, Answer.FULL)
        plant.ledger.recovered(act)
        plant.clock.advance(1)
        self.answer(plant, Answer.FAILED, "db")
        assert plant.ledger.goodput() == {"before": 0.5, "during_fault": 0.75, "after": 0.0}

    def test_a_fallback_is_an_answer(self, plant: Plant) -> None:
        """Who can do without the cache was served."""
        self.act(plant)
        self.answer(plant, Answer.FALLBACK, "db")
        assert plant.ledger.goodput()["during_fault"] == 1

    def test_a_request_that_needs_the_broken_service_has_no_part(self, plant: Plant) -> None:
        """Neither while the fault lasts nor before it is recovered from, whatever becomes of the request."""
        act = self.act(plant)
        self.answer(plant, Answer.FAILED, "cache")
        plant.ledger.healed(act, "is back")
        self.answer(plant, Answer.FULL, "cache")
        assert plant.ledger.goodput()["during_fault"] is None

    def test_a_request_that_the_fault_struck_half_way_has_no_part(self, plant: Plant) -> None:
        """It began in good times and needed what broke; it does not spoil the numbers of either phase."""
        started = plant.clock()
        plant.clock.advance(1)
        self.act(plant)
        plant.ledger.answered("order", ["cache"], started, Answer.FAILED)
        assert plant.ledger.goodput() == {"before": None, "during_fault": None, "after": None}

    def test_a_request_that_outlasts_the_fault_has_no_part(self, plant: Plant) -> None:
        """It began while the service was broken, and failed for that, though it ended later."""
        act = self.act(plant)
        started = plant.clock()
        plant.ledger.healed(act, "is back")
        plant.ledger.recovered(act)
        plant.clock.advance(1)
        plant.ledger.answered("order", ["cache"], started, Answer.FAILED)
        assert plant.ledger.goodput() == {"before": None, "during_fault": None, "after": None}


def test_levels_are_kept_by_capability_with_their_times(plant: Plant) -> None:
    """From FULL at the beginning."""
    plant.clock.advance(2)
    plant.ledger.on_level_changed(
        LevelChange(
            capability="browse",
            from_level=Level.FULL,
            to_level=Level.OFF,
            reason=LevelReason.WORSENED,
            detail="db",
            score=10.0,
            at=plant.clock(),
        )
    )
    assert plant.ledger.levels["browse"] == [(0.0, Level.FULL), (2.0, Level.OFF)]
    assert plant.told[-1].text == "is offered OFF: db"


def test_users_see_all_requests_that_failed(plant: Plant) -> None:
    """Of a kind, those that need what is broken count too; over all, they have no part in the goodput."""
    plant.ledger.strikes("db", "is killed")
    plant.ledger.answered("browse", {"db"}, plant.clock(), Answer.FAILED)
    plant.ledger.answered("browse", {"db"}, plant.clock(), Answer.FALLBACK)
    assert plant.ledger.goodput("browse")["during_fault"] == 0.5
    assert plant.ledger.goodput()["during_fault"] is None
