"""The table of transitions: every one in it happens, nothing else can, and the docs show it as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from docs import generate
from switchgear import BreakerConfig, CountWindow, Ramp, Reason, State, Verdict
from switchgear.lowlevel import OPERATIONS, TRANSITIONS, BreakerMachine

CONFIG = BreakerConfig(
    minimum_number_of_calls=2,
    window=CountWindow(2),
    slow_call_duration_threshold=1.0,
    wait_duration_in_open=4.0,
    permitted_calls_in_half_open=2,
    max_wait_in_half_open=8.0,
    probe_timeout=32.0,
    ramp=Ramp(initial=0.5, duration=2.0),
)


class Driven:
    """A machine with hands on it: each method is one thing that happens."""

    def __init__(self, begin: str = "closed") -> None:
        self.now = 0.0
        self.machine = BreakerMachine("b", CONFIG, self.now, lambda: 0.0)
        self.lane = self.machine.lane("")
        if begin in {"forced_open", "disabled"}:
            operation = "disable" if begin == "disabled" else "force_open"
            self.machine.operate(operation, "test", self.now, seconds=4.0)
        elif begin != "closed":
            self.call(Verdict.EXHAUSTED.after(4.0))
        if begin in {"half_open", "ramping"}:
            self.wait(4.0)
        if begin == "ramping":
            self.call(times=2)

    def call(self, verdict: Verdict = Verdict.SUCCESS, seconds: float = 0.0, times: int = 1) -> None:
        for _ in range(times):
            ticket = self.machine.admit(self.lane, self.now)
            assert ticket is not None
            self.now += seconds
            self.machine.settle(ticket, self.lane, verdict, seconds, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.machine.tick(self.now)

    def stall(self) -> None:
        assert self.machine.admit(self.lane, self.now) is not None
        self.wait(8.0)

    def fail_in_a_row(self) -> None:
        self.machine.reconfigure(replace(CONFIG, consecutive_failures=1), self.now)
        self.call(Verdict.FAILURE)

    def hear(self, reason: Reason) -> None:
        self.machine.trip(reason, "from outside", self.now)


#: How each transition comes about: where it begins, and what happens then.
HAPPENS: dict[tuple[State, Reason], tuple[str, Callable[[Driven], None]]] = {
    (State.CLOSED, Reason.FAILURE_RATE): ("closed", lambda m: m.call(Verdict.FAILURE, times=2)),
    (State.CLOSED, Reason.SLOW_CALL_RATE): ("closed", lambda m: m.call(seconds=1.0, times=2)),
    (State.CLOSED, Reason.CONSECUTIVE_FAILURES): ("closed", Driven.fail_in_a_row),
    (State.CLOSED, Reason.THROTTLED): ("closed", lambda m: m.call(Verdict.THROTTLED.after(1.0))),
    (State.CLOSED, Reason.EXHAUSTED): ("closed", lambda m: m.call(Verdict.EXHAUSTED)),
    (State.CLOSED, Reason.RELAPSE): ("ramping", lambda m: m.call(Verdict.FAILURE, times=2)),
    (State.CLOSED, Reason.MAJORITY): ("closed", lambda m: m.hear(Reason.MAJORITY)),
    (State.CLOSED, Reason.SERVICE_WIDE): ("closed", lambda m: m.hear(Reason.SERVICE_WIDE)),
    (State.OPEN, Reason.WAIT_ELAPSED): ("open", lambda m: m.wait(4.0)),
    (State.HALF_OPEN, Reason.PROBES_PASSED): ("half_open", lambda m: m.call(times=2)),
    (State.HALF_OPEN, Reason.PROBES_FAILED): ("half_open", lambda m: m.call(Verdict.FAILURE)),
    (State.HALF_OPEN, Reason.PROBES_OVERDUE): ("half_open", Driven.stall),
    (State.HALF_OPEN, Reason.THROTTLED): ("half_open", lambda m: m.call(Verdict.THROTTLED.after(1.0))),
    (State.HALF_OPEN, Reason.EXHAUSTED): ("half_open", lambda m: m.call(Verdict.EXHAUSTED)),
    (State.HALF_OPEN, Reason.MAJORITY): ("half_open", lambda m: m.hear(Reason.MAJORITY)),
    (State.HALF_OPEN, Reason.SERVICE_WIDE): ("half_open", lambda m: m.hear(Reason.SERVICE_WIDE)),
    (State.FORCED_OPEN, Reason.WAIT_ELAPSED): ("forced_open", lambda m: m.wait(4.0)),
    (State.DISABLED, Reason.WAIT_ELAPSED): ("disabled", lambda m: m.wait(4.0)),
}
EDGES = [(state, reason) for state, reasons in TRANSITIONS.items() for reason in reasons]


def test_there_is_a_way_to_every_transition() -> None:
    """The next test leaves none out, and the table has nothing that no test brings about."""
    assert set(HAPPENS) == set(EDGES)


@pytest.mark.parametrize(("state", "reason"), EDGES, ids=str)
def test_it_happens(state: State, reason: Reason) -> None:
    """Out of its state, for its reason, into the state of the table; told once."""
    begin, happen = HAPPENS[state, reason]
    driven = Driven(begin)
    machine = driven.machine
    assert machine.state is state
    machine.events = None
    generation = machine.generation
    happen(driven)
    assert machine.events == [machine.last]
    assert machine.last is not None
    assert (machine.last.from_state, machine.last.reason) == (state, reason)
    assert machine.last.to_state is machine.state is TRANSITIONS[state][reason]
    assert machine.generation == machine.last.generation == generation + 1
    assert machine.since == machine.last.at == driven.now


@pytest.mark.parametrize(("state", "reason"), [edge for edge in product(State, Reason) if edge not in EDGES], ids=str)
def test_nothing_else_can_happen(state: State, reason: Reason) -> None:
    """What the table lacks is a KeyError, and the machine is as it was."""
    machine = BreakerMachine("b", CONFIG, 0.0, lambda: 0.0)
    machine.state = state
    before = {slot: getattr(machine, slot) for slot in machine.__slots__}
    with pytest.raises(KeyError):
        machine._move(reason, "never", 1.0)
    assert {slot: getattr(machine, slot) for slot in machine.__slots__} == before


@pytest.mark.parametrize("reason", [Reason.MAJORITY, Reason.SERVICE_WIDE], ids=str)
@pytest.mark.parametrize("operation", ["force_open", "disable"])
def test_news_that_fit_no_transition_are_no_error(operation: str, reason: Reason) -> None:
    """A group may tell a breaker that does not admit by rules any more: it stays as it is."""
    driven = Driven()
    driven.machine.operate(operation, "test", driven.now)
    driven.machine.events = None
    driven.hear(reason)
    assert driven.machine.events is None
    assert driven.machine._attempt == 0.0


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("begin", ["closed", "open", "half_open", "ramping", "forced_open"])
@pytest.mark.parametrize("first", [None, "disable", "metrics_only"])
def test_an_operator_may_do_everything_everywhere(operation: str, begin: str, first: str | None) -> None:
    """Each operation, from every state, leads where it says, and says who did it and why."""
    driven = Driven(begin)
    if first:
        driven.machine.operate(first, "first", driven.now)
    came_from = driven.machine.state
    driven.machine.operate(operation, "by hand", driven.now)
    last = driven.machine.last
    assert last is not None
    assert (last.from_state, last.to_state) == (came_from, OPERATIONS[operation])
    assert (last.reason, last.detail, last.at) == (Reason.OPERATOR, "by hand", driven.now)


def test_an_unknown_operation_is_a_key_error() -> None:
    """And the machine is as it was."""
    machine = BreakerMachine("b", CONFIG, 0.0, lambda: 0.0)
    with pytest.raises(KeyError):
        machine.operate("explode", "test", 0.0)
    assert (machine.state, machine.generation, machine.last) == (State.CLOSED, 0, None)


def test_every_state_has_a_line_in_the_table() -> None:
    """Also those that only an operator leaves."""
    assert set(TRANSITIONS) == set(State)
    assert {reason for reasons in TRANSITIONS.values() for reason in reasons} == set(Reason) - {Reason.OPERATOR}


def test_the_docs_show_the_table_as_it_is() -> None:
    """docs/state-machine.md has not drifted: `python3 dev.py docs` writes it."""
    assert generate.main(["--check"]) == 0


def test_drift_is_noticed_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check names the page and the command, and changes nothing; without it the page is written."""
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "state-machine.md. Run: python3 dev.py docs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
