"""What happened, with dates."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from switchgear import Switchgear
from switchgear._degradation import SelfSuspicion
from switchgear._level import Level, LevelChange, LevelReason
from switchgear._timeline import Timeline
from tests.backends import Client, backend_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Told:
    """Counts what is added."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def timeline_of(added: Told | None = None) -> Timeline:
    return Timeline(added or Told(), clock=lambda: NOON)


def test_a_transition_of_a_breaker_is_an_entry() -> None:
    """With the numbers that decided, and whoever waits is told."""
    added = Told()
    timeline = timeline_of(added)
    gear = Switchgear()
    gear.guard(Client(), backend_of(), name="db")
    gear.subscribe(timeline)
    gear.breaker("db").force_open("failover", for_=60)
    [entry] = timeline.since(0)
    assert msgspec.to_builtins(entry) == {
        "at": "2026-01-01T12:00:00Z",
        "seq": 1,
        "kind": "transition",
        "name": "db",
        "domain": "",
        "from": "CLOSED",
        "to": "FORCED_OPEN",
        "reason": "operator",
        "detail": "failover",
    }
    assert added.times == 1


def test_a_level_is_an_entry() -> None:
    """With the score and its path."""
    timeline = timeline_of()
    timeline.on_level_changed(
        LevelChange(
            capability="checkout", from_level=Level.FULL, to_level=Level.OFF, reason=LevelReason.WORSENED,
            detail="score 10.0, checkout <- db", score=10.0, at=1.0,
        )
    )  # fmt: skip
    [entry] = timeline.since(0)
    assert (entry.kind, entry.name, entry.from_, entry.to) == ("level", "checkout", "FULL", "OFF")
    assert (entry.reason, entry.detail) == ("worsened", "score 10.0, checkout <- db")


def test_a_suspicion_of_ourselves_is_an_entry_and_so_is_its_end() -> None:
    """With what failed at once, and how late the event loop was."""
    timeline = timeline_of()
    timeline.on_self_suspected(SelfSuspicion(services=("a", "b", "c"), lag=2.5, at=1.0))
    timeline.on_self_suspected(SelfSuspicion(services=(), lag=0.0, at=2.0))
    began, ended = timeline.since(0)
    assert (began.kind, began.to, began.reason) == ("suspicion", "SELF_SUSPECT", "suspected")
    assert "a, b, c" in began.detail
    assert "2.50 s late" in began.detail
    assert (ended.from_, ended.to, ended.reason) == ("SELF_SUSPECT", "", "cleared")


def test_the_last_entries_are_kept_and_numbered() -> None:
    """Memory is bounded, and whoever was away reads on from the number that he knows."""
    timeline = timeline_of()
    for number in range(1, 1201):
        timeline.add("operator", f"entry {number}")
    assert [entry.seq for entry in timeline.since(0)] == list(range(701, 1201))
    assert [entry.name for entry in timeline.since(1198)] == ["entry 1199", "entry 1200"]
    assert timeline.since(1200) == []
    assert timeline.seq == 1200
