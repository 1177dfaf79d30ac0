"""A breaker among the other strategies, and the place of a service's."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from switchgear import (
    Breaker,
    CallNotPermitted,
    Fallback,
    LimitExceeded,
    Pipeline,
    Retry,
    RetryBudget,
    State,
    Switchgear,
    Timeout,
    TimeWindow,
    Verdict,
    default_pipeline,
)
from switchgear._verdict import unknown_is_failure
from switchgear.spi import Operation
from tests.backends import GET, Client, backend_of
from tests.support import SMALL, Said, as_said, breaker_of
from tests.virtual_time import each_backend, run


@each_backend
def test_each_attempt_is_evidence(backend: str) -> None:
    """Not each call: three attempts that fail are three failures."""

    async def fail() -> None:
        raise Said(Verdict.FAILURE)

    async def main() -> None:
        breaker = breaker_of()
        pipeline = Pipeline(Retry(), Breaker(breaker), Timeout(1), idempotent=True, clock=anyio.current_time)
        with pytest.raises(Said):
            await pipeline.call(fail)
        assert breaker.snapshot().calls == 3
        with pytest.raises(CallNotPermitted):
            await pipeline.call(fail)
        assert breaker.machine_state is State.OPEN

    run(main, backend=backend)


@each_backend
def test_a_limit_of_ours_is_no_evidence(backend: str) -> None:
    """A refusal further in returns the permit that was taken further out."""

    async def refuse() -> None:
        raise LimitExceeded("b", "", "bulkhead", None, "full")

    async def main() -> None:
        breaker = breaker_of()
        for _ in range(10):
            with pytest.raises(LimitExceeded):
                await Pipeline(Breaker(breaker)).call(refuse)
        assert (breaker.snapshot().calls, breaker.snapshot().in_flight) == (0, 0)

    run(main, backend=backend)


def test_what_it_makes_of_exceptions_holds_for_the_whole_pipeline() -> None:
    """A retry does not try again what the breaker calls served; another classification can be given."""
    breaker = breaker_of()
    assert Pipeline(Retry(), Breaker(breaker)).classify is as_said
    assert Pipeline(Retry(), Breaker(breaker), classify=unknown_is_failure).classify is unknown_is_failure


def test_the_default_round_a_breaker() -> None:
    """In the usual order; a strategy that is given takes its place, or that of the default's."""
    names = [each.name for each in default_pipeline(breaker_of()).strategies]
    assert names == ["deadline", "retry", "breaker", "timeout"]
    mine = Retry(attempts=2)
    pipeline = default_pipeline(breaker_of(), mine, idempotent=True)
    assert pipeline.strategies[1] is mine
    assert pipeline.operation.idempotent


def test_attempts_may_take_twice_what_is_slow() -> None:
    """By class where that is by class; no longer than half of what the breaker looks back; thrice as long in all."""
    by_class = breaker_of(slow_call_duration_threshold={"read": 0.5, "write": 2.0})
    described = dict(default_pipeline(by_class).explain().strategies)
    assert described["deadline"] == "read 3 s, write 12 s in all"
    assert described["timeout"] == "read 1 s, write 4 s an attempt"
    assert default_pipeline(breaker_of(slow_call_duration_threshold=3.0)).bound.seconds == 18
    assert default_pipeline(breaker_of()).bound == (30, 3, 10)
    assert default_pipeline(breaker_of(window=TimeWindow(10))).bound == (15, 3, 5)


# -- of services -----------------------------------------------------------------------------------------------------


class Down(Exception):
    """Nobody's own."""


class Door(Client):
    """A client whose guard asks for the service's pipeline, as a plugin's does."""

    error: Exception | None = None
    attempts = 0

    async def fetch(self, operation: Operation = GET, domain: str = "") -> str:
        assert self.service is not None
        return await self.service.run(operation, domain, partial(self._attempt, operation, domain))

    async def _attempt(self, operation: Operation, domain: str) -> str:
        assert self.service is not None
        with self.service.admit(operation, domain):
            self.attempts += 1
            if self.error is not None:
                raise self.error
            return "served"


IDEMPOTENT = Operation(name="toy.get", idempotent=True)


