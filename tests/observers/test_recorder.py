"""What an exporter reads off a gear: true counts, whatever vanishes, and never a call to a backend."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import pytest

from switchgear import Adaptive, Criticality, Fallback, Hedge, Level, Retry, State, Switchgear, Verdict
from switchgear._gear_config import GearConfig
from switchgear._group import MOST_DOMAINS
from switchgear._plugins import PluginInfo, PluginState
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.chaos import Chaos
from switchgear.observers._family import OVERFLOW, Distributions, Labels
from switchgear.observers._recorder import Recorder
from switchgear.spi import Operation
from tests.backends import until
from tests.observers.boards import Board
from tests.support import Said

if TYPE_CHECKING:
    from collections.abc import Mapping


def read(recorder: Recorder, name: str) -> Mapping[Labels, float]:
    """The series of one family; of a histogram, how many were counted."""
    [family] = [family for family in recorder.read() if family.metric.name == name]
    if isinstance(family, Distributions):
        return {labels: sum(values.counts) for labels, values in family.series.items()}
    return family.series


def is_in(recorder: Recorder) -> Mapping[Labels, str]:
    """(service, domain) -> the one state that is 1."""
    states = read(recorder, "breaker_state")
    return {labels[:2]: labels[2] for labels, value in states.items() if value}


def test_calls_are_counted_by_domain_and_verdict() -> None:
    """Also those from before the recorder came; successes and failures from zero."""
    board = Board("it")
    board.call(domain="a")
    recorder = Recorder(board.gear, durations=False)
    board.call(domain="a")
    board.call(domain="b", verdict=Verdict.THROTTLED)
    assert read(recorder, "breaker_calls") == {
        ("it", "a", "success"): 2, ("it", "a", "failure"): 0,
        ("it", "b", "success"): 0, ("it", "b", "failure"): 0, ("it", "b", "throttled"): 1,
    }  # fmt: skip


def test_what_is_shed_is_counted_by_service_and_without_one() -> None:
    """Calls of a service that is full, and requests that were not begun."""
    board = Board("it")
    board.service().shed.tick(Criticality.BULK)
    board.gear.shed.tick(Criticality.DEGRADED)
    assert {labels for labels, value in read(Recorder(board.gear, durations=False), "shed_calls").items() if value} == {
        ("it", "bulk"), ("", "degraded"),
    }  # fmt: skip


def test_reading_again_counts_nothing_twice() -> None:
    """Only what has happened in between is added."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=True)
    for calls in (1, 1, 2):
        board.call()
        assert [read(recorder, "breaker_calls")["it", "", "success"] for _ in range(2)][1] >= calls
    assert read(recorder, "breaker_calls")["it", "", "success"] == 3
    assert read(recorder, "breaker_call_duration") == {("it", "toy.get", "success"): 3}


def test_counters_never_fall() -> None:
    """A domain that has lost its place to busier ones, and comes back, begins at nought; its counter goes on."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=False)
    for _ in range(3):
        board.call(domain="first")
    totals = []
    for number in range(MOST_DOMAINS):
        board.call(domain=f"d{number}")
        if number % 32 == 0:
            totals.append(sum(read(recorder, "breaker_calls").values()))
    assert "first" not in board.service().group.branches
    board.call(domain="first")
    calls = read(recorder, "breaker_calls")
    assert calls["it", "first", "success"] == 4
    assert totals == list(range(4, MOST_DOMAINS + 4, 32))
    assert sum(calls.values()) == MOST_DOMAINS + 4


def test_a_full_family_says_so() -> None:
    """By its exported name; the sum by service and verdict stays true."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=False)
    for number in range(150):
        board.call(domain=f"d{number}")
    calls = read(recorder, "breaker_calls")
    assert calls["it", OVERFLOW, "success"] == 50
    assert sum(value for labels, value in calls.items() if labels[2] == "success") == 150
    overflow = read(recorder, "telemetry_overflow")
    assert {labels[0] for labels, value in overflow.items() if value} == {
        "switchgear_breaker_calls_total",
        "switchgear_breaker_state",
    }


