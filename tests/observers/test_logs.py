"""The log: a line for each change with its reason, few of them in an outage, and no secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from switchgear import Level, Verdict
from switchgear._degradation import SelfSuspicion
from switchgear._events import Beat
from switchgear.observers.logs import LogObserver
from tests.observers.boards import Board
from tests.support import SMALL

#: Opens with the second failure, for four seconds.
QUICK = replace(SMALL, consecutive_failures=2, wait_duration_in_open=4.0, permitted_calls_in_half_open=2)


class Log(logging.Handler):
    """A logger's records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.logger = logging.getLogger("tests.observers")
        self.logger.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def said(self) -> list[tuple[str, str]]:
        """(level, line) of all that was logged since this was last asked."""
        records, self.records = self.records, []
        return [(record.levelname, record.getMessage()) for record in records]


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    log.logger.addHandler(log)
    yield log
    log.logger.removeHandler(log)


def test_a_change_of_state_is_one_line(log: Log) -> None:
    """With the reason and its numbers; what refuses is a warning, what admits again is not."""
    board = Board("it", config=QUICK)
    board.gear.subscribe(LogObserver(log.logger))
    board.fell(domain="a")
    board.clock.advance(8.0)
    for _ in range(2):
        board.call(domain="a")
    board.service().group.force_open("the disk is being\nexchanged")
    assert log.said() == [
        ("WARNING", "it[a] CLOSED -> OPEN: 2 failures in a row (limit 2)"),
        ("INFO", "it[a] OPEN -> HALF_OPEN: the wait is over"),
        ("INFO", "it[a] HALF_OPEN -> CLOSED: 2 of 2 probes decided"),
        ("WARNING", "it CLOSED -> FORCED_OPEN: the disk is being exchanged"),
    ]


def test_what_would_have_opened_is_a_warning(log: Log) -> None:
    """In METRICS_ONLY nothing else shows it."""
    board = Board("it", config=QUICK)
    board.service().group.metrics_only("a trial")
    board.gear.subscribe(LogObserver(log.logger))
    for _ in range(2):
        board.call(domain="a", verdict=Verdict.FAILURE)
    assert ("WARNING", "it[a] would have opened, and is METRICS_ONLY: 2 failures in a row (limit 2)") in log.said()


def test_a_change_of_level_is_one_line(log: Log) -> None:
    """An error where nothing is offered any more; with the score and what limits it."""
    board = Board("it", config=QUICK)
    board.gear.capability("shop", requires=["it"])
    board.gear.subscribe(LogObserver(log.logger))
    board.service().group.force_open("a test")
    board.gear.degradation.look()
    board.gear.degradation.override("shop", Level.FULL, "the test is over", for_=60.0)
    assert log.said()[1:] == [
        ("ERROR", "shop FULL -> OFF: score 0.0, shop <- it <- state: its breaker is FORCED_OPEN: a test"),
        ("WARNING", "shop OFF -> FULL: the test is over"),
    ]


def test_a_suspicion_of_ourselves(log: Log) -> None:
    """Which services it is about, and that it is over."""
    observer = LogObserver(log.logger)
    observer.on_self_suspected(SelfSuspicion(services=("a", "b", "c"), at=0.0, lag=1.0))
    observer.on_self_suspected(SelfSuspicion(services=(), at=9.0, lag=0.0))
    assert log.said() == [
        ("WARNING", "a, b, c broke at once: this process or its network may be the cause (event loop 1.0 s late)"),
        ("INFO", "This process and its network are suspected no more"),
    ]


def test_an_outage_is_few_lines(log: Log) -> None:
    """So many at once, then as many a minute; how many were left out is said, and the last of them is not lost."""
    board = Board("it", config=QUICK)
    observer = LogObserver(log.logger, most=4, per=60.0)
    board.gear.subscribe(observer)
    board.fell(domain="a")
    board.clock.advance(4.0)
    for _ in range(20):
        board.service().group.branch("a").force_open("a test")
    assert len(log.said()) == 4
    observer.on_heartbeat(Beat(lag=0.0, at=board.clock()))
    assert log.said() == []
    board.clock.advance(15.0)
    observer.on_heartbeat(Beat(lag=0.0, at=board.clock()))
    [(level, line)] = log.said()
    assert (level, line) == (
        "WARNING", "it[a] FORCED_OPEN -> FORCED_OPEN: a test (17 changes before it are left out)"
    )  # fmt: skip
    observer.on_heartbeat(Beat(lag=0.0, at=board.clock() + 60.0))
    assert log.said() == []


def test_each_service_has_lines_of_its_own(log: Log) -> None:
    """A noisy one does not silence the others."""
    board = Board("it", "other", config=QUICK)
    board.gear.subscribe(LogObserver(log.logger, most=2))
    for _ in range(5):
        board.service().group.main.force_open("a test")
    board.service("other").group.main.force_open("a test")
    assert [line.partition(" ")[0] for _, line in log.said()] == ["it", "it", "other"]


def test_no_secrets(log: Log) -> None:
    """Operators write reasons, and calls bring domains: neither puts a password or a second line into the log."""
    board = Board("it", config=QUICK)
    board.gear.subscribe(LogObserver(log.logger))
    board.service().group.branch("redis://user:hunter2@host").force_open("password=hunter2\nWARNING forged")
    [record] = log.records
    assert "hunter2" not in str(vars(record))
    assert "\n" not in record.getMessage()


@pytest.fixture
def structured() -> Iterator[io.StringIO]:
    """What structlog makes of the usual logger, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    ))  # fmt: skip
    logger = logging.getLogger("switchgear.events")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_structlog_gets_the_facts(structured: io.StringIO) -> None:
    """Each under its name, beside the line."""
    board = Board("it", config=QUICK)
    board.gear.subscribe(LogObserver())
    board.fell(domain="a")
    assert json.loads(structured.getvalue()) == {
        "event": "it[a] CLOSED -> OPEN: 2 failures in a row (limit 2)",
        "kind": "transition",
        "service": "it",
        "domain": "a",
        "from_state": "CLOSED",
        "to_state": "OPEN",
        "reason": "consecutive_failures",
        "detail": "2 failures in a row (limit 2)",
        "left_out": 0,
    }
