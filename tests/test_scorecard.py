"""The scorecard: one test for each of the 49 behaviours by which Python's circuit breakers were measured side by side.

The names are those of the scorecard. The clock is virtual, tasks run on asyncio and on trio.
"""

from __future__ import annotations

import copy
import gc
import importlib.util
import inspect
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from pathlib import Path

import anyio
import pytest
import trio
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CircuitBreaker,
    CountWindow,
    State,
    TimeWindow,
    Transition,
    TripSuppressed,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    Said,
    breaker_of,
    fail,
    half_open,
    hold,
    opened,
    path,
    refused,
    succeed,
)
from tests.tasks import DEADLINE, cancel, hang, in_threads, run, under_way

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent


class Backend:
    """A coroutine function that counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.error = error

    async def get(self, key: str = "k") -> str:
        self.begun += 1
        await checkpoint()
        if self.error is not None:
            raise self.error
        return key


# -- outcomes ------------------------------------------------------------------------------------------------------


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


# -- half-open and late results --------------------------------------------------------------------------------------


async def test_half_open_1_of_1000_tasks_admitted() -> None:
    """A thousand tasks at once find one place for a probe: one gets it, the others are refused without waiting."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    backend, answer, refusals = Backend(), Event(), 0

    async def probe() -> None:
        backend.begun += 1
        await answer.wait()

    async def caller() -> None:
        nonlocal refusals
        try:
            await breaker.call(probe)
        except CallNotPermitted:
            refusals += 1
            if refusals == 999:
                answer.set()

    async with create_task_group() as group:
        for _ in range(1000):
            group.start_soon(caller)
    assert (backend.begun, refusals, breaker.state) == (1, 999, State.CLOSED)


async def test_late_success_does_not_close_open() -> None:
    """A call from before the trip succeeds after it."""
    breaker = breaker_of()
    async with under_way(breaker) as call:
        fail(breaker, 4)
        await call.end()
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.late) == (State.OPEN, 1)


async def test_late_failure_does_not_prolong_open() -> None:
    """A call from before the trip fails after it: the wait ends when it would have ended."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    async with under_way(breaker) as call:
        fail(breaker, 4)
        clock.advance(5)
        await call.end(Said(Verdict.FAILURE))
    assert (breaker.snapshot().retry_after, breaker.snapshot().late) == (3.0, 1)
    clock.advance(3)
    assert breaker.state is State.HALF_OPEN


async def test_late_success_does_not_close_half_open() -> None:
    """A call from before the trip succeeds while a probe is still out: no verdict, no place taken or given."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker) as call:
        fail(breaker, 4)
        clock.advance(8)
        async with under_way(breaker):
            await call.end()
            assert breaker.snapshot().probes == (0, 1)
            refused(breaker)
            assert breaker.state is State.HALF_OPEN


async def test_late_failure_does_not_reopen_half_open() -> None:
    """A call from before the trip fails while a probe is out; the probe then succeeds and closes it."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    async with under_way(breaker) as late_call:
        fail(breaker, 4)
        clock.advance(8)
        async with under_way(breaker) as probe_call:
            await late_call.end(Said(Verdict.FAILURE))
            assert breaker.state is State.HALF_OPEN
            await probe_call.end()
    assert breaker.snapshot().state is State.CLOSED


async def test_old_era_failures_stay_out_of_the_new_era() -> None:
    """Calls of the first closed era fail in the second: its window does not see them."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    held = [hold(breaker) for _ in range(20)]
    fail(breaker, 4)
    clock.advance(8)
    succeed(breaker)
    assert breaker.state is State.CLOSED
    for call in held:
        call.raises(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls, snapshot.failure_rate, snapshot.late) == (State.CLOSED, 0, 0.0, 20)


@pytest.mark.parametrize("hours", [-2, 2])
async def test_monotonic_clock_2_h_wall_jump(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """The host's date is set two hours back or forth: an open breaker neither probes early nor late."""
    long, short = (
        CircuitBreaker("b", BreakerConfig(consecutive_failures=1, wait_duration_in_open=wait)) for wait in (60.0, 0.05)
    )
    began = time.monotonic()
    fail(long)
    fail(short)
    wall, wall_ns = time.time, time.time_ns  # noqa: TID251 - it is what jumps
    monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + hours * 3600 * 10**9)
    deadline = began + DEADLINE
    while short.state is State.OPEN and time.monotonic() < deadline:
        await anyio.sleep(0.005)
    assert time.monotonic() - began >= 0.05
    assert short.state is State.HALF_OPEN
    retry_after = refused(long).retry_after
    assert retry_after is not None
    assert 60 - DEADLINE < retry_after < 60


