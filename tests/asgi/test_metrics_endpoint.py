"""The endpoint for Prometheus: nobody pays for what nobody asks for."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from switchgear.asgi import create_app
from switchgear.observers._workers import Workers
from switchgear.observers.prometheus import PrometheusObserver
from tests.asgi.support import Shop, ask, shop

pytestmark = pytest.mark.anyio


async def scraped(board: Shop) -> dict[str, float]:
    """The calls to the database: all that were admitted, and those that were timed."""
    text = (await ask(board.app, "/metrics")).body.decode()
    samples = [sample for family in parse(text) for sample in family.samples if sample.labels.get("service") == "db"]
    return {
        name: sum(sample.value for sample in samples if sample.name == f"switchgear_breaker_{name}")
        for name in ("calls_total", "call_duration_seconds_count")
    }


def is_timed(board: Shop) -> bool:
    return any(lane.timed for lane in board.gear.service("db").group.branch("")._machine.lanes)


async def test_calls_are_timed_from_the_first_scrape_on() -> None:
    """Before it they are counted, and take the short way; the endpoints alone cost them nothing."""
    async with shop() as board:
        board.clients["db"].get()
        assert not is_timed(board)
        assert await scraped(board) == {"calls_total": 1, "call_duration_seconds_count": 0}
        board.clients["db"].get()
        assert is_timed(board)
        assert await scraped(board) == {"calls_total": 2, "call_duration_seconds_count": 1}


async def test_of_several_workers_each_is_counted_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one may be scraped for it, and finds what it has written down."""
    monkeypatch.setattr(Workers, "wanted", lambda: True)
    monkeypatch.setattr(Workers, "__init__", lambda _: None)
    monkeypatch.setattr(Workers, "write", lambda *_: None)
    async with shop() as board:
        assert any(isinstance(observer, PrometheusObserver) for observer in board.gear.observers)
        create_app(board.gear)
        assert sum(isinstance(observer, PrometheusObserver) for observer in board.gear.observers) == 1
