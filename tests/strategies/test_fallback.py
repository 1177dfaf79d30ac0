"""Answers from elsewhere: which, when, how old, who learns of it, and what must not be touched on the way."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import (
    CallNotPermitted,
    ConfigurationError,
    Deadline,
    Degraded,
    Fallback,
    LimitExceeded,
    Pipeline,
    Strategy,
    Switchgear,
    Timeout,
    Verdict,
    degraded,
)
from switchgear._strategies._last_good import MOST_KEPT
from switchgear.spi import Operation
from tests.backends import Client, backend_of
from tests.support import DOWN, Said, as_said
from tests.virtual_time import each_backend, run


def pipeline_of(*strategies: Strategy, **options: Any) -> Pipeline:
    return Pipeline(*strategies, classify=as_said, clock=anyio.current_time, **{"name": "quotes", **options})


class Backend:
    """Serves its arguments until it is down."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def __call__(self, *args: object, **keywords: object) -> object:
        if self.error is not None:
            raise self.error
        return args, keywords


async def hang() -> object:
    await anyio.sleep_forever()
    return None


async def stand_in(*args: object, **keywords: object) -> object:
    return "stand-in", args, keywords


# -- from where ------------------------------------------------------------------------------------------------------


@each_backend
def test_a_value(backend: str) -> None:
    """The very object, and a note of it for whoever wants to know."""
    value = object()

    async def main() -> None:
        there = Backend()
        pipeline = pipeline_of(Fallback(value=value))
        with degraded() as answers:
            assert await pipeline.call(there) == ((), {})
            assert answers == []
            there.error = DOWN
            assert await pipeline.call(there) is value
        assert answers == [
            Degraded(service="quotes", operation="quotes", domain="", source="value", age=None, cause="Said: down")
        ]

    run(main, backend=backend)


@each_backend
def test_a_function_has_the_same_arguments(backend: str) -> None:
    """Of a coroutine function or a plain one, named as the source."""

    async def main() -> None:
        there = Backend()
        there.error = DOWN
        for function in (stand_in, lambda *args, **keywords: ("stand-in", args, keywords)):
            with degraded() as answers:
                answer = await pipeline_of(Fallback(function=function)).call(there, 1, key="k")
            assert answer == ("stand-in", (1,), {"key": "k"})
            assert answers[0].source == function.__qualname__

    run(main, backend=backend)


@each_backend
@given(age=st.floats(0, 20), stale=st.floats(0.1, 20))
def test_the_last_good_result_up_to_an_age(backend: str, age: float, stale: float) -> None:
    """Never older than allowed, and its age is told; then what else there is."""

    async def main() -> None:
        there = Backend()
        pipeline = pipeline_of(Fallback(stale=stale, value="none"))
        served = await pipeline.call(there, 1)
        there.error = DOWN
        await anyio.sleep(age)
        passed = anyio.current_time()
        with degraded() as answers:
            answer = await pipeline.call(there, 1)
        [told] = answers
        if told.source == "stale":
            assert answer is served
            assert told.age is not None
            assert told.age <= stale
            assert told.age == pytest.approx(age)
        else:
            assert answer == "none"
            assert age > stale - 1e-6
        assert anyio.current_time() == passed

    run(main, backend=backend)


@each_backend
def test_a_result_is_kept_for_its_arguments(backend: str) -> None:
    """Another call's result is no answer, nor is one whose arguments cannot be told apart or are not to be seen."""

    async def main() -> None:
        there = Backend()
        pipeline = pipeline_of(Fallback(stale=100))
        served = await pipeline.call(there, 1, key="a")
        unhashable: list[int] = [1]
        await pipeline.call(there, unhashable)
        await pipeline.run(Operation(name="get"), "", there)
        there.error = DOWN
        assert await pipeline.call(there, 1, key="a") is served
        for call in (
            partial(pipeline.call, there, 1, key="b"), partial(pipeline.call, there, 2, key="a"),
            partial(pipeline.call, there, unhashable), partial(pipeline.run, Operation(name="get"), "", there),
        ):  # fmt: skip
            with pytest.raises(Said):
                await call()

    run(main, backend=backend)


@each_backend
def test_results_are_kept_by_a_key_of_ones_own(backend: str) -> None:
    """Where arguments are not what tells calls apart."""

    async def main() -> None:
        there = Backend()
        pipeline = pipeline_of(Fallback(stale=100, key=lambda call: call.operation.name))
        served = await pipeline.run(Operation(name="get"), "", there)
        there.error = DOWN
        assert await pipeline.run(Operation(name="get"), "", there) is served
        with pytest.raises(Said):
            await pipeline.run(Operation(name="head"), "", there)

    run(main, backend=backend)