# -- generators ------------------------------------------------------------------------------------------------------


async def test_async_generators_guarded() -> None:
    """Success at the end, failure where it fails, nothing when the consumer leaves; once open it is not begun."""
    breaker = breaker_of()
    begun = 0

    @breaker
    async def rows(error: Exception | None = None) -> AsyncGenerator[int, None]:
        nonlocal begun
        begun += 1
        yield 1
        await checkpoint()
        yield 2
        if error is not None:
            raise error

    assert [row async for row in rows()] == [1, 2]
    left = rows()
    assert await anext(left) == 1
    await left.aclose()
    seen: list[int] = []
    for _ in range(3):
        with pytest.raises(Said):
            seen += [row async for row in rows(Said(Verdict.FAILURE))]
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.verdicts["IGNORED"], snapshot.verdicts["FAILURE"]) == (1, 1, 3)
    assert (snapshot.state, snapshot.in_flight, begun) == (State.OPEN, 0, 5)
    with pytest.raises(CallNotPermitted):
        await anext(rows())
    assert begun == 5


async def test_async_generators_take_what_is_sent_and_thrown() -> None:
    """A guarded generator is one still: `asend` and `athrow` reach its body."""
    breaker = breaker_of()
    got: list[str] = []

    @breaker
    async def echo() -> AsyncGenerator[str, str]:
        try:
            got.append((yield "ready"))
            yield "sent"
        except KeyError:
            yield "thrown"

    stream = echo()
    assert [await anext(stream), await stream.asend("hello"), await stream.athrow(KeyError())] == [
        "ready",
        "sent",
        "thrown",
    ]
    assert got == ["hello"]
    assert [item async for item in stream] == []
    assert breaker.snapshot().verdicts["SUCCESS"] == 1


def test_generators_guarded() -> None:
    """Plain generators likewise, with what is sent, thrown and returned."""
    breaker = breaker_of()

    @breaker
    def echo() -> Generator[str, str, int]:
        try:
            sent = yield "ready"
            yield sent
        except KeyError:
            yield "thrown"
        return 7

    def whole() -> Generator[str, str, int]:
        return (yield from echo())

    stream = whole()
    assert [next(stream), stream.send("hello"), stream.throw(KeyError())] == ["ready", "hello", "thrown"]
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == 7
    left = echo()
    next(left)
    left.close()
    verdicts = breaker.snapshot().verdicts
    assert (verdicts["SUCCESS"], verdicts["IGNORED"]) == (1, 1)


@pytest.mark.filterwarnings("ignore:Async generator .* garbage collected:ResourceWarning")  # trio says, rightly, aclose
async def test_abandoned_stream_returns_its_permit() -> None:
    """A consumer drops its stream without closing it: the probe's place is free again when the loop has cleaned up.
    A stream that was never begun has taken none.
    """
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)

    @breaker
    async def rows() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    idle = rows()
    assert breaker.snapshot().probes == (0, 0)
    stream = rows()
    await anext(stream)
    assert breaker.snapshot().probes == (0, 1)
    del stream
    gc.collect()
    with anyio.fail_after(DEADLINE):
        while breaker.snapshot().probes != (0, 0):
            await checkpoint()
    assert (breaker.state, breaker.snapshot().verdicts["IGNORED"]) == (State.HALF_OPEN, 1)
    await idle.aclose()


# -- rules and windows -----------------------------------------------------------------------------------------------


async def test_slow_call_detection() -> None:
    """Calls that succeed, slowly, open it; and it knows while they still run."""
    clock = VirtualClock()
    breaker = breaker_of(clock, slow_call_duration_threshold=2.0)
    for _ in range(4):
        async with under_way(breaker) as call:
            clock.advance(2.0)
            await call.end()
    assert "slow-call rate 1.00 of 4 calls" in refused(breaker).reason
    breaker.reset()
    hanging = [hold(breaker) for _ in range(4)]
    clock.advance(3.0)
    assert breaker.state is State.OPEN
    for held in hanging:
        held.returns()


async def test_failure_rate_50_alternating_trips() -> None:
    """Success and failure in turns are half: it opens, though never two failed in a row."""
    breaker = breaker_of(minimum_number_of_calls=8)
    for _ in range(4):
        assert breaker.state is State.CLOSED
        succeed(breaker)
        fail(breaker)
    assert breaker.state is State.OPEN