def test_refusals_are_counted_by_what_refused_them() -> None:
    """The main breaker's and the branches' alike."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=False)
    board.fell(domain="a")
    board.refused(domain="a")
    board.refused(domain="a")
    board.service().group.force_open("a test")
    board.refused(domain="b")
    assert {labels: value for labels, value in read(recorder, "breaker_not_permitted").items() if value} == {
        ("it", "a", "open"): 2,
        ("it", "", "forced_open"): 1,
    }


def test_each_breaker_is_in_one_state() -> None:
    """One of six is 1; the one without a domain is the main breaker's, and while that is closed, the branch's."""
    board = Board("it", "other")
    recorder = Recorder(board.gear, durations=False)
    board.call("it", "a")
    board.call("other")
    board.fell("it", "a")
    board.fell("other")
    assert is_in(recorder) == {("it", ""): "closed", ("it", "a"): "open", ("other", ""): "open"}
    assert len(read(recorder, "breaker_state")) == 3 * len(State)
    board.service("other").group.force_open("a test")
    assert is_in(recorder)["other", ""] == "forced_open"


def test_transitions_are_counted_with_their_reasons() -> None:
    """As they happen: a state that was left again is not lost between two readings."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=False)
    for _ in range(2):
        board.fell(domain="a")
        board.clock.advance(60.0)
        for _ in range(4):
            board.call(domain="a")
    assert read(recorder, "breaker_transitions") == {
        ("it", "a", "closed", "open", "failure_rate"): 2,
        ("it", "a", "open", "half_open", "wait_elapsed"): 2,
        ("it", "a", "half_open", "closed", "probes_passed"): 2,
    }