@each_backend
def test_keys_made_up_by_strangers_do_not_fill_the_memory(backend: str) -> None:
    """There is a bound, and what was renewed longest ago goes."""

    async def main() -> None:
        there = Backend()
        pipeline = pipeline_of(Fallback(stale=100))
        await pipeline.call(there, "first")
        for number in range(MOST_KEPT - 1):
            await pipeline.call(there, number)
        await pipeline.call(there, "first")
        await pipeline.call(there, "one more")
        there.error = DOWN
        await pipeline.call(there, "first")
        await pipeline.call(there, 1)
        with pytest.raises(Said):
            await pipeline.call(there, 0)

    run(main, backend=backend)


# -- when ------------------------------------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize(("name", "helped"), [
    ("FAILURE", True), ("THROTTLED", True), ("EXHAUSTED", True), ("SUCCESS", False), ("IGNORED", False),
])  # fmt: skip
def test_it_helps_where_the_backend_did_not_serve(backend: str, name: str, helped: bool) -> None:
    """A 404 is an answer, and a wrong argument is the caller's: they are not papered over."""

    async def main() -> None:
        there = Backend()
        there.error = Said(getattr(Verdict, name))
        if helped:
            assert await pipeline_of(Fallback(value=1)).call(there) == 1
        else:
            with pytest.raises(Said):
                await pipeline_of(Fallback(value=1)).call(there)

    run(main, backend=backend)


@each_backend
def test_it_helps_against_refusals_and_limits_of_time(backend: str) -> None:
    """A full bulkhead, an open breaker, a timeout, a deadline; not against being cancelled."""

    async def main() -> None:
        there = Backend()
        there.error = LimitExceeded("b", "", "bulkhead", None, "full")
        assert await pipeline_of(Fallback(value=1)).call(there) == 1
        assert await pipeline_of(Fallback(value=1), Timeout(1)).call(hang) == 1
        assert await pipeline_of(Fallback(value=1), Deadline(1)).call(hang) == 1
        with anyio.move_on_after(1) as scope:
            await pipeline_of(Fallback(value=1)).call(anyio.sleep_forever)
        assert scope.cancelled_caught

    run(main, backend=backend)


@each_backend
def test_exceptions_and_operations_can_be_named(backend: str) -> None:
    """Then it is for these alone."""

    async def main() -> None:
        there = Backend()
        there.error = KeyError()
        assert await pipeline_of(Fallback(value=1, on=KeyError)).call(there) == 1
        with pytest.raises(KeyError):
            await pipeline_of(Fallback(value=1, on=ValueError)).call(there)
        reads = pipeline_of(Fallback(value=1, operations=("get",)))
        assert await reads.run(Operation(name="get"), "", there) == 1
        with pytest.raises(KeyError):
            await reads.run(Operation(name="set"), "", there)

    run(main, backend=backend)