async def test_minimum_calls() -> None:
    """One failure below the minimum does nothing, the one that completes it opens."""
    breaker = breaker_of(window=CountWindow(100), minimum_number_of_calls=20)
    fail(breaker, 19)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.snapshot().state is State.OPEN


async def test_time_window_failures_expire() -> None:
    """Three failures a minute ago and one now are one."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10))
    fail(breaker, 3)
    clock.advance(30)
    assert breaker.snapshot().calls == 3
    clock.advance(30)
    fail(breaker)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.calls) == (State.CLOSED, 1)


@pytest.mark.parametrize("idle", [61.0, 600.0, 86400.0 * 30])
async def test_time_window_failures_expire_also_with_unused_slots(idle: float) -> None:
    """Parts of the window that no call fell into, for however long, hold nothing from the round before."""
    clock = VirtualClock()
    breaker = breaker_of(clock, window=TimeWindow(60, buckets=10), minimum_number_of_calls=8)
    for _ in range(3):
        fail(breaker)
        clock.advance(12)
    clock.advance(idle)
    assert breaker.snapshot().calls == 0
    fail(breaker, 3)
    succeed(breaker, 4)
    assert (breaker.state, breaker.snapshot().calls) == (State.CLOSED, 7)


# -- threads ---------------------------------------------------------------------------------------------------------


def test_8_threads_1_half_open_probe() -> None:
    """Eight threads rush for one place, two hundred times: one of them gets it."""
    clock = VirtualClock()
    admitted: list[int] = []
    breakers = [half_open(clock, permitted_calls_in_half_open=1) for _ in range(200)]

    def rush(_number: int) -> None:
        for index, breaker in enumerate(breakers):
            try:
                breaker.permit()
            except CallNotPermitted:
                continue
            admitted.append(index)

    in_threads(rush)
    assert sorted(admitted) == list(range(200))


def test_8_threads_calls_run_in_parallel() -> None:
    """Eight calls are inside the guarded function at the same time: each waits for all others to be there."""
    breaker = breaker_of()
    inside = threading.Barrier(8)

    @breaker
    def meet() -> int:
        return inside.wait(DEADLINE)

    met: list[int] = []
    in_threads(lambda _number: met.append(meet()))
    assert sorted(met) == list(range(8))
    assert breaker.snapshot().verdicts["SUCCESS"] == 8


def test_8_threads_3200_failures_counted() -> None:
    """400 failures of each of eight threads, and as many successes between them: not one is lost or counted twice."""
    breaker = breaker_of(window=CountWindow(10_000), minimum_number_of_calls=10_000)

    def work(_number: int) -> None:
        for _ in range(400):
            succeed(breaker)
            fail(breaker)

    in_threads(work)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.verdicts["SUCCESS"]) == (3200, 3200)
    assert (snapshot.calls, snapshot.failure_rate, snapshot.in_flight) == (6400, 0.5, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_fork_while_threads_call() -> None:
    """Forty processes forked while four threads are in the midst of calls: each can use the breaker, and is heard."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(ROOT / "tests" / "forked.py")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("40 of 40\n", "")


# -- ways to guard ---------------------------------------------------------------------------------------------------


async def test_async_with() -> None:
    """The block is judged by what it does, and not entered when refused."""
    breaker = breaker_of()

    async def block(error: Exception | None) -> None:
        async with breaker.permit():
            if error is not None:
                raise error

    await block(None)
    for _ in range(3):
        with pytest.raises(Said):
            await block(Said(Verdict.FAILURE))
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.verdicts["SUCCESS"], snapshot.verdicts["FAILURE"]) == (State.OPEN, 1, 3)
    with pytest.raises(CallNotPermitted):
        await block(AssertionError("entered"))


def test_with_and_rejects() -> None:
    """The same for a plain `with`."""
    breaker = breaker_of()
    succeed(breaker)
    fail(breaker, 3)
    assert breaker.state is State.OPEN
    entered = False
    with pytest.raises(CallNotPermitted), breaker.permit():
        entered = True
    assert not entered


async def test_error_has_retry_after() -> None:
    """The refusal says how many seconds are left, to the end."""
    clock = VirtualClock()
    breaker = opened(clock)
    assert refused(breaker).retry_after == 8.0
    clock.advance(7.5)
    assert refused(breaker).retry_after == 0.5
    assert "Try again in 0.5 s" in str(refused(breaker))


