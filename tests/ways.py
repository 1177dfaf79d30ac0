"""The ways to guard a call, breakers in several conditions, and ends that calls come to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest
from anyio import CancelScope, Event
from anyio.lowlevel import checkpoint

from switchgear import (
    CircuitBreaker,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    Said,
    breaker_of,
    half_open,
    succeed,
)
from tests.tasks import hang

Body = Callable[[], Awaitable[Any]]
Way = Callable[[CircuitBreaker, Body], Coroutine[Any, Any, Any]]


async def by_call(breaker: CircuitBreaker, body: Body) -> object:
    return await breaker.call(body)


async def by_decorator(breaker: CircuitBreaker, body: Body) -> object:
    @breaker
    async def guarded() -> object:
        return await body()

    return await guarded()


async def by_block(breaker: CircuitBreaker, body: Body) -> object:
    async with breaker.permit():
        return await body()


async def by_plain_block(breaker: CircuitBreaker, body: Body) -> object:
    with breaker.permit():
        return await body()


async def by_stream(breaker: CircuitBreaker, body: Body) -> object:
    @breaker
    async def rows() -> AsyncGenerator[object, None]:
        yield "head"
        yield await body()

    async with aclosing(rows()) as stream:
        return [row async for row in stream][1]


WAYS: list[Way] = [by_call, by_decorator, by_block, by_plain_block, by_stream]

each_way = pytest.mark.parametrize("way", WAYS)


def young() -> CircuitBreaker:
    """Every call of it is looked at."""
    return breaker_of()


def warm() -> CircuitBreaker:
    """Its good calls pass without the lock."""
    breaker = breaker_of()
    succeed(breaker, 8)
    return breaker


def probing() -> CircuitBreaker:
    return half_open(VirtualClock())


def watched() -> CircuitBreaker:
    breaker = warm()
    breaker.subscribe(Ear())
    return breaker


class Unheard(BaseException):
    """Nobody's Exception."""


async def ends_well() -> None:
    await checkpoint()


async def fails() -> None:
    await checkpoint()
    raise Said(Verdict.FAILURE)


async def is_interrupted() -> None:
    await checkpoint()
    raise KeyboardInterrupt


async def is_left() -> None:
    await checkpoint()
    raise GeneratorExit


async def fails_with_others() -> None:
    await checkpoint()
    raise BaseExceptionGroup("all of them", [Said(Verdict.FAILURE), Unheard()])


async def is_cancelled() -> None:
    with CancelScope() as scope:
        scope.cancel()
        await checkpoint()
    await hang(Event())
