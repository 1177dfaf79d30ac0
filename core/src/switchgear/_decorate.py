"""Functions under a breaker: what a decorator makes of coroutine functions, plain functions and generators."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchgear._circuit import CircuitBreaker


def decorate(breaker: CircuitBreaker, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` under the breaker, in the same kind of function, with `breaker` as an attribute."""
    body = body_of(fn)
    if inspect.isasyncgenfunction(body):
        guarded: Callable[..., Any] = _async_generator(breaker, fn)
    elif inspect.isgeneratorfunction(body):
        guarded = _generator(breaker, fn)
    elif is_coroutine_function(body):
        guarded = _coroutine_function(breaker, fn)
    else:
        guarded = _plain_function(breaker, fn)
    guarded.breaker = breaker  # type: ignore[attr-defined]
    return guarded


def body_of(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose kind decides: behind partials, or a callable object's `__call__`."""
    while isinstance(fn, partial):
        fn = fn.func
    if inspect.isroutine(fn) or inspect.isclass(fn) or inspect.iscoroutinefunction(fn):
        return fn
    return type(fn).__call__


def is_coroutine_function(body: Callable[..., Any]) -> bool:
    """What another decorator made is taken as it is, for it may be of another kind than what it wraps. Only that a
    plain wrapper of a coroutine function hands out the coroutine is taken for granted: else it would go unwatched.
    """
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(inspect.unwrap(body))


# The next two are CircuitBreaker.call in other words: one more call would cost as much as all the accounting.


def _coroutine_function(breaker: CircuitBreaker, fn: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    lane, clock = breaker.default_lane, breaker.clock

    @wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        ticket: Any = lane.slot
        started = clock()
        if started < ticket.until:
            next(ticket.started)
        else:
            ticket = breaker.admit(lane, started)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as exc:
            breaker.failed(ticket, lane, started, exc)
            raise
        ended = clock()
        if ended < ticket.until and ended - started < lane.quick:
            next(ticket.ok)
        else:
            breaker.served(ticket, lane, started, result)
        return result

    return guarded


def _plain_function(breaker: CircuitBreaker, fn: Callable[..., Any]) -> Callable[..., Any]:
    lane, clock = breaker.default_lane, breaker.clock

    @wraps(fn)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        ticket: Any = lane.slot
        started = clock()
        if started < ticket.until:
            next(ticket.started)
        else:
            ticket = breaker.admit(lane, started)
        try:
            result = fn(*args, **kwargs)
        except BaseException as exc:
            breaker.failed(ticket, lane, started, exc)
            raise
        ended = clock()
        if ended < ticket.until and ended - started < lane.quick:
            next(ticket.ok)
        else:
            breaker.served(ticket, lane, started, result)
        return result

    return guarded


def _async_generator(breaker: CircuitBreaker, fn: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
    @wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        # The permit is inside: what goes wrong with closing a stream that was left early is not the stream's outcome.
        async with aclosing(fn(*args, **kwargs)) as inner:
            with breaker.permit() as permit:
                step = inner.asend(None)
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    permit.first_chunk()
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - what the consumer throws in is the generator's
                        step = inner.athrow(thrown)

    return guarded


def _generator(breaker: CircuitBreaker, fn: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    # As above. `yield from` would be quicker, but does not see the first item.
    @wraps(fn)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with breaker.permit() as permit, closing(fn(*args, **kwargs)) as inner:
            step = partial(next, inner)
            while True:
                try:
                    item = step()
                except StopIteration as end:
                    return end.value
                permit.first_chunk()
                try:
                    step = partial(inner.send, (yield item))
                except GeneratorExit:
                    raise
                except BaseException as thrown:  # noqa: BLE001 - what the consumer throws in is the generator's
                    step = partial(inner.throw, thrown)

    return guarded
