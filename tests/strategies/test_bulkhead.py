"""Invariants 19 to 22 of a bulkhead, and who gives way to whom, in virtual time on asyncio and trio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import CancelScope, create_task_group
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, LimitExceeded
from switchgear._criticality import Criticality
from switchgear._pipeline import Pipeline
from switchgear._scope import criticality
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.deadline import Deadline
from tests.support import Held, gate
from tests.virtual_time import each_backend, run

ORDER = list(Criticality)


class Boom(BaseException):
    """Nobody's Exception."""


@dataclass
class Caller:
    """One call: when it comes, how much it matters, how long it takes once it is in, and how it ends."""

    arrives: float
    matters: Criticality
    takes: float
    ends: str  # returns, raises, interrupted
    gives_up_after: float
    begun: float = field(default=inf, init=False)
    gone: float = field(default=inf, init=False)  #: refused, cancelled, or over
    outcome: str = field(default="", init=False)
    beaten_by: list[Caller] = field(default_factory=list["Caller"], init=False)  #: who waited when it was refused

    @property
    def rank(self) -> tuple[int, float]:
        return ORDER.index(self.matters), self.arrives


# All different, so that it is clear who came first.
moments = st.lists(st.integers(0, 60), min_size=1, max_size=25, unique=True).map(lambda ticks: [n / 10 for n in ticks])


@st.composite
def crowds(draw: st.DrawFn) -> list[Caller]:
    return [
        Caller(
            arrives,
            draw(st.sampled_from(ORDER)),
            draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])),
            draw(st.sampled_from(["returns", "raises", "interrupted"])),
            draw(st.sampled_from([inf, inf, 0.0, 0.3, 1.0])),
        )
        for arrives in draw(moments)
    ]


async def attend(caller: Caller, bulkhead: Bulkhead, crowd: list[Caller]) -> None:
    pipeline = Pipeline(bulkhead, clock=anyio.current_time)

    def check() -> None:
        assert 0 <= bulkhead.in_flight <= bulkhead.limit
        assert bulkhead.waiting <= bulkhead.queue

    async def work() -> None:
        caller.begun = anyio.current_time()
        check()
        await anyio.sleep(caller.takes)
        check()
        if caller.ends == "raises":
            raise ValueError
        if caller.ends == "interrupted":
            raise Boom

    await anyio.sleep(caller.arrives)
    caller.arrives = anyio.current_time()
    with CancelScope(deadline=anyio.current_time() + caller.gives_up_after), criticality(caller.matters):
        try:
            await pipeline.call(work)
        except LimitExceeded:
            caller.outcome = "refused"
            caller.beaten_by = [each for each in crowd if each.arrives <= anyio.current_time() <= each.gone]
        except (ValueError, Boom):
            caller.outcome = "over"
        else:
            caller.outcome = "over"
    caller.outcome = caller.outcome or "cancelled"
    caller.gone = anyio.current_time()
    check()


def held(bulkhead: Bulkhead) -> Held:
    return Held(Pipeline(bulkhead).call(gate))


async def live(bulkhead: Bulkhead, crowd: list[Caller]) -> None:
    async with create_task_group() as group:
        for caller in crowd:
            group.start_soon(attend, caller, bulkhead, crowd)
    # Quiescent: as many places as ever, and nobody waits for one.
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)
    calls = [held(bulkhead) for _ in range(bulkhead.limit)]
    assert bulkhead.in_flight == bulkhead.limit
    for call in calls:
        call.closed()
    assert bulkhead.in_flight == 0