@each_backend
def test_when_nothing_helps_the_error_is_the_calls(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not the fallback's, which is logged and counted; another source behind it still helps."""

    async def broken() -> object:
        raise ZeroDivisionError("of its own")

    async def main() -> None:
        there = Backend()
        there.error = DOWN
        fallback = Fallback(function=broken)
        with pytest.raises(Said) as error:
            await pipeline_of(fallback).call(there)
        assert error.value is DOWN
        assert fallback.counts()["failed"] == 1
        assert await pipeline_of(Fallback(function=broken, value=2)).call(there) == 2

    run(main, backend=backend)
    assert "broken for quotes failed: ZeroDivisionError: of its own" in caplog.text


# -- who learns of it ------------------------------------------------------------------------------------------------


@each_backend
def test_answers_of_tasks_are_told_to_who_started_them(backend: str) -> None:
    """Nested listeners hear all that happens inside them, and nothing else."""

    async def main() -> None:
        there = Backend()
        there.error = DOWN
        pipeline = pipeline_of(Fallback(value=1))
        with degraded() as outer:
            await pipeline.call(there)
            with degraded() as inner:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(pipeline.call, there)
                    tasks.start_soon(pipeline.call, there)
            await pipeline.call(there)
        await pipeline.call(there)
        assert (len(outer), len(inner)) == (4, 2)

    run(main, backend=backend)


def test_it_counts_and_describes_itself() -> None:
    """By source, for metrics and explanations."""
    fallback = Fallback(value=0, stale=60, function=stand_in)
    assert fallback.describe() == "the last good result, up to 60 s old, else stand_in, else the value 0"
    assert fallback.counts() == {
        "stale": 0, "function": 0, "value": 0, "failed": 0, "exercises": 0, "exercises_failed": 0
    }  # fmt: skip


# -- what it must not touch ------------------------------------------------------------------------------------------


@each_backend
def test_it_never_reaches_what_has_failed(backend: str) -> None:
    """Invariant 41: a fallback that would call the failed service, or the part of it that failed, is refused there; a
    part that works may help. Afterwards everything may be called as before.
    """
    gear = Switchgear()
    llm: Client = gear.guard(Client(), backend_of(), name="llm", pipeline=[])
    other: Client = gear.guard(Client(), backend_of(), name="other")

    async def down() -> str:
        raise DOWN

    async def ask(client: Client, domain: str) -> str:
        client.get(domain)
        return domain

    async def answered(domain: str, function: Any) -> object:
        pipeline = pipeline_of(Fallback(function=function), name="llm")
        return await pipeline.run(Operation(name="chat"), domain, down)

    async def main() -> None:
        assert await answered("large", partial(ask, llm, "small")) == "small"
        assert await answered("", partial(ask, other, "large")) == "large"
        for domain, function in (("large", partial(ask, llm, "large")), ("", partial(ask, llm, "small"))):
            with pytest.raises(Said):
                await answered(domain, function)
        llm.get("large")

    run(main, backend=backend)
    assert llm.happened == ["get small", "get large"]


@each_backend
def test_nor_what_refused_further_in(backend: str) -> None:
    """A handler's fallback is not to call the service whose breaker refused the handler."""
    gear = Switchgear()
    client: Client = gear.guard(Client(), backend_of(), name="db")
    gear.breaker("db", "primary").force_open("maintenance")

    async def handler() -> None:
        client.get("primary")

    async def again() -> None:
        gear.breaker("db").reset()
        with pytest.raises(CallNotPermitted, match=r"this is part of .*again, the fallback for it"):
            client.get("primary")
        client.get("replica")

    async def main() -> None:
        await pipeline_of(Fallback(function=again), name="handler").call(handler)

    run(main, backend=backend)


# -- exercises -------------------------------------------------------------------------------------------------------


@each_backend
def test_it_is_exercised_while_all_is_well(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """One call in so many tries it out, with its own result; that it would fail is found before it is needed."""
    asked: list[object] = []

    async def works(key: object) -> None:
        asked.append(key)

    async def main() -> None:
        there, fallback = Backend(), Fallback(function=works, canary=0.1)
        pipeline = pipeline_of(fallback)
        for number in range(100):
            assert await pipeline.call(there, number) == ((number,), {})
        assert fallback.counts()["exercises"] == len(asked)
        assert 9 <= len(asked) <= 10

        hangs = Fallback(function=anyio.sleep, canary=1)
        started = anyio.current_time()
        assert await pipeline_of(hangs).call(there, 1000) == ((1000,), {})
        assert anyio.current_time() - started == pytest.approx(1)
        assert hangs.counts()["exercises_failed"] == 1

        with degraded() as answers:
            await pipeline_of(Fallback(function=works, canary=1)).call(there, 1)
        assert answers == []

    run(main, backend=backend)
    assert "would not work now" in caplog.text


@each_backend
def test_it_never_reaches_what_the_failed_service_requires(backend: str) -> None:
    """Nor what that requires in turn: when they fail, so does the service, and the fallback would too. This shows in an
    exercise, while all is well.
    """
    gear = Switchgear()
    fallbacks: dict[str, Fallback] = {}
    clients: dict[str, Client] = {}
    for name in ("network", "db", "other"):
        clients[name] = gear.guard(Client(), backend_of(), name=name)
    for name, client in clients.items():
        fallbacks[name] = Fallback(function=client.get, canary=1)
        gear.guard(Client(), backend_of(), name=f"orders-{name}", pipeline=[fallbacks[name]])
    gear.degradation.declare({"db": ["network"], **{f"orders-{name}": ["db"] for name in clients}})

    async def main() -> None:
        for name in clients:
            await gear.service(f"orders-{name}").run(Operation(name="orders.get"), "", anyio.lowlevel.checkpoint)

    run(main, backend=backend)
    assert {name: bool(client.happened) for name, client in clients.items()} == {
        "network": False, "db": False, "other": True
    }  # fmt: skip
    assert [fallbacks[name].counts()["exercises_failed"] for name in clients] == [1, 1, 0]


@each_backend
def test_an_exercise_shows_that_it_touches_what_it_stands_in_for(backend: str) -> None:
    """In good weather, when it costs nothing."""
    gear = Switchgear()
    client: Client = gear.guard(Client(), backend_of(), name="quotes")
    fallback = Fallback(function=client.get, canary=1)

    async def main() -> None:
        await pipeline_of(fallback).call(Backend())

    run(main, backend=backend)
    assert fallback.counts()["exercises_failed"] == 1
    assert client.happened == []


WRONG: list[dict[str, Any]] = [{}, {"stale": 0}, {"stale": float("nan")}, {"value": 1, "canary": 2}]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(ConfigurationError):
        Fallback(**options)
