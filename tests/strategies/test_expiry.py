"""Limits of time on asyncio, where one timer does for all of one length. What comes of it: test_timeout.py."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any
from weakref import ref

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import Deadline, Pipeline, Timeout
from switchgear._strategies._expiry import Limits
from tests.tasks import in_threads
from tests.virtual_time import each_backend, run


@dataclass
class Attempt:
    """When it begins, how long it would take, how it would end; and how it ended, when."""

    begins: float
    takes: float
    how: str  # returned, raised, hides its cancellation
    outcome: str = ""
    ended: float = inf

    async def work(self) -> str:
        try:
            await anyio.sleep(self.takes)
        except anyio.get_cancelled_exc_class():
            if self.how != "hides":
                raise
        if self.how == "raised":
            raise ValueError
        return "returned"

    async def attend(self, pipeline: Pipeline) -> None:
        await anyio.sleep(self.begins)
        try:
            self.outcome = await pipeline.call(self.work)
        except (ValueError, TimeoutError) as exc:
            self.outcome = "raised" if isinstance(exc, ValueError) else "timed out"
        self.ended = anyio.current_time()


halves = st.integers(0, 20).map(lambda halves: halves / 2)
attempts = st.builds(Attempt, halves, halves, st.sampled_from(["returned", "raised", "hides"]))


@each_backend
@given(st.lists(attempts, max_size=30))
def test_many_at_once_end_when_each_would_alone(backend: str, crowd: list[Attempt]) -> None:
    """Whoever begins when and takes how long: who is quicker than the limit has his own outcome, and all others end at
    the limit; but who hides his cancellation returns then.
    """

    async def main() -> float:
        started, pipeline = anyio.current_time(), Pipeline(Timeout(4.75))
        async with anyio.create_task_group() as tasks:
            for attempt in crowd:
                tasks.start_soon(attempt.attend, pipeline)
        return started

    started = run(main, backend=backend)
    for attempt in crowd:
        own = "returned" if attempt.how == "hides" else attempt.how
        in_time = attempt.takes < 4.75 or attempt.how == "hides"
        assert attempt.outcome == (own if in_time else "timed out")
        assert attempt.ended - started == pytest.approx(attempt.begins + min(attempt.takes, 4.75))


class Bystander:
    """A call in a task and a scope of its own, which somebody else cancels one way or the other."""

    def __init__(self, limit: float, cleanup: float) -> None:
        self.pipeline = Pipeline(Timeout(limit))
        self.cleanup = cleanup
        self.scope = anyio.CancelScope()
        self.outcome = ""

    async def run(self) -> int:
        """How many cancellations of the task are pending when all is over."""
        with self.scope:
            try:
                await self.pipeline.call(self.work)
            except TimeoutError:
                self.outcome = "timed out"
            except asyncio.CancelledError:
                self.outcome = "cancelled"
                raise
            await anyio.lowlevel.checkpoint()  # a cancellation that was not delivered yet is, here
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    async def work(self) -> None:
        try:
            await anyio.sleep(100)
        finally:
            await anyio.sleep(self.cleanup)


CANCEL: dict[str, Callable[[Bystander, asyncio.Task[int]], Any]] = {
    "task.cancel()": lambda _, task: task.cancel("by hand"),
    "a scope": lambda bystander, _: bystander.scope.cancel(),
}


@pytest.mark.parametrize("how", CANCEL)
@pytest.mark.parametrize("after", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("timer_first", [True, False])
@pytest.mark.parametrize("cleanup", [0.0, 1.0])
def test_it_is_told_from_other_cancellations(how: str, after: float, timer_first: bool, cleanup: float) -> None:
    """From a task's cancel() and from anyio's scopes, before, after and at the very moment, whichever timer is first in
    line; also while the call cleans up after the one when the other comes.
    """

    async def main() -> tuple[str, int]:
        bystander = Bystander(2.0, cleanup)
        loop = asyncio.get_running_loop()
        task = loop.create_task(bystander.run())
        if timer_first:
            await anyio.lowlevel.checkpoint()
        loop.call_at(after, lambda: CANCEL[how](bystander, task))
        try:
            left = await task
        except asyncio.CancelledError:
            left = -1
        return bystander.outcome, left

    outcome, left = run(main, backend="asyncio")
    over = after > 2 + cleanup  # before the other one came
    if over:
        assert outcome == "timed out"
    elif after != 2:
        assert outcome == "cancelled"
    # The other cancellation is never lost, and nothing of ours stays behind.
    assert left == (-1 if how == "task.cancel()" and not over else 0)


@each_backend
def test_nested_limits_that_end_together(backend: str) -> None:
    """One of them is reported, and nothing is left of either."""

    async def main() -> None:
        pipeline = Pipeline(Deadline(2), Timeout(2))
        for _ in range(3):
            started = anyio.current_time()
            with pytest.raises(TimeoutError):
                await pipeline.call(anyio.sleep_forever)
            assert anyio.current_time() - started == pytest.approx(2)
            await anyio.sleep(5)

    run(main, backend=backend)


@each_backend
def test_tasks_of_the_call_end_with_it(backend: str) -> None:
    """A call that waits for a group of tasks ends with all of them."""
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(child, number)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await Pipeline(Timeout(1)).call(work)
        assert sorted(ended) == [0, 1, 2]

    run(main, backend=backend)


def test_it_keeps_nothing_of_calls_that_are_over() -> None:
    """Neither their tasks nor a place for each; only the timer, until it has rung."""

    async def main() -> None:
        pipeline = Pipeline(Timeout(60))
        tasks = [asyncio.ensure_future(pipeline.call(anyio.sleep, number % 3)) for number in range(100)]
        await asyncio.wait(tasks)
        last = ref(tasks.pop())
        tasks.clear()
        gc.collect()
        assert last() is None
        limits = [each for each in gc.get_objects() if type(each) is Limits and each._seconds == 60]
        assert limits
        assert not any(each._running for each in limits)

    run(main, backend="asyncio")


def test_threads_with_an_event_loop_each() -> None:
    """One pipeline may serve them all."""
    pipeline = Pipeline(Timeout(0.05))

    async def main() -> None:
        for _ in range(5):
            await pipeline.call(anyio.sleep, 0)
            with pytest.raises(TimeoutError):
                await pipeline.call(anyio.sleep, 10)

    in_threads(lambda _: asyncio.run(main()), threads=4)
