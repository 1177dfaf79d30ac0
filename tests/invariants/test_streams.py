"""Invariant 16: a stream settles at its end, once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing

import pytest
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from switchgear import (
    Settled,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    Said,
    breaker_of,
    half_open,
    refused,
)
from tests.tasks import hang

pytestmark = pytest.mark.anyio


async def test_invariant_16_a_stream_settles_at_its_end() -> None:
    """Not with its head, not with its items; by its end, its error, or the consumer's leave, once each."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)

    @breaker
    async def rows(error: Exception | None = None) -> AsyncGenerator[int, None]:
        for number in range(3):
            await checkpoint()
            yield number
        if error is not None:
            raise error

    async with aclosing(rows()) as stream:
        for number in range(3):
            assert await anext(stream) == number
            assert ear.of(Settled) == []
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS"]
    async with aclosing(rows(Said(Verdict.FAILURE))) as stream:
        with pytest.raises(Said):
            [row async for row in stream]
    async with aclosing(rows()) as stream:
        await anext(stream)
    async with aclosing(rows()) as stream:
        await anext(stream)
        with pytest.raises(Said):
            await stream.athrow(Said(Verdict.FAILURE))
    assert [event.verdict.name for event in ear.of(Settled)] == ["SUCCESS", "FAILURE", "IGNORED", "FAILURE"]
    assert breaker.snapshot().in_flight == 0


async def test_invariant_16_a_cancelled_consumer_settles_its_stream_once() -> None:
    """Cancelled while the stream is waiting for its next item."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    begun = Event()

    @breaker
    async def rows() -> AsyncGenerator[int, None]:
        yield 1
        await hang(begun)

    async def consume() -> None:
        async with aclosing(rows()) as stream:
            async for _ in stream:
                pass

    async with create_task_group() as group:
        group.start_soon(consume)
        await begun.wait()
        group.cancel_scope.cancel()
    assert [event.verdict.name for event in ear.of(Settled)] == ["IGNORED"]


def test_invariant_16_an_abandoned_stream_settles_once() -> None:
    """A plain generator that is dropped gives its permit back with its last reference; a probe's place is free."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    ear = Ear()
    breaker.subscribe(ear)

    @breaker
    def rows() -> Generator[int, None, None]:
        yield 1
        yield 2

    stream = rows()
    next(stream)
    refused(breaker)
    del stream
    assert [event.verdict.name for event in ear.of(Settled)] == ["IGNORED"]
    with closing(rows()) as again:
        assert list(again) == [1, 2]
    assert breaker.state is State.CLOSED