@each_backend
@given(crowd=crowds(), limit=st.integers(1, 4), queue=st.integers(0, 6), max_wait=st.sampled_from([0.7, 2.0, inf]))
def test_invariants_19_to_22(backend: str, crowd: list[Caller], limit: int, queue: int, max_wait: float) -> None:
    """Whoever comes, goes, fails or gives up when: never more in flight than the limit or waiting than the queue, all
    places are free at the end, nobody is let in after his time, and nobody is overtaken but by who matters more.
    """
    bulkhead = Bulkhead(limit, queue, max_wait)
    run(live, bulkhead, crowd, backend=backend)
    for caller in crowd:
        assert caller.outcome
        if caller.begun < inf:
            waited = caller.begun - caller.arrives
            assert waited == 0 or waited < min(max_wait, caller.gives_up_after) + 1e-9
        for other in crowd:  # who waited while this one was let in
            if other.arrives < caller.begun < min(other.begun, other.gone, other.arrives + max_wait) - 1e-9:
                assert caller.rank < other.rank
        if caller.outcome == "refused" and caller.gone - caller.arrives < max_wait - 1e-9:  # for want of room
            waiting = [each for each in caller.beaten_by if caller.gone < each.begun and each is not caller]
            assert all(each.rank <= caller.rank or each.matters is caller.matters for each in waiting)


@each_backend
def test_most_important_first_and_in_order(backend: str) -> None:
    """Of those who wait CRITICAL calls go first; among those that matter alike, who came first."""
    bulkhead, order = Bulkhead(1, queue=10), list[str]()

    async def call(name: str, matters: Criticality) -> None:
        async def work() -> None:
            order.append(name)
            await anyio.sleep(1)

        with criticality(matters):
            await Pipeline(bulkhead).call(work)

    async def main() -> None:
        async with create_task_group() as group:
            for name, matters in [("a", Criticality.BULK), ("b", Criticality.BULK), ("c", Criticality.DEGRADED),
                                  ("d", Criticality.CRITICAL), ("e", Criticality.BULK)]:  # fmt: skip
                group.start_soon(call, name, matters)
                await anyio.sleep(0.1)

    run(main, backend=backend)
    assert order == ["a", "d", "c", "b", "e"]


@each_backend
def test_a_full_queue_makes_room_for_what_matters_more(backend: str) -> None:
    """The last of the least important is refused at once in favour of a more important one; of equals, the newcomer."""
    bulkhead, refused = Bulkhead(1, queue=2), list[tuple[str, float]]()

    async def call(name: str, matters: Criticality) -> None:
        with criticality(matters):
            try:
                await Pipeline(bulkhead).call(anyio.sleep, 10)
            except LimitExceeded:
                refused.append((name, anyio.current_time() - start))

    start = 0.0

    async def main() -> None:
        nonlocal start
        start = anyio.current_time()
        async with create_task_group() as group:
            for name, matters in [("holds", Criticality.BULK), ("b1", Criticality.BEST_EFFORT),
                                  ("b2", Criticality.BULK), ("b3", Criticality.BULK), ("c1", Criticality.CRITICAL),
                                  ("c2", Criticality.CRITICAL), ("c3", Criticality.CRITICAL)]:  # fmt: skip
                group.start_soon(call, name, matters)
                await anyio.sleep(1)

    run(main, backend=backend)
    assert refused == [("b3", 3.0), ("b2", 4.0), ("b1", 5.0), ("c3", 6.0)]


@each_backend
@pytest.mark.parametrize("first", ["cancelled", "given"])
def test_a_place_given_to_who_is_cancelled_at_that_moment_is_not_lost(backend: str, first: str) -> None:
    """A call is cancelled and given the place before it can run, in either order: who is behind it is served."""
    bulkhead, served = Bulkhead(1, queue=2), list[str]()

    async def served_as(name: str) -> None:
        served.append(name)
        await anyio.lowlevel.checkpoint()

    async def call(scope: CancelScope) -> None:
        with scope:
            await Pipeline(bulkhead).call(served_as, "cancelled")
            served.append("and over")

    async def main() -> None:
        async with create_task_group() as group:
            scope = CancelScope()
            holder = held(bulkhead)
            group.start_soon(call, scope)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(lambda: Pipeline(bulkhead).call(served_as, "next"))
            await anyio.wait_all_tasks_blocked()
            assert bulkhead.waiting == 2
            for step in (scope.cancel, holder.returns) if first == "cancelled" else (holder.returns, scope.cancel):
                step()  # no task runs in between
            assert (bulkhead.in_flight, bulkhead.waiting) == (1, 1)

    run(main, backend=backend)
    assert served == (["next"] if first == "cancelled" else ["cancelled", "next"])
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


