"""Chaos: off unless switched on, into what was named, until the time that was said, and never unlabelled."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from switchgear import CallNotPermitted, ConfigurationError, State, Switchgear
from switchgear._call_events import Injected
from switchgear._pipeline import Pipeline
from switchgear._strategies._injections import Behaviour, Fault, Injection, Latency, Outcome, PoolStarve, StreamCut
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.chaos import Chaos
from switchgear._strategies.retry import Retry
from switchgear._strategies.timeout import Timeout
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of
from tests.support import SMALL
from tests.virtual_time import each_backend, run

pytestmark = pytest.mark.anyio


class Ear:
    def __init__(self) -> None:
        self.heard: list[Injected] = []

    def on_injected(self, event: Injected) -> None:
        self.heard.append(event)


FAULT = Fault(ConnectionResetError)


def chaos_with(injection: Injection, rate: float = 1.0, **options: Any) -> Chaos:
    chaos = Chaos()
    chaos.switch_on(injection, rate=rate, for_=3600, reason="a drill", **options)
    return chaos


async def answer() -> str:
    return "answer"


async def test_off_unless_switched_on() -> None:
    """A pipeline with chaos in it serves as one without."""
    chaos = Chaos(roll=lambda: 0.0)
    assert await Pipeline(chaos).call(answer) == "answer"
    assert (chaos.describe(), chaos.counts(), chaos.experiments) == ("off", {}, ())


async def test_until_the_time_that_was_said() -> None:
    """At the end of its time an experiment is over, by itself; before it, when it is switched off."""
    clock = VirtualClock()
    chaos = Chaos(clock=clock)
    pipeline = Pipeline(chaos)
    one = chaos.switch_on(FAULT, rate=1, for_=10, reason="one")
    chaos.switch_on(Outcome("instead"), rate=1, for_=20, reason="two")
    clock.advance(9.999)
    with pytest.raises(ConnectionResetError):
        await pipeline.call(answer)
    assert chaos.describe() == "fault into 100.0% of calls (one), outcome into 100.0% of calls (two)"
    clock.advance(0.001)
    assert one not in chaos.experiments
    assert await pipeline.call(answer) == "instead"
    clock.advance(10)
    assert await pipeline.call(answer) == "answer"
    again = chaos.switch_on(FAULT, rate=1, for_=10, reason="again")
    chaos.switch_off(again)
    assert await pipeline.call(answer) == "answer"
    chaos.switch_on(FAULT, rate=1, for_=10, reason="again")
    chaos.switch_off()
    assert await pipeline.call(answer) == "answer"
    assert chaos.counts() == {"fault": 1, "outcome": 1}


async def test_into_a_share_of_the_calls() -> None:
    """About as many as were asked for."""
    chaos = chaos_with(Outcome("instead"), rate=0.2)
    chaos.roll = random.Random(1).random
    pipeline = Pipeline(chaos)
    answers = [await pipeline.call(answer) for _ in range(2000)]
    assert 330 < answers.count("instead") < 470
    assert chaos.counts()["outcome"] == answers.count("instead")


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ({}, {"toy.get a", "toy.get b", "call a", "call b"}),
        ({"operations": ("toy.get",)}, {"toy.get a", "toy.get b"}),
        ({"domains": ("a",)}, {"toy.get a", "call a"}),
        ({"operations": ("toy.get",), "domains": ("a", "c")}, {"toy.get a"}),
    ],
)
async def test_into_what_was_named(scope: dict[str, Any], hit: set[str]) -> None:
    """Operations, domains, both; the others are served."""
    pipeline = Pipeline(chaos_with(FAULT, **scope))
    injected = set[str]()
    for operation in (GET, pipeline.operation):
        for domain in ("a", "b"):
            try:
                await pipeline.run(operation, domain, answer)
            except ConnectionResetError:
                injected.add(f"{operation.name} {domain}")
    assert injected == hit


async def test_each_injection_is_labelled() -> None:
    """Observers hear of every one: what, where, and why."""
    ear, clock = Ear(), VirtualClock()
    pipeline = Pipeline(chaos_with(Outcome(1)), name="cache", clock=clock)
    pipeline.bus.subscribe(ear)
    await pipeline.run(GET, "a", answer)
    assert ear.heard == [
        Injected(service="cache", domain="a", operation="toy.get", injection="outcome", reason="a drill", at=clock())
    ]


@each_backend
def test_latency_and_timeouts(backend: str) -> None:
    """The call takes longer by that, and the timeout that stands outside ends it."""

    async def main() -> None:
        start = anyio.current_time()
        chaos = chaos_with(Latency(3))
        assert await Pipeline(chaos).call(answer) == "answer"
        assert anyio.current_time() - start == pytest.approx(3)
        with pytest.raises(TimeoutError):
            await Pipeline(Timeout(1), chaos).call(answer)
        assert anyio.current_time() - start == pytest.approx(4)

    run(main, backend=backend)


async def test_behaviour() -> None:
    """Something is done before the call, which then goes its way."""
    done = list[str]()

    async def kill() -> None:
        done.append("killed")

    assert await Pipeline(chaos_with(Behaviour(kill))).call(answer) == "answer"
    assert done == ["killed"]


async def test_it_meets_what_protects_from_it() -> None:
    """A retry outside it tries again, and gets through when the next roll is kinder."""
    chaos = chaos_with(FAULT, rate=0.5)
    chaos.roll = iter([0.1, 0.9]).__next__
    assert await Pipeline(Retry(initial=0, max=0), chaos, idempotent=True).call(answer) == "answer"


class Stream:
    """As a client has them: iterated in either way."""

    def __init__(self, parts: int) -> None:
        self._parts = iter(range(parts))

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        for part in self._parts:
            return part
        raise StopAsyncIteration


closed = list[str]()


async def generator(parts: int) -> AsyncGenerator[int, None]:
    try:
        for part in range(parts):
            yield part
    finally:
        closed.append("closed")


@pytest.mark.parametrize(("cut_after", "seen"), [(0, []), (2, [0, 1]), (9, [0, 1, 2, 3])])
@pytest.mark.parametrize("kind", [Stream, generator])
async def test_a_stream_breaks_off(kind: Any, cut_after: int, seen: list[int]) -> None:
    """After so many parts, at the latest before its end, with the error that was asked for; what it was made of is
    closed, and its type is what it was.
    """

    async def stream() -> Any:
        return kind(4)

    cut = await Pipeline(chaos_with(StreamCut(cut_after))).call(stream)
    assert isinstance(cut, Stream if kind is Stream else AsyncGenerator)
    parts = list[int]()
    closed.clear()
    try:
        async for part in cut:
            parts.append(part)
    except ConnectionResetError:
        parts.append(-1)
    assert parts == [*seen, -1]
    assert closed == (["closed"] if kind is generator and cut_after else [])  # one not begun has nothing to close


async def test_a_cut_stream_by_its_next_part_and_left_early() -> None:
    """`anext` is cut too; a consumer that leaves earlier leaves nothing open."""

    async def stream() -> Stream:
        return Stream(4)

    async def generate() -> AsyncGenerator[int, None]:
        return generator(4)

    cut = await Pipeline(chaos_with(StreamCut(1))).call(stream)
    assert await anext(cut) == 0
    with pytest.raises(ConnectionResetError):
        await anext(cut)
    closed.clear()
    async with aclosing(await Pipeline(chaos_with(StreamCut(3))).call(generate)) as left:
        assert await anext(left) == 0
    assert closed == ["closed"]


async def test_other_results_are_not_cut() -> None:
    """A result that is no stream is what it was."""
    assert await Pipeline(chaos_with(StreamCut())).call(answer) == "answer"


@each_backend
def test_a_starved_pool(backend: str) -> None:
    """Calls that are over keep their places, so that others wait for them."""

    async def main() -> None:
        pipeline = Pipeline(Bulkhead(2, queue=10), chaos_with(PoolStarve(5)))
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(lambda: pipeline.call(answer))
        assert anyio.current_time() - start == pytest.approx(10)

    run(main, backend=backend)


class Board:
    """A gear with one service, whose guard admits further in than the pipeline stands."""

    def __init__(self) -> None:
        self.gear = Switchgear(clock=VirtualClock())
        self.chaos = Chaos()
        self.client = self.gear.guard(Client(), backend_of(SMALL), name="toy", pipeline=[self.chaos])
        self.service = self.gear.service("toy")

    async def get(self) -> None:
        async def attempt() -> None:
            self.client.get("a")

        await self.service.run(GET, "a", attempt)


async def test_the_breaker_of_a_guard_sees_what_is_injected() -> None:
    """Injected faults open it, and are then refused like all calls; the backend was never asked."""
    board, ear = Board(), Ear()
    board.gear.subscribe(ear)
    board.chaos.switch_on(FAULT, rate=1, for_=60, reason="a drill")
    for _ in range(4):
        with pytest.raises(ConnectionResetError):
            await board.get()
    assert board.gear.breaker("toy", "a").state is State.OPEN
    with pytest.raises(CallNotPermitted):
        await board.get()
    assert board.client.happened == []
    assert [event.service for event in ear.heard] == ["toy"] * 5
    assert board.gear.breaker("toy", "a").snapshot().verdicts["FAILURE"] == 4


async def test_a_call_that_chaos_delays_holds_one_permit() -> None:
    """What the guard admits inside goes by the permit that chaos has taken: one call, counted once."""
    board = Board()
    board.chaos.switch_on(Latency(0), rate=1, for_=60, reason="a drill")
    await board.get()
    snapshot = board.gear.breaker("toy", "a").snapshot()
    assert (snapshot.calls, snapshot.in_flight) == (1, 0)
    assert board.client.happened == ["get a"]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [({"rate": 0}, "rate"), ({"rate": 1.1}, "rate"), ({"for_": 0}, "for_"), ({"for_": float("inf")}, "for_"),
     ({"reason": " "}, "reason")],
)  # fmt: skip
def test_chaos_without_bounds(wrong: dict[str, Any], key: str) -> None:
    """It has a share, an end and a reason, or it is not switched on."""
    chaos = Chaos()
    with pytest.raises(ConfigurationError) as error:
        chaos.switch_on(FAULT, **{"rate": 1, "for_": 60, "reason": "a drill", **wrong})
    assert error.value.key == key
    assert chaos.experiments == ()


def test_it_stands_innermost() -> None:
    """Anywhere else it would not meet what protects from it."""
    with pytest.raises(ConfigurationError):
        Pipeline(Chaos(), Timeout(1))
