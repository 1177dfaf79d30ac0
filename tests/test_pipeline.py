"""Pipelines: in which order strategies run and may stand, what a call may cost, what calls hand on to those inside."""

from __future__ import annotations

import contextvars
import gc
import inspect
import traceback
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import partial, wraps
from itertools import combinations
from math import inf
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import (
    Breaker,
    BreakerConfig,
    CallTimedOut,
    CircuitBreaker,
    ConfigurationError,
    Deadline,
    Fallback,
    Hedge,
    Pipeline,
    Retry,
    RetryBudget,
    Strategy,
    Timeout,
    TimeWindow,
    default_pipeline,
    remaining,
)
from switchgear._call import Call
from switchgear._default_pipeline import in_order
from switchgear._order import _WRONG, ORDER, check_order
from switchgear._pipeline import Bound, Next, SyncNext
from tests.support import DOWN, Held, Said, as_said, gate
from tests.virtual_time import each_backend, run

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Tracing(Strategy):
    """Writes down when it is passed."""

    name: ClassVar[str] = "tracing"

    label: str
    log: list[str]

    def __call__(self, inner: Next, /) -> Next:
        self.log.append(f"{self.label} compiled")

        async def tracing(call: Call) -> Any:
            self.log.append(f"{self.label} in")
            try:
                return await inner(call)
            finally:
                self.log.append(f"{self.label} out")

        return tracing

    def sync(self, inner: SyncNext, /) -> SyncNext:
        return inner


# -- calls -----------------------------------------------------------------------------------------------------------


async def answer(value: object = 1, *, raising: BaseException | None = None) -> object:
    if raising is not None:
        raise raising
    return value


async def test_strategies_run_outermost_first_and_are_compiled_once() -> None:
    """What is written first is passed first; a call compiles nothing."""
    log: list[str] = []
    pipeline = Pipeline(Tracing("a", log), Tracing("b", log), Tracing("c", log))
    assert log == ["c compiled", "b compiled", "a compiled"]
    for _ in range(2):
        log.clear()
        assert await pipeline.call(answer) == 1
        assert log == ["a in", "b in", "c in", "c out", "b out", "a out"]


EVERYTHING = (
    Fallback(value=None, on=lambda _: False), Deadline(30), Retry(attempts=1), Hedge(), Timeout(10),
)  # fmt: skip


async def test_a_result_is_the_very_object() -> None:
    """Nothing is copied or wrapped on the way out."""
    result = object()
    assert await Pipeline(*EVERYTHING).call(answer, result) is result


@pytest.mark.parametrize("exc", [ValueError("no"), KeyboardInterrupt(), GeneratorExit()])
async def test_an_exception_passes_unchanged(exc: BaseException) -> None:
    """The same object, with its cause and with the place where it was raised."""
    exc.__cause__ = cause = OSError()
    with pytest.raises(type(exc)) as raised:
        await Pipeline(*EVERYTHING).call(answer, raising=exc)
    assert raised.value is exc
    assert exc.__cause__ is cause
    assert traceback.extract_tb(exc.__traceback__)[-1].name == "answer"


async def test_a_decorated_function_keeps_its_looks() -> None:
    """Name, signature, docstring and kind are the function's own; arguments arrive as given."""

    @Pipeline(Timeout(1))
    async def fetch(symbol: str, *, tries: int = 1) -> tuple[str, int]:
        """Fetches."""
        return symbol, tries

    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetches.")
    assert list(inspect.signature(fetch).parameters) == ["symbol", "tries"]
    assert inspect.iscoroutinefunction(fetch)
    assert await fetch("a", tries=2) == ("a", 2)


async def test_methods_are_decorated_too() -> None:
    """`self` is an argument as any other."""

    class Client:
        @Pipeline(Timeout(1))
        async def get(self, key: str) -> tuple[object, str]:
            return self, key

    client = Client()
    assert await client.get("k") == (client, "k")