def guarded(**options: Any) -> tuple[Switchgear, Door]:
    gear = Switchgear(clock=anyio.current_time)
    return gear, gear.guard(Door(), backend_of(SMALL), name="toy", **options)  # type: ignore[return-value]


@each_backend
def test_without_a_pipeline_a_service_just_runs_it(backend: str) -> None:
    """And the breaker is all there is."""

    async def main() -> None:
        gear, door = guarded()
        assert gear.service("toy").pipeline is None
        assert await door.fetch(IDEMPOTENT) == "served"
        door.error = Down()
        with pytest.raises(Down):
            await door.fetch(IDEMPOTENT)
        assert door.attempts == 2

    run(main, backend=backend)


@each_backend
def test_a_guards_attempts_go_through_the_pipeline(backend: str) -> None:
    """Each of them asks the breaker, by its own operation and domain; when that opens it was the last."""

    async def main() -> None:
        gear, door = guarded(pipeline=[Retry(attempts=10, budget=RetryBudget(burst=99)), Timeout(1)])
        pipeline = gear.service("toy").pipeline
        assert pipeline is not None
        assert [each.name for each in pipeline.strategies] == ["retry", "breaker", "timeout"]
        door.error = Said(Verdict.FAILURE)
        with pytest.raises(CallNotPermitted):
            await door.fetch(IDEMPOTENT, "a")
        assert door.attempts == 4
        assert gear.breaker("toy", "a").state is State.OPEN
        assert gear.breaker("toy", "b").state is State.CLOSED
        door.error = None
        assert await door.fetch(IDEMPOTENT, "b") == "served"

    run(main, backend=backend)


@each_backend
def test_refusals_are_the_clients_own(backend: str) -> None:
    """Those of strategies too, where a guard has set a kind of its own."""

    class ToyRefusal(CallNotPermitted, ConnectionError):
        pass

    async def main() -> None:
        gear, _ = guarded(pipeline=[])
        service = gear.service("toy")
        assert service.pipeline is not None
        service.refusal = ToyRefusal
        gear.guard(Door(), service.backend, name="toy")
        assert service.pipeline.refusal is ToyRefusal

    run(main, backend=backend)


@each_backend
def test_a_call_made_inside_an_attempt_is_part_of_it(backend: str) -> None:
    """What a client asks of the same service on the way has no strategies of its own: it would wait for places that the
    attempt itself holds, and multiply.
    """

    async def main() -> None:
        gear, door = guarded(pipeline=[Retry(attempts=3)])
        door.error = Said(Verdict.FAILURE)
        service = gear.service("toy")
        with pytest.raises(Said):
            await service.run(IDEMPOTENT, "", partial(door.fetch, IDEMPOTENT))
        assert door.attempts == 3

    run(main, backend=backend)


@each_backend
def test_what_an_attempt_leaves_behind_is_no_part_of_it(backend: str) -> None:
    """A task that outlives the call makes calls of its own, with all strategies."""

    async def main() -> None:
        gear, door = guarded(pipeline=[Retry(attempts=3)])
        over = anyio.Event()

        async def background() -> None:
            await over.wait()
            door.error = Said(Verdict.FAILURE)
            with pytest.raises(Said):
                await door.fetch(IDEMPOTENT)

        async with anyio.create_task_group() as tasks:

            async def attempt() -> None:
                tasks.start_soon(background)

            await gear.service("toy").run(IDEMPOTENT, "", attempt)
            over.set()
        assert door.attempts == 3

    run(main, backend=backend)


@each_backend
def test_nor_is_a_fallback(backend: str) -> None:
    """What stands in for a failed part of a service may ask another part, and that call has all strategies too."""

    async def main() -> None:
        async def ask_b() -> str:
            return await door.fetch(IDEMPOTENT, "b")

        gear, door = guarded(pipeline=[Fallback(function=ask_b, canary=0), Retry(attempts=2)])
        failing = iter([Said(Verdict.FAILURE)])

        async def attempt() -> str:
            raise Said(Verdict.FAILURE)

        async def flaky(operation: Operation, domain: str) -> str:
            assert domain == "b"
            for exc in failing:
                raise exc
            return "served by b"

        door._attempt = flaky  # type: ignore[method-assign]
        assert await gear.service("toy").run(IDEMPOTENT, "a", attempt) == "served by b"

    run(main, backend=backend)