async def test_one_object_sync_and_async() -> None:
    """Failures of coroutine functions, functions, generators and blocks meet in one window and open for all."""
    breaker = breaker_of()
    backend = Backend(Said(Verdict.FAILURE))

    @breaker
    def synchronous() -> None:
        raise Said(Verdict.FAILURE)

    with pytest.raises(Said):
        await breaker.call(backend.get)
    with pytest.raises(Said):
        synchronous()
    fail(breaker, 1)
    with pytest.raises(Said):
        await breaker(backend.get)()
    assert breaker.state is State.OPEN
    with pytest.raises(CallNotPermitted):
        synchronous()
    with pytest.raises(CallNotPermitted):
        await breaker.call(backend.get)


class Callable0:
    async def __call__(self) -> None:
        await checkpoint()
        raise Said(Verdict.FAILURE)

    async def method(self) -> None:
        await self()

    @classmethod
    async def of_the_class(cls) -> None:
        await cls()()

    @staticmethod
    async def static() -> None:
        await Callable0()()


def hands_out(fn: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A plain function that hands out a coroutine."""

    def wrapper() -> Awaitable[None]:
        return fn()

    wrapper.__wrapped__ = fn  # type: ignore[attr-defined]
    return wrapper


@pytest.mark.parametrize(
    "fn",
    [
        Callable0().method,
        Callable0.of_the_class,
        Callable0.static,
        Callable0(),
        partial(Callable0.method, Callable0()),
        partial(partial(Callable0())),
        hands_out(Callable0().method),
    ],
    ids=["method", "classmethod", "staticmethod", "callable object", "partial", "partial of one", "wrapper"],
)
async def test_methods_partials_callable_objects(fn: Callable[[], Awaitable[None]]) -> None:
    """What is awaitable in any guise is guarded to its end, by decoration and by `call`."""
    breaker = breaker_of()
    guarded = breaker(fn)
    for _ in range(2):
        with pytest.raises(Said):
            await guarded()
        with pytest.raises(Said):
            await breaker.call(fn)
    assert (breaker.state, breaker.snapshot().verdicts["FAILURE"]) == (State.OPEN, 4)
    with pytest.raises(CallNotPermitted):
        await guarded()


async def test_methods_decorated_in_the_class() -> None:
    """A decorated method is bound as any other, with one breaker for all instances."""
    breaker = breaker_of()

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        @breaker
        async def get(self, key: str) -> tuple[str, str]:
            return self.name, key

        @classmethod
        @breaker
        def make(cls, name: str) -> Client:
            return cls(name)

        @staticmethod
        @breaker
        def twice(number: int) -> int:
            return 2 * number

    assert await Client("a").get("k") == ("a", "k")
    assert await Client.make("b").get("k") == ("b", "k")
    assert Client.twice(2) == 4
    assert breaker.snapshot().verdicts["SUCCESS"] == 4


def test_wrapper_metadata() -> None:
    """Name, docstring, signature and kind stay, the original and the breaker are at hand."""
    breaker = breaker_of()

    async def fetch(key: str, *, retries: int = 0) -> bytes:
        """Fetch it."""
        return key.encode() * retries

    def rows(size: int) -> Generator[int, None, None]:
        yield from range(size)

    async def stream(size: int) -> AsyncGenerator[int, None]:
        for number in range(size):
            yield number

    guarded = breaker(fetch)
    assert (guarded.__name__, guarded.__doc__, guarded.__module__) == ("fetch", "Fetch it.", __name__)
    assert inspect.signature(guarded) == inspect.signature(fetch)
    assert inspect.unwrap(guarded) is fetch
    assert guarded.breaker is breaker  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(guarded)
    assert inspect.isgeneratorfunction(breaker(rows))
    assert inspect.isasyncgenfunction(breaker(stream))
    assert not inspect.iscoroutinefunction(breaker(len))


def test_reentrancy_sync() -> None:
    """A guarded function that calls itself through the same breaker neither hangs nor is counted short."""
    breaker = breaker_of()

    @breaker
    def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1)

    assert down(5) == 5
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (6, 0)


async def test_reentrancy_async() -> None:
    """The same for coroutine functions, with a failure in the innermost."""
    breaker = breaker_of(minimum_number_of_calls=8)

    @breaker
    async def down(depth: int) -> int:
        await checkpoint()
        if depth == 0:
            raise Said(Verdict.FAILURE)
        return 1 + await down(depth - 1)

    with pytest.raises(Said):
        await down(5)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.in_flight) == (6, 0)


def test_two_event_loops() -> None:
    """One breaker serves loops one after the other and at once in threads, asyncio and trio side by side."""
    breaker = breaker_of(window=CountWindow(1000), minimum_number_of_calls=1000)
    backend = Backend()

    async def calls() -> None:
        for _ in range(20):
            await breaker.call(backend.get)

    async def crowd() -> None:
        async with create_task_group() as group:
            for _ in range(5):
                group.start_soon(calls)

    run(crowd, backend="asyncio")
    run(crowd, backend="trio")
    in_threads(lambda number: run(crowd, backend=("asyncio", "trio")[number % 2]), threads=4)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.in_flight) == (600, 0)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_works(anyio_backend: str) -> None:
    """Calls, blocks and streams under trio: counted, opened, refused, probed and closed."""
    clock = VirtualClock()
    breaker = breaker_of(clock, permitted_calls_in_half_open=1)
    good, bad = Backend(), Backend(Said(Verdict.FAILURE))
    assert await breaker.call(good.get, "v") == "v"
    for _ in range(3):
        with pytest.raises(Said):
            await breaker.call(bad.get)
    with pytest.raises(CallNotPermitted):
        await breaker.call(good.get)
    clock.advance(8)
    async with breaker.permit():
        await checkpoint()
    assert breaker.state is State.CLOSED
    assert trio.lowlevel.in_trio_run()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_cancelled_probe_returns_permit(anyio_backend: str) -> None:
    """Trio's own cancellation, by deadline, of the only probe: another is admitted."""
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)
    begun = Event()
    with anyio.move_on_after(0) as scope:
        await breaker.call(hang, begun)
    assert scope.cancelled_caught
    assert begun.is_set()
    assert breaker.snapshot().probes == (0, 0)
    succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_no_threads_or_tasks_left() -> None:
    """A life of a breaker, with an outage and recovery in it, leaves no thread and no task behind, nor has any."""
    threads, tasks = threading.active_count(), len(anyio.get_running_tasks())
    clock = VirtualClock()
    breaker = half_open(clock)
    assert (threading.active_count(), len(anyio.get_running_tasks())) == (threads, tasks)
    backend = Backend()
    for _ in range(4):
        await breaker.call(backend.get)
    assert breaker.state is State.CLOSED
    del breaker
    await checkpoint()
    assert (threading.active_count(), len(anyio.get_running_tasks())) == (threads, tasks)


