"""What strategies tell observers of a call: each thing they do about it, once, and nothing where nobody listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import anyio
import pytest

from switchgear import (
    Criticality,
    Degraded,
    Hedged,
    Limited,
    LimitExceeded,
    Retried,
    Strategy,
    Switchgear,
    Verdict,
    criticality,
)
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.fallback import Fallback
from switchgear._strategies.hedge import Hedge
from switchgear._strategies.retry import Retry
from switchgear.spi import Operation
from tests.backends import Client, backend_of
from tests.support import SMALL, Said

pytestmark = pytest.mark.anyio

ASK = Operation(name="toy.ask", idempotent=True)


class Ear:
    """Hears what strategies tell."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.on_limited = self.on_retried = self.on_hedged = self.on_degraded = self.heard.append

    @property
    def facts(self) -> list[Mapping[str, Any]]:
        """Beside those that are the same for all of a call."""
        same = {"service", "domain", "operation", "at"}
        for event in self.heard:
            assert (event.service, event.domain, event.operation) == ("it", "a", "toy.ask")
        return [{name: value for name, value in asdict(event).items() if name not in same} for event in self.heard]


def gear_with(*strategies: Strategy) -> Switchgear:
    gear = Switchgear()
    gear.guard(Client(), backend_of(SMALL, probe=False), name="it", pipeline=strategies)
    return gear


async def down() -> str:
    raise Said(Verdict.FAILURE)


async def test_a_retry_is_told_before_it_waits() -> None:
    """Which attempt it will be, in how many seconds, and why; the last failure, after which there is none, is not."""
    gear, ear = gear_with(Retry(attempts=3, initial=0.001, max=0.001, roll=lambda: 1.0)), Ear()
    gear.subscribe(ear)
    with pytest.raises(Said):
        await gear.service("it").run(ASK, "a", down)
    assert [type(event) for event in ear.heard] == [Retried, Retried]
    assert ear.facts == [{"attempt": attempt, "wait": 0.001, "cause": "Said"} for attempt in (2, 3)]


async def test_a_retry_of_a_result_says_so() -> None:
    """There is no exception to name."""
    gear, ear = gear_with(Retry(attempts=2, initial=0.0, on_result=lambda result: result == "busy")), Ear()
    gear.subscribe(ear)

    async def busy() -> str:
        return "busy"

    assert await gear.service("it").run(ASK, "a", busy) == "busy"
    assert ear.facts == [{"attempt": 2, "wait": 0.0, "cause": "its result"}]


async def test_a_second_attempt_beside_the_first_is_told() -> None:
    """When it begins; whichever answers first."""
    gear, ear = gear_with(Hedge(delay=0.0)), Ear()
    gear.subscribe(ear)
    asked = 0

    async def slow_once() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            await anyio.sleep_forever()
        return "answer"

    assert await gear.service("it").run(ASK, "a", slow_once) == "answer"
    assert [type(event) for event in ear.heard] == [Hedged]
    assert ear.facts == [{"after": 0.0}]


async def test_an_answer_from_elsewhere_is_told() -> None:
    """Where it is from, and why it was needed."""
    gear, ear = gear_with(Fallback(value="instead")), Ear()
    gear.subscribe(ear)
    assert await gear.service("it").run(ASK, "a", down) == "instead"
    assert [type(event) for event in ear.heard] == [Degraded]
    assert ear.facts == [{"source": "value", "age": None, "cause": "Said: no"}]


async def test_a_call_that_a_limit_refuses_is_told() -> None:
    """By which strategy, and the reason that the caller is given."""
    gear, ear = gear_with(Bulkhead(1)), Ear()
    gear.subscribe(ear)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gear.service("it").run, ASK, "a", anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(LimitExceeded):
            await gear.service("it").run(ASK, "a", down)
        tasks.cancel_scope.cancel()
    assert [type(event) for event in ear.heard] == [Limited]
    assert ear.facts == [
        {"strategy": "bulkhead", "reason": "all 1 places are taken", "retry_after": None},
    ]  # fmt: skip


def test_a_call_that_is_shed_is_told() -> None:
    """By what is full; no breaker was asked."""
    gear, ear = gear_with(), Ear()
    gear.subscribe(ear)
    gear.service("it").saturated = {"pool": 0.95}
    with criticality(Criticality.BULK), pytest.raises(LimitExceeded):
        gear.service("it").admit(ASK, "a")
    assert ear.facts == [
        {"strategy": "pool", "reason": "95% in use, and BULK calls are shed first", "retry_after": None},
    ]  # fmt: skip


async def test_nothing_is_made_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry is as cheap as it was."""
    gear = gear_with(Retry(attempts=2, initial=0.0))
    monkeypatch.setattr("switchgear._strategies.retry.Retried.__init__", None)
    with pytest.raises(Said):
        await gear.service("it").run(ASK, "a", down)