def test_what_would_have_opened_is_counted() -> None:
    """In METRICS_ONLY."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=False)
    board.service().group.metrics_only("a test")
    for _ in range(4):
        board.call(domain="a", verdict=Verdict.FAILURE)
    # The main breaker judges calls too while it is not closed.
    assert read(recorder, "breaker_suppressed_trips") == {("it", "a", "failure_rate"): 1, ("it", "", "failure_rate"): 1}


def test_health_and_levels() -> None:
    """Services, capabilities and the application in one family; what another one is to blame for is marked."""
    board = Board("db", "search")
    board.gear.degradation.declare({"search": ("db",)}, {})
    board.gear.capability("shop", requires=["db"])
    recorder = Recorder(board.gear, durations=False)
    board.fell("db")
    board.clock.advance(1.0)
    scores = read(recorder, "health_score")
    assert scores == {("", ""): 0.1, ("db", ""): 0.1, ("search", ""): 0.1, ("", "shop"): 0.1}
    assert set(read(recorder, "health_confidence")) == set(scores)
    assert read(recorder, "degradation_level") == {("shop",): Level.OFF}
    assert read(recorder, "degradation_level_changes") == {("shop", "full", "off", "worsened"): 1}
    assert read(recorder, "degradation_inhibited") == {("db",): 0, ("search",): 1}


def test_what_a_plugin_counts() -> None:
    """With the service as the first label, and its own labels in their order."""
    board = Board("it", "other")
    recorder = Recorder(board.gear, durations=False)
    board.service().count("hits", 2, kind="warm")
    board.service("other").count("hits", kind="cold")
    board.service().observe("wait", 0.25)
    assert read(recorder, "toy_hits") == {("it", "warm"): 2, ("other", "cold"): 1}
    assert read(recorder, "toy_wait") == {("it",): 1}


def test_what_a_plugin_does_not_declare_is_not_counted() -> None:
    """A wrong name would otherwise go unnoticed."""
    with pytest.raises(KeyError, match="declares no metric 'waits'"):
        Board("it").service().observe("waits", 1.0)


def test_gauges_of_several_clients_are_merged() -> None:
    """Each as its metric says, and without those that cannot be read."""
    board = Board("it")
    [first] = board.clients
    second = board.gear.guard(type(first)(), board.backend, name="it")
    shown = {first: {"pool_in_use": 3, "remaining": 7, "undeclared": 1}, second: {"pool_in_use": 2, "remaining": 5}}
    board.gauges = lambda client: shown[client]
    recorder = Recorder(board.gear, durations=False)
    assert (read(recorder, "toy_pool_in_use"), read(recorder, "toy_remaining")) == ({("it",): 5}, {("it",): 5})


def test_gauges_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """All else is read, and the log says what went wrong, without the secrets in it."""

    def unreadable(_client: object) -> dict[str, float]:
        raise OSError("password=hunter2")

    board = Board("it")
    board.gauges = unreadable
    board.call()
    recorder = Recorder(board.gear, durations=False)
    with caplog.at_level(logging.WARNING, "switchgear"):
        assert read(recorder, "breaker_calls")["it", "", "success"] == 1
    assert caplog.messages == ["The gauges of <Service it (toy)> cannot be read: OSError: password=***"]


def test_who_has_closed_hears_no_more() -> None:
    """Nor are calls timed any more."""
    board = Board("it")
    recorder = Recorder(board.gear, durations=True)
    recorder.close()
    board.fell()
    assert not read(recorder, "breaker_transitions")
    assert not read(recorder, "breaker_call_duration")
    assert [observer for observer in board.gear.observers if isinstance(observer, Recorder)] == []


@pytest.mark.anyio
async def test_what_strategies_have_counted() -> None:
    """Retries and what their budget did not pay for, places taken, refusals by the limit, answers by their source."""
    strategies = (Fallback(value="instead"), Retry(attempts=2, roll=lambda: 0.0), Bulkhead(1))
    board = Board("it", pipeline=strategies)
    recorder = Recorder(board.gear, durations=False)
    service, operation = board.service(), Operation(name="toy.get", idempotent=True)

    async def down() -> str:
        raise Said(Verdict.FAILURE)

    for _ in range(5):
        assert await service.run(operation, "", down) == "instead"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run, operation, "", anyio.sleep_forever)
        await until(lambda: read(recorder, "bulkhead_in_flight") == {("it", "bulkhead"): 1})
        assert await service.run(operation, "", down) == "instead"
        tasks.cancel_scope.cancel()
    assert read(recorder, "bulkhead_in_flight") == {("it", "bulkhead"): 0}
    assert read(recorder, "limit_refused") == {("it", "bulkhead"): 1}
    assert read(recorder, "fallback_calls") == {("it", "value"): 6, ("it", "stale"): 0, ("it", "function"): 0}
    retried, denied = read(recorder, "retry_attempts")["it",], read(recorder, "retry_denied")["it",]
    assert (retried + denied, denied > 0) == (5, True)
    assert 0 < read(recorder, "retry_budget")["it",] < 1


def test_two_strategies_of_a_kind_are_told_apart() -> None:
    """A bulkhead inside an adaptive limit, each has a series of its own; no series is there twice."""
    pipeline = (Retry(), Hedge(delay=1.0), Adaptive(maximum=20), Bulkhead(3))
    recorder = Recorder(Board("it", pipeline=pipeline).gear, durations=False)
    assert read(recorder, "bulkhead_in_flight").keys() == {("it", "adaptive"), ("it", "bulkhead")}
    assert read(recorder, "bulkhead_limit")["it", "bulkhead"] == 3
    assert read(recorder, "retry_budget").keys() == {("it",)}  # a hedge is paid from the budget of the retries


@pytest.mark.anyio
async def test_what_chaos_did_and_what_a_bulkhead_allows() -> None:
    """Injections by their kind; the limit, which may move."""
    chaos, bulkhead = Chaos(), Bulkhead(3)
    board = Board("it", pipeline=(bulkhead, chaos))
    recorder = Recorder(board.gear, durations=False)
    chaos.switch_on(Chaos.Outcome("instead"), rate=1, for_=60, reason="a drill")
    for _ in range(2):
        await board.service().run(Operation(name="toy.get"), "", anyio.sleep_forever)
    bulkhead.resize(5)
    assert read(recorder, "chaos_injections") == {("it", "outcome"): 2}
    assert read(recorder, "bulkhead_limit") == {("it", "bulkhead"): 5}


def test_plugins_that_the_configuration_names() -> None:
    """One state of five is 1."""
    info = PluginInfo(name="toy", dist="toys", version="1", state=PluginState.ACTIVE)
    gear = Switchgear(GearConfig(plugins=(info,)))
    recorder = Recorder(gear, durations=False)
    assert read(recorder, "plugin_status") == {
        ("toy", state.value): state is PluginState.ACTIVE for state in PluginState
    }