@each_backend
def test_who_waits_for_a_place_waits_no_longer_than_the_deadline(backend: str) -> None:
    """A place that falls free at the very moment of somebody's deadline is not given to him."""
    bulkhead, served = Bulkhead(1, queue=2), list[str]()

    async def served_as(name: str) -> None:
        served.append(name)

    async def main() -> None:
        pipeline = Pipeline(Deadline(1.0), bulkhead, clock=anyio.current_time)

        async def late() -> None:
            with pytest.raises(TimeoutError):
                await pipeline.call(served_as, "late")

        async with create_task_group() as group:
            holder = held(bulkhead)
            group.start_soon(late)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(lambda: Pipeline(bulkhead).call(served_as, "in time"))
            with CancelScope(shield=True):
                await anyio.sleep(1.0)
            holder.returns()

    run(main, backend=backend)
    assert served == ["in time"]


@each_backend
def test_more_room_is_taken_at_once_and_less_as_calls_end(backend: str) -> None:
    """Waiting calls have the places that a larger limit makes; a smaller one refuses until enough have ended."""
    bulkhead = Bulkhead(1, queue=3)
    pipeline = Pipeline(bulkhead)

    async def main() -> None:
        async with create_task_group() as group:
            for _ in range(4):
                group.start_soon(lambda: pipeline.call(anyio.sleep, 5))
            await anyio.wait_all_tasks_blocked()
            assert (bulkhead.in_flight, bulkhead.waiting) == (1, 3)
            bulkhead.resize(3)
            assert (bulkhead.in_flight, bulkhead.waiting) == (3, 1)
            bulkhead.resize(2)
            assert bulkhead.saturation() == 1.5
            await anyio.sleep(5.1)
            assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)

    run(main, backend=backend)
    assert bulkhead.in_flight == 0


@each_backend
def test_a_kept_place_is_given_back_by_who_keeps_it(backend: str) -> None:
    """The call is over and its place is not free; given back, it goes to who waits. A call that fails keeps nothing."""
    bulkhead = Bulkhead(1, queue=1)
    pipeline = Pipeline(bulkhead)
    served: list[str] = []

    async def serve() -> None:
        served.append("served")

    async def fail() -> None:
        raise OSError("down")

    async def main() -> None:
        kept: list[Callable[[], None]] = []
        with pytest.raises(OSError, match="down"):
            await pipeline.run(pipeline.operation, "", fail, kept)
        assert (bulkhead.in_flight, kept) == (0, [])
        await pipeline.run(pipeline.operation, "", serve, kept)
        assert (bulkhead.in_flight, len(kept)) == (1, 1)
        async with create_task_group() as group:
            group.start_soon(pipeline.call, serve)
            await anyio.wait_all_tasks_blocked()
            assert (served, bulkhead.waiting) == (["served"], 1)
            kept.pop()()
        assert served == ["served", "served"]

    run(main, backend=backend)
    assert bulkhead.in_flight == 0


def test_a_coroutine_that_is_thrown_away_leaves_its_place() -> None:
    """Closed by the collector, without an event loop."""
    bulkhead = Bulkhead(1)
    held(bulkhead).closed()
    assert bulkhead.in_flight == 0


def test_the_refusal_says_what_is_full() -> None:
    """Whose limit, and its numbers; nothing is known of when there will be room."""
    pipeline = Pipeline(Bulkhead(1), name="cache")
    holder = Held(pipeline.call(gate))
    with pytest.raises(LimitExceeded) as refused:
        pipeline.call(gate).send(None)
    holder.closed()
    assert refused.value.retry_after is None
    assert str(refused.value) == (
        "Call not permitted: the bulkhead of cache: all 1 places are taken. The backend was not asked."
    )


@pytest.mark.parametrize(
    ("wrong", "key"), [({"limit": 0}, "limit"), ({"queue": -1}, "queue"), ({"max_wait": 0}, "max_wait")]
)
def test_a_bulkhead_that_cannot_be(wrong: dict[str, Any], key: str) -> None:
    """Says which key is wrong."""
    with pytest.raises(ConfigurationError) as error:
        Bulkhead(**wrong)
    assert error.value.key == key
