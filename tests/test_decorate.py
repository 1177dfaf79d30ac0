"""A decorated function is of the same kind as before, and guarded in every kind."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any
from unittest.mock import AsyncMock

import anyio
import pytest

from switchgear import CallNotPermitted, CircuitBreaker, State, Verdict, circuit
from switchgear.testing import VirtualClock
from tests.support import DOWN, Said, as_said, breaker_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def breaker() -> CircuitBreaker:
    """It opens at the first failure."""
    return breaker_of(consecutive_failures=1)


async def is_guarded(breaker: CircuitBreaker, call: Callable[[], Any]) -> None:
    """The call, which fails, opens the breaker; and is refused from then on."""

    async def run() -> None:
        result = call()
        if inspect.isasyncgen(result):
            [item async for item in result]
        elif inspect.isgenerator(result):
            list(result)
        elif inspect.isawaitable(result):
            await result

    with pytest.raises(Said):
        await run()
    assert breaker.machine_state is State.OPEN
    with pytest.raises(CallNotPermitted):
        await run()
    assert breaker.snapshot().verdicts["SUCCESS"] == 0


def plain() -> None:
    raise DOWN


async def coroutine() -> None:
    raise DOWN


def generator() -> Iterator[int]:
    yield 1
    raise DOWN


async def async_generator() -> AsyncIterator[int]:
    yield 1
    raise DOWN


class Client:
    def method(self) -> None:
        raise DOWN

    async def async_method(self) -> None:
        raise DOWN

    @classmethod
    async def class_method(cls) -> None:
        raise DOWN

    @staticmethod
    async def static_method() -> None:
        raise DOWN

    def __call__(self) -> None:
        raise DOWN


class AsyncCallable:
    async def __call__(self) -> None:
        raise DOWN


class Failing:
    def __init__(self) -> None:
        raise DOWN


def passed_through(fn: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A plain wrapper of a coroutine function, which returns the coroutine."""

    @functools.wraps(fn)
    def wrapper() -> Awaitable[None]:
        return fn()

    return wrapper


def made_async(fn: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A coroutine function that wraps a plain one, as those that run it in a thread do."""

    @functools.wraps(fn)
    async def wrapper() -> None:
        await anyio.lowlevel.checkpoint()
        fn()

    return wrapper


KINDS: dict[str, Callable[[], Any]] = {
    "plain function": plain,
    "coroutine function": coroutine,
    "generator": generator,
    "async generator": async_generator,
    "method": Client().method,
    "async method": Client().async_method,
    "class method": Client.class_method,
    "static method": Client.static_method,
    "callable object": Client(),
    "async callable object": AsyncCallable(),
    "class": Failing,
    "partial": functools.partial(lambda _: plain(), 1),
    "partial of a coroutine function": functools.partial(coroutine),
    "partial of a partial of an async method": functools.partial(functools.partial(Client().async_method)),
    "partial of an async callable object": functools.partial(AsyncCallable()),
    "plain wrapper of a coroutine function": passed_through(coroutine),
    "coroutine function that wraps a plain one": made_async(plain),
    "AsyncMock": AsyncMock(side_effect=DOWN),
    "cached function": functools.cache(plain),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_guarded(kind: str, breaker: CircuitBreaker) -> None:
    """Its failure opens the breaker, and an open breaker refuses it."""
    await is_guarded(breaker, breaker(KINDS[kind]))


async def test_a_method_can_be_decorated_in_its_class(breaker: CircuitBreaker) -> None:
    """Of both kinds; `self` is what it is."""

    class Guarded:
        @breaker
        async def fetch(self) -> Guarded:
            return self

        @breaker
        def store(self) -> Guarded:
            return self

    guarded = Guarded()
    assert await guarded.fetch() is guarded
    assert guarded.store() is guarded
    assert breaker.snapshot().verdicts["SUCCESS"] == 2


def test_what_a_function_is_does_not_change(breaker: CircuitBreaker) -> None:
    """Its kind, name, documentation and signature; its breaker is an attribute."""

    @breaker
    async def fetch(symbol: str, *, fresh: bool = False) -> str:
        """Get a quote."""
        return f"{symbol}{fresh}"

    assert fetch.__name__ == "fetch"
    assert fetch.__doc__ == "Get a quote."
    assert str(inspect.signature(fetch)) == "(symbol: 'str', *, fresh: 'bool' = False) -> 'str'"
    assert fetch.breaker is breaker  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(fetch)
    assert inspect.isgeneratorfunction(breaker(generator))
    assert inspect.isasyncgenfunction(breaker(async_generator))
    assert not inspect.iscoroutinefunction(breaker(plain))


async def test_a_context_manager_stays_one(breaker: CircuitBreaker) -> None:
    """What another decorator made of a generator is no generator: making the context manager is the guarded call."""

    @breaker
    @contextlib.contextmanager
    def plain_one() -> Iterator[int]:
        yield 1

    @breaker
    @contextlib.asynccontextmanager
    async def async_one() -> AsyncIterator[int]:
        yield 2

    with plain_one() as one:
        assert one == 1
    async with async_one() as two:
        assert two == 2


async def test_a_coroutine_that_is_never_awaited_took_no_permit() -> None:
    """The permit is taken when the call begins, not when the coroutine is made."""
    breaker = breaker_of()
    made = breaker(coroutine)()
    assert breaker.snapshot().in_flight == 0
    made.close()


async def test_circuit_needs_no_plugin_and_no_configuration() -> None:
    """The example of the README, async and sync."""

    @circuit("quotes", consecutive_failures=2, classify=as_said)
    async def fetch(symbol: str) -> str:
        if symbol == "bad":
            raise DOWN
        return symbol

    assert await fetch("good") == "good"
    for _ in range(2):
        with pytest.raises(Said):
            await fetch("bad")
    with pytest.raises(CallNotPermitted, match="quotes is OPEN"):
        await fetch("good")


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_a_stream_settles_at_its_end() -> None:
    """Not at its first item; of both kinds."""
    breaker = breaker_of()

    @breaker
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    stream = numbers()
    assert await anext(stream) == 1
    assert breaker.snapshot().verdicts["SUCCESS"] == 0
    assert [item async for item in stream] == [2]
    assert breaker.snapshot().verdicts["SUCCESS"] == 1

    @breaker
    def plain_numbers() -> Iterator[int]:
        yield from (1, 2)

    assert next(held := plain_numbers()) == 1
    assert breaker.snapshot().verdicts["SUCCESS"] == 1
    assert list(held) == [2]
    assert breaker.snapshot().verdicts["SUCCESS"] == 2


async def test_a_stream_that_ends_before_its_first_item_succeeded() -> None:
    """An empty answer is an answer."""
    breaker = breaker_of()

    @breaker
    async def nothing() -> AsyncIterator[int]:
        return
        yield

    @breaker
    def plain_nothing() -> Iterator[int]:
        return
        yield

    assert [item async for item in nothing()] == list(plain_nothing()) == []
    assert breaker.snapshot().verdicts["SUCCESS"] == 2


@pytest.mark.filterwarnings("ignore:Async generator .* was garbage collected:ResourceWarning")  # trio says so to all
@pytest.mark.parametrize("how", ["closed", "abandoned"])
async def test_a_stream_that_is_left_gives_its_permit_back_once(how: str) -> None:
    """Closed or dropped, it was neither a success nor a failure, and what it holds is cleaned up."""
    breaker = breaker_of()
    cleaned: list[str] = []

    @breaker
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append("async")

    @breaker
    def plain_numbers() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append("plain")

    stream, plain_stream = numbers(), plain_numbers()
    await anext(stream)
    next(plain_stream)
    if how == "closed":
        await stream.aclose()  # type: ignore[attr-defined]
        plain_stream.close()  # type: ignore[attr-defined]
    del stream, plain_stream
    with anyio.fail_after(10):
        while len(cleaned) < 2:
            await anyio.lowlevel.checkpoint()
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["IGNORED"], snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (2, 0, 0)


async def test_a_slow_consumer_is_no_slow_call() -> None:
    """The latency of a stream is the time to its first item, of both kinds."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)

    @breaker
    async def numbers() -> AsyncIterator[int]:
        clock.advance(0.5)
        yield 1
        yield 2

    @breaker
    def plain_numbers() -> Iterator[int]:
        clock.advance(0.5)
        yield 1
        yield 2

    async for _ in numbers():
        clock.advance(100.0)
    for _ in plain_numbers():
        clock.advance(100.0)
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.slow_call_rate) == (2, 0.0)