async def test_whatever_makes_a_coroutine_is_a_coroutine_function() -> None:
    """Partials, objects with an asynchronous `__call__`, and plain wrappers of coroutine functions."""

    class Callable:
        async def __call__(self, value: object) -> object:
            return value

    @wraps(answer)
    def wrapper(value: object) -> Any:
        return answer(value)

    makers: list[Any] = [partial(answer), partial(Callable()), Callable(), wrapper]
    for fn in makers:
        guarded: Any = Pipeline(Timeout(1))(fn)
        assert inspect.iscoroutinefunction(guarded)
        assert await guarded(1) == 1


def test_a_plain_function_goes_through_strategies_that_need_no_loop() -> None:
    """Outside any event loop."""
    failing = iter([DOWN, DOWN])

    @Pipeline(Deadline(10), Retry(initial=0, max=0), Breaker(CircuitBreaker("b")), idempotent=True)
    def fetch(symbol: str) -> str:
        for exc in failing:
            raise exc
        return symbol

    assert fetch("a") == "a"


def test_a_plain_function_is_refused_by_a_strategy_that_needs_a_loop() -> None:
    """When it is decorated, not when it is called."""
    with pytest.raises(ConfigurationError, match="'timeout' needs an event loop"):
        Pipeline(Timeout(1))(lambda: 1)


def test_generators_are_refused() -> None:
    """Part of their output would be out when they are tried again."""

    async def stream() -> AsyncIterator[int]:
        yield 1

    def pages() -> Iterator[int]:
        yield 1

    for generator in (stream, pages):
        with pytest.raises(ConfigurationError, match="A generator cannot be tried again"):
            Pipeline(Retry())(generator)


def test_a_strategy_that_makes_no_coroutine_function_is_found_at_once() -> None:
    """Not at the first call."""

    class Wrong(Strategy):
        name = "wrong"

        def __call__(self, inner: Next, /) -> Next:
            return lambda call: inner(call.again())

    with pytest.raises(ConfigurationError, match="'wrong' did not make a coroutine function"):
        Pipeline(Wrong())


def test_what_is_no_strategy_is_found_at_once() -> None:
    """A breaker by itself, for one."""
    breaker: Any = CircuitBreaker("b")
    with pytest.raises(ConfigurationError, match=r"<CircuitBreaker b CLOSED> is no strategy. A breaker goes in as"):
        Pipeline(Retry(), breaker)


# -- order -----------------------------------------------------------------------------------------------------------


@given(st.sets(st.sampled_from(ORDER)))
def test_the_usual_order_is_right_whatever_is_left_out(names: set[str]) -> None:
    """No reason against a pair speaks against the default order."""
    check_order([name for name in ORDER if name in names])


@pytest.mark.parametrize(("outer", "inner"), _WRONG, ids=" > ".join)
def test_a_wrong_order_is_refused_with_the_reason(outer: str, inner: str) -> None:
    """Both are named, and what would happen; the other way round is right."""
    with pytest.raises(ConfigurationError) as error:
        check_order(["x", outer, "y", inner, "z"])
    assert _WRONG[outer, inner] in str(error.value)
    assert repr(outer) in str(error.value)
    if outer != inner:
        check_order([inner, outer])


def test_every_wrong_pair_stands_otherwise_in_the_usual_order() -> None:
    """What is refused is exactly some of what the default order never has."""
    usual = set(combinations(ORDER, 2))
    assert usual.isdisjoint(_WRONG)
    assert {name for pair in _WRONG for name in pair} <= set(ORDER)


def test_strategies_of_others_take_their_place() -> None:
    """One that switchgear does not know stands just inside of what it says."""
    strangers: list[Strategy] = [Timeout(1), Tracing("t", []), Retry(), Deadline(5)]
    assert [each.name for each in in_order(strangers)] == ["deadline", "retry", "tracing", "timeout"]


def test_a_pipeline_checks_its_order() -> None:
    """In code too."""
    with pytest.raises(ConfigurationError, match="'timeout' stands outside 'retry'"):
        Pipeline(Timeout(1), Retry())