# -- seeing and steering ---------------------------------------------------------------------------------------------


class Raising:
    def __init__(self) -> None:
        self.heard = 0

    def on_transition(self, event: Transition | TripSuppressed) -> None:
        self.heard += 1
        raise RuntimeError("broken observer")

    on_settled = on_refused = on_transition


async def test_raising_listener_harmless(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises at, calls and states are as without it; it is logged, and dropped after ten errors."""
    clock = VirtualClock()
    breaker, quiet = breaker_of(clock), breaker_of(clock)
    bad = Raising()
    breaker.subscribe(bad)
    ear = Ear()
    breaker.subscribe(ear)
    for subject in (breaker, quiet):
        fail(subject, 4)
        assert refused(subject).state is State.OPEN
        clock.advance(8)
        succeed(subject, 3)
        assert subject.state is State.CLOSED
        fail(subject, 4)
        assert subject.snapshot().state is State.OPEN
    assert bad.heard == 10
    assert path(ear) == [
        ("CLOSED", "OPEN", "failure_rate"),
        ("OPEN", "HALF_OPEN", "wait_elapsed"),
        ("HALF_OPEN", "CLOSED", "probes_passed"),
        ("CLOSED", "OPEN", "failure_rate"),
    ]
    assert breaker.snapshot().verdicts == quiet.snapshot().verdicts
    assert "dropped" in caplog.records[-1].getMessage()


async def test_listener_reading_state() -> None:
    """An observer may look at the breaker, and steer it, from inside the event: no deadlock, and in order."""
    breaker = breaker_of()
    seen: list[State] = []

    class Looking:
        def on_transition(self, event: Transition) -> None:
            seen.append(breaker.state)
            breaker.explain()
            if event.to_state is State.OPEN:
                breaker.reset("the observer says so")

    breaker.subscribe(Looking())
    ear = Ear()
    breaker.subscribe(ear)
    fail(breaker, 4)
    assert seen == [State.OPEN, State.CLOSED]
    assert [event.to_state for event in ear.of(Transition)] == [State.OPEN, State.CLOSED]


async def test_force_open_and_reset() -> None:
    """An operator shuts it and lets it go again; both are seen."""
    breaker = breaker_of()
    ear = Ear()
    breaker.subscribe(ear)
    breaker.force_open("migration")
    backend = Backend()
    with pytest.raises(CallNotPermitted, match="migration") as refusal:
        await breaker.call(backend.get)
    assert (refusal.value.state, refusal.value.retry_after, backend.begun) == (State.FORCED_OPEN, None, 0)
    breaker.reset()
    assert await breaker.call(backend.get) == "k"
    assert path(ear) == [("CLOSED", "FORCED_OPEN", "operator"), ("FORCED_OPEN", "CLOSED", "operator")]


async def test_metrics() -> None:
    """One snapshot has every number: outcomes by verdict, refusals by state, rates, calls in flight, late results."""
    clock = VirtualClock()
    breaker = breaker_of(clock)
    late = hold(breaker)
    succeed(breaker, 2)
    fail(breaker, 1, Verdict.IGNORED)
    fail(breaker, 1)
    before = breaker.snapshot()
    assert (before.calls, before.failure_rate, before.in_flight) == (3, 1 / 3, 1)
    fail(breaker)
    refused(breaker)
    late.returns()
    after = breaker.snapshot()
    assert after.verdicts == {"SUCCESS": 2, "FAILURE": 2, "THROTTLED": 0, "EXHAUSTED": 0, "IGNORED": 1}
    assert (after.refused, after.late, after.state) == ({State.OPEN: 1}, 1, State.OPEN)


# -- copies, footprint, types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_pickles(protocol: int) -> None:
    """A refusal that crossed a process boundary says the same, with its causes; so does one that was copied."""
    breaker = opened(VirtualClock())
    refusal = refused(breaker)
    for twin in (pickle.loads(pickle.dumps(refusal, protocol)), copy.copy(refusal), copy.deepcopy(refusal)):
        assert type(twin) is CallNotPermitted
        assert str(twin) == str(refusal)
        assert (twin.breaker, twin.domain, twin.state, twin.retry_after, twin.reason, twin.causes) == (
            "b", "", State.OPEN, 8.0, refusal.reason, refusal.causes,
        )  # fmt: skip


def test_error_is_new_each_time() -> None:
    """A refusal's traceback does not grow with the calls refused, nor does one refusal hang on another."""
    breaker = opened(VirtualClock())
    for _ in range(100):
        refusal = refused(breaker)
        depth, frame = 0, refusal.__traceback__
        while frame is not None:
            depth, frame = depth + 1, frame.tb_next
        assert depth <= 5
        assert refusal.__context__ is None


@pytest.mark.parametrize("twin_of", [lambda b: pickle.loads(pickle.dumps(b)), copy.copy, copy.deepcopy])
def test_breaker_pickles_or_deepcopies(twin_of: Callable[[CircuitBreaker], CircuitBreaker]) -> None:
    """The twin has name, rules and classification, and watches on its own, from CLOSED."""
    breaker = opened(VirtualClock())
    twin = twin_of(breaker)
    assert (twin.name, twin.config, twin.classify) == (breaker.name, breaker.config, breaker.classify)
    assert (twin.state, breaker.state) == (State.CLOSED, State.OPEN)
    fail(twin, 4)
    assert twin.state is State.OPEN


def test_zero_dependencies() -> None:
    """A breaker at work, through an outage, has loaded the standard library and switchgear alone, and no event loop.

    The distribution needs anyio and pluggy: for what waits, and for plugins.
    """
    program = """
import sys
before = set(sys.modules)
from switchgear import CallNotPermitted, circuit
@circuit("b", consecutive_failures=1)
def down(): raise OSError("down")
try: down()
except OSError: pass
try: down()
except CallNotPermitted as refusal: str(refusal)
down.breaker.explain()
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted((loaded - set(sys.stdlib_module_names)) | (loaded & {"asyncio"})))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("['switchgear']\n", "")


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy: python3 dev.py setup")
def test_mypy_strict_keeps_signature() -> None:
    """The signatures of guarded functions, and the mistakes in calling them, as mypy --strict sees them."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/typing/signatures.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
