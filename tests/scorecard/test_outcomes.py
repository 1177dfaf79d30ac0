"""The scorecard of behaviours, by their names: outcomes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.scorecard.backend import Backend
from tests.support import (
    breaker_of,
    fail,
    half_open,
    refused,
    succeed,
)
from tests.tasks import cancel, under_way

pytestmark = pytest.mark.anyio


async def test_decorated_async_def_is_really_guarded() -> None:
    """What the awaited body raises counts, not only the making of the coroutine; once open the body is not begun."""
    breaker, backend = breaker_of(), Backend(OSError("down"))

    @breaker
    async def guarded() -> str:
        return await backend.get()

    for _ in range(4):
        with pytest.raises(OSError, match="down"):
            await guarded()
    assert breaker.state is State.OPEN
    with pytest.raises(CallNotPermitted):
        await guarded()
    assert backend.begun == 4


async def test_cancellation_is_not_a_failure() -> None:
    """However many calls are cancelled, none is in the window, and it stays closed."""
    breaker = breaker_of(consecutive_failures=2)
    for _ in range(20):
        await cancel(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate) == (State.CLOSED, 0, 0.0)
    assert (snapshot.verdicts["IGNORED"], snapshot.in_flight) == (20, 0)


async def test_cancellation_is_not_a_success() -> None:
    """A cancelled call neither ends a row of failures nor dilutes a rate, and cancelled probes close nothing."""
    clock = VirtualClock()
    breaker = breaker_of(clock, consecutive_failures=3)
    fail(breaker, 2)
    await cancel(breaker)
    assert breaker.snapshot().verdicts["SUCCESS"] == 0
    fail(breaker)
    assert breaker.state is State.OPEN
    clock.advance(8)
    for _ in range(20):
        await cancel(breaker)
    assert breaker.snapshot().state is State.HALF_OPEN


async def test_cancelled_probe_returns_its_permit() -> None:
    """The only probe is cancelled in flight: another is admitted at once, and closes it."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    async with under_way(breaker):
        refused(breaker)
    succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_hung_probe_does_not_wedge_it() -> None:
    """The only probe never returns: after `probe_timeout` another is admitted."""
    clock = VirtualClock()
    breaker = half_open(clock, permitted_calls_in_half_open=1, probe_timeout=5.0)
    async with under_way(breaker):
        clock.advance(4.9)
        refused(breaker)
        clock.advance(0.1)
        succeed(breaker)
        assert breaker.state is State.CLOSED


class Unheard(BaseException):
    """Nobody's Exception."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, Unheard])
async def test_other_baseexception_not_a_failure(kind: type[BaseException]) -> None:
    """It passes through as it is, the permit goes back, and nothing is counted, in async and in sync calls."""
    breaker = breaker_of(consecutive_failures=1)
    raised = kind("enough")

    async def asynchronous() -> None:
        raise raised

    @breaker
    def synchronous() -> None:
        raise raised

    with pytest.raises(kind) as async_seen:
        await breaker.call(asynchronous)
    with pytest.raises(kind) as sync_seen:
        synchronous()
    assert async_seen.value is sync_seen.value is raised
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.in_flight, snapshot.causes) == (State.CLOSED, 0, 0, ())
    assert snapshot.verdicts["IGNORED"] == 2


async def test_excluded_exceptions() -> None:
    """What `classify` calls a SUCCESS counts as one, what it calls IGNORED does not count; both are raised as ever."""
    breaker = breaker_of()
    fail(breaker, 100, Verdict.IGNORED)
    assert breaker.snapshot().calls == 0
    fail(breaker, 100, Verdict.SUCCESS)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate) == (State.CLOSED, 8, 0.0)


async def test_callers_exception_unchanged() -> None:
    """The very object, with its cause, context, notes and arguments, raised from the backend's own line."""
    breaker = breaker_of()
    cause, context = LookupError("cause"), KeyError("context")

    async def backend() -> None:
        try:
            raise context
        except KeyError:
            error = OSError(7, "down")
            error.add_note("from the backend")
            raise error from cause

    with pytest.raises(OSError, match="down") as raised:
        await breaker.call(backend)
    error = raised.value
    assert error.args == (7, "down")
    assert error.__cause__ is cause
    assert error.__context__ is context
    assert error.__notes__ == ["from the backend"]
    assert raised.traceback[-1].name == "backend"
    assert [entry.name for entry in raised.traceback[1:]] == ["call", "backend"]


async def test_tripping_call_raises_the_own_exception() -> None:
    """The failure that opens the breaker reaches its caller as itself, not as a refusal."""
    breaker = breaker_of(consecutive_failures=1)
    error = OSError("the last straw")

    async def backend() -> None:
        raise error

    with pytest.raises(OSError, match="the last straw") as raised:
        await breaker.call(backend)
    assert raised.value is error
    assert error.__context__ is None
    assert breaker.state is State.OPEN


class Heavy:
    """Something large in a frame that failed."""


async def test_no_failed_frame_kept_alive() -> None:
    """When the caller is done with the error, all that its frames held is gone, at once and without the collector;
    the breaker is open, and refusals with the causes are still held.
    """
    breaker = breaker_of(consecutive_failures=1)
    held: list[weakref.ref[Heavy]] = []

    async def backend() -> None:
        heavy = Heavy()
        held.append(weakref.ref(heavy))
        raise OSError("down")

    @breaker
    def synchronous() -> None:
        heavy = Heavy()
        held.append(weakref.ref(heavy))
        raise OSError("down")

    refusals: list[CallNotPermitted] = []
    calls: list[Callable[[], Awaitable[None] | None]] = [lambda: breaker.call(backend), synchronous]
    gc.collect()
    gc.disable()
    try:
        for call in calls:
            try:
                result = call()
                if result is not None:
                    await result
            except OSError:
                pass
            result = None
            refusals.append(refused(breaker))
            breaker.reset()
        alive = [ref() is not None for ref in held]
    finally:
        gc.enable()
    assert alive == [False, False]
    assert [refusal.causes[0].text for refusal in refusals] == ["down", "down"]


async def test_result_predicate() -> None:
    """`classify_result` makes a failure of a result; the caller gets the result all the same."""
    breaker = CircuitBreaker(
        "b",
        BreakerConfig(consecutive_failures=3),
        classify_result=lambda status: Verdict.FAILURE if status == 503 else Verdict.SUCCESS,
        clock=VirtualClock(),
    )

    async def get(status: int) -> int:
        return status

    assert [await breaker.call(get, status) for status in (503, 503, 200, 503, 503)] == [503, 503, 200, 503, 503]
    assert breaker.state is State.CLOSED
    assert breaker(lambda: 503)() == 503
    assert breaker.snapshot().state is State.OPEN