async def test_a_stream_that_is_slow_to_begin_is_a_slow_call() -> None:
    """Of both kinds."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=1.0)

    @breaker
    async def numbers() -> AsyncIterator[int]:
        clock.advance(1.0)
        yield 1

    @breaker
    def plain_numbers() -> Iterator[int]:
        clock.advance(1.0)
        yield 1

    [_ async for _ in numbers()]
    list(plain_numbers())
    assert breaker.snapshot().slow_call_rate == 1.0


def test_a_generator_is_spoken_to_through_the_breaker() -> None:
    """Values sent, exceptions thrown in and caught, and the value it returns arrive as without it."""

    @breaker_of()
    def echo() -> Generator[Any, Any, list[Any]]:
        heard: list[Any] = []
        try:
            while True:
                heard.append((yield len(heard)))
        except KeyError as thrown:
            heard.append(str(thrown))
        yield "caught"
        return heard

    talk = echo()
    assert next(talk) == 0
    assert talk.send("a") == 1
    assert talk.throw(KeyError("k")) == "caught"
    with pytest.raises(StopIteration) as end:
        next(talk)
    assert end.value.value == ["a", "'k'"]


async def test_an_async_generator_is_spoken_to_through_the_breaker() -> None:
    """Likewise."""

    @breaker_of()
    async def echo() -> AsyncGenerator[Any, Any]:
        heard: list[Any] = []
        try:
            while True:
                heard.append((yield list(heard)))
        except KeyError as thrown:
            yield str(thrown)

    talk = echo()
    assert await talk.asend(None) == []
    assert await talk.asend("a") == ["a"]
    assert await talk.athrow(KeyError("k")) == "'k'"
    with pytest.raises(StopAsyncIteration):
        await talk.asend(None)


async def test_an_exception_thrown_in_and_not_caught_comes_out_as_it_is() -> None:
    """The same object, judged like any other."""
    breaker = breaker_of()

    @breaker
    def numbers() -> Generator[int, None, None]:
        yield 1

    @breaker
    async def async_numbers() -> AsyncGenerator[int, None]:
        yield 1

    thrown = Said(Verdict.FAILURE)
    talk, async_talk = numbers(), async_numbers()
    next(talk)
    await anext(async_talk)
    with pytest.raises(Said) as raised:
        talk.throw(thrown)
    assert raised.value is thrown
    with pytest.raises(Said) as raised:
        await async_talk.athrow(thrown)
    assert raised.value is thrown
    assert breaker.snapshot().verdicts["FAILURE"] == 2


async def test_a_cancelled_stream_is_ignored() -> None:
    """Cancellation in the middle of a step gives the permit back."""
    breaker = breaker_of()

    @breaker
    async def forever() -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    async def read() -> None:
        async for _ in forever():
            scope.cancel()

    with anyio.CancelScope() as scope:
        await read()
    assert scope.cancelled_caught
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["IGNORED"], snapshot.in_flight) == (1, 0)