def test_a_deadline_has_room_for_an_attempt() -> None:
    """Else no attempt could ever use its time."""
    Pipeline(Deadline(1), Timeout(1))
    with pytest.raises(ConfigurationError, match="A deadline of 1 s is over before one attempt"):
        Pipeline(Deadline(1), Retry(), Timeout(1.5))


def test_a_window_sees_two_attempts() -> None:
    """A breaker that looks back no further than an attempt takes sees none of them together."""
    breaker = CircuitBreaker("b", BreakerConfig(window=TimeWindow(10)))
    Pipeline(Breaker(breaker), Timeout(5))
    with pytest.raises(ConfigurationError, match="looks back 10 s, and an attempt may take 6 s"):
        Pipeline(Breaker(breaker), Timeout(6))


# -- what a call may cost --------------------------------------------------------------------------------------------


def test_explain_prints_the_stack_as_it_runs() -> None:
    """Outermost first, with the most that a call may cost."""
    breaker = CircuitBreaker("quotes", BreakerConfig(slow_call_duration_threshold=0.5))
    assert str(default_pipeline(breaker).explain()).splitlines() == [
        "quotes: at most 3 s (blocking: without a limit), at most 3 attempts a call",
        "  deadline   3 s in all",
        "  retry      3 attempts of what is idempotent, 0.05 to 2 s apart, in all at most 20% of the calls and 3",
        "  breaker    opens at 50% failed or 50% slow of the last 100 calls",
        "  timeout    1 s an attempt",
        "  call",
    ]
    assert str(Pipeline(name="bare").explain()) == "bare: without a limit of time, at most 1 attempt a call\n  call"


def test_what_is_printed_of_them() -> None:
    """For logs and debuggers."""
    assert repr(Pipeline(Retry(), Timeout(1), name="quotes")) == "<Pipeline quotes: retry > timeout>"
    assert repr(RetryBudget(burst=5)) == "RetryBudget(ratio=0.2, burst=5)"
    assert Hedge().describe() == "a second attempt of what is idempotent after what 95% of the calls take"
    assert Hedge(delay=0.1, idempotent_only=False).describe() == "a second attempt after 0.1 s"
    assert Tracing("t", []).describe() == ""


@dataclass
class Bad:
    """A backend that never serves, and counts its calls."""

    hangs: bool
    retry_after: float | None
    attempts: int = 0

    async def __call__(self) -> None:
        self.attempts += 1
        if self.hangs:
            await anyio.sleep_forever()
        raise Said(DOWN.verdict.after(self.retry_after))


seconds = st.floats(0.1, 10)


@each_backend
@given(
    deadline=st.none() | st.floats(10, 60), attempts=st.integers(1, 5),
    pauses=st.lists(seconds, min_size=2, max_size=2), jitter=st.sampled_from(["full", "decorrelated"]),
    timeout=seconds, hedged=st.none() | seconds,
    bad=st.builds(Bad, st.booleans(), st.none() | st.floats(0, 10)),
)  # fmt: skip
def test_no_call_costs_more_than_its_bound(
    backend: str, deadline: float | None, attempts: int, pauses: list[float], jitter: Any, timeout: float,
    hedged: float | None, bad: Bad,
) -> None:  # fmt: skip
    """Seconds and attempts, whatever the backend does and however large the budget is."""
    retry = Retry(attempts, min(pauses), max(pauses), jitter, budget=RetryBudget(burst=1000), roll=lambda: 1.0)
    strategies = [retry, *([] if hedged is None else [Hedge(delay=hedged)]), Timeout(timeout)]
    strategies = strategies if deadline is None else [Deadline(deadline), *strategies]
    bad = replace(bad, attempts=0)

    async def main() -> float:
        pipeline = Pipeline(*strategies, idempotent=True, classify=as_said, clock=anyio.current_time)
        started = anyio.current_time()
        with pytest.raises((CallTimedOut, Said)):
            await pipeline.call(bad)
        assert pipeline.bound.attempt_seconds == timeout
        return pipeline.bound.seconds - (anyio.current_time() - started)

    assert run(main, backend=backend) >= -1e-6
    assert bad.attempts <= attempts * (1 if hedged is None else 2)


def test_a_function_in_a_fallback_has_no_bound() -> None:
    """It is somebody else's."""
    assert Pipeline(Fallback(function=answer), Deadline(1)).bound == Bound(inf, 1, inf)
    assert Pipeline(Fallback(value=1), Deadline(1)).bound == Bound(1, 1, inf)


# -- what is handed on -----------------------------------------------------------------------------------------------


def pipeline_of(*strategies: Strategy, **options: Any) -> Pipeline:
    return Pipeline(*strategies, clock=anyio.current_time, **options)


@each_backend
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5, unique=True))
def test_the_nearest_of_nested_deadlines_holds(backend: str, limits: list[int]) -> None:
    """However pipelines are nested, the shortest time ends the call, and no level believes to have more than it has."""
    left: list[float] = []

    async def nest(limits: list[int]) -> None:
        if not limits:
            await anyio.sleep_forever()
        left.append(remaining())
        await pipeline_of(Deadline(limits[0])).call(nest, limits[1:])

    async def main() -> None:
        started = anyio.current_time()
        with pytest.raises(CallTimedOut) as error:
            await nest(limits)
        assert error.value.whole
        assert error.value.seconds == min(limits)
        assert anyio.current_time() - started == pytest.approx(min(limits))
        assert remaining() == inf

    run(main, backend=backend)
    assert left == sorted(left, reverse=True)
    assert left[0] == inf


@each_backend
def test_a_task_that_outlives_a_call_inherits_nothing(backend: str) -> None:
    """What a call has started in the background is not ended by the call's deadline, nor pays from its budget."""
    seen: list[object] = []

    async def background(over: anyio.Event) -> None:
        await over.wait()
        await anyio.sleep(100)
        seen.append(remaining())
        call = Call(pipeline_of(), pipeline_of().operation, "", answer)
        seen.append(call.budget)

    async def main() -> None:
        over = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def start() -> None:
                assert remaining() == 5
                tasks.start_soon(background, over)

            await pipeline_of(Deadline(5), Retry()).call(start)
            over.set()

    run(main, backend=backend)
    assert seen == [inf, None]


@each_backend
def test_calls_side_by_side_do_not_mix(backend: str) -> None:
    """Each task has the deadline of its own call."""
    seen: dict[int, float] = {}

    async def look(limit: int) -> None:
        await anyio.sleep(1)
        seen[limit] = remaining()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for limit in (5, 10, 20):
                tasks.start_soon(pipeline_of(Deadline(limit))(look), limit)

    run(main, backend=backend)
    assert seen == {5: pytest.approx(4), 10: pytest.approx(9), 20: pytest.approx(19)}


def test_a_call_that_is_thrown_away_elsewhere_is_left_quietly() -> None:
    """The collector closes a coroutine in whatever context it runs; that is no error, and leaves nothing behind."""
    held = contextvars.copy_context().run(lambda: Held(Pipeline(Retry()).call(gate)))
    held.closed()
    assert remaining() == inf


def test_classes_without_a_limit_are_named() -> None:
    """What the most seconds do not hold for: the worst case is nobody's guess."""
    # A write may take all of the deadline, for no attempt of it is limited.
    explained = Pipeline(Deadline({"read": 3, "write": 5}), Timeout({"read": 1, "admin": 2})).explain()
    assert (explained.bound.seconds, explained.unlimited) == (5, ("blocking", "stream"))
    assert str(explained).startswith("call: at most 5 s (blocking, stream: without a limit), ")


@pytest.mark.anyio
async def test_a_call_that_is_over_keeps_nothing_alive() -> None:
    """Neither its arguments nor its deadline outlive it, in a task that goes on without another call."""

    class Argument:
        pass

    async def takes(_argument: Argument) -> None:
        assert remaining() <= 5

    argument = Argument()
    alive = weakref.ref(argument)
    await Pipeline(Deadline(5)).call(takes, argument)
    del argument
    gc.collect()
    assert alive() is None
    assert remaining() == inf
