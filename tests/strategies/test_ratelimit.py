"""Rate limits: pacing, whose turn it is, what is given back, and what servers say; in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import CancelScope, create_task_group
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, LimitExceeded, Verdict
from switchgear._criticality import Criticality
from switchgear._pipeline import Pipeline
from switchgear._scope import criticality
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.deadline import Deadline
from switchgear._strategies.ratelimit import RateLimit
from tests.support import Said, as_said
from tests.virtual_time import each_backend, run

ORDER = list(Criticality)


def pipeline_of(*strategies: Any, **options: Any) -> Pipeline:
    return Pipeline(*strategies, classify=as_said, clock=anyio.current_time, **options)


def in_virtual_time(main: Callable[[], Awaitable[None]], backend: str) -> None:
    run(main, backend=backend)


async def nothing() -> None:
    pass


@dataclass
class Caller:
    """One call: when it comes, how much it matters and wants, and when it gives up waiting."""

    arrives: float
    matters: Criticality
    units: float
    gives_up_after: float
    begun: float = field(default=inf, init=False)
    gone: float = field(default=inf, init=False)
    outcome: str = field(default="", init=False)

    @property
    def rank(self) -> tuple[int, float]:
        return ORDER.index(self.matters), self.arrives


@st.composite
def crowds(draw: st.DrawFn) -> list[Caller]:
    ticks = draw(st.lists(st.integers(0, 50), min_size=1, max_size=25, unique=True))
    return [
        Caller(
            tick / 10,
            draw(st.sampled_from(ORDER)),
            draw(st.sampled_from([1.0, 1.0, 0.5, 3.0])),
            draw(st.sampled_from([inf, inf, 0.0, 0.25, 1.0])),
        )
        for tick in ticks
    ]


async def attend(caller: Caller, pipeline: Pipeline) -> None:
    async def work() -> None:
        caller.begun = anyio.current_time()

    await anyio.sleep(caller.arrives)
    caller.arrives = anyio.current_time()
    with CancelScope(deadline=caller.arrives + caller.gives_up_after), criticality(caller.matters):
        try:
            await pipeline.run(pipeline.operation, str(caller.units), work)
            caller.outcome = "let through"
        except LimitExceeded:
            caller.outcome = "refused"
    caller.outcome = caller.outcome or "cancelled"
    caller.gone = anyio.current_time()


@each_backend
@given(crowd=crowds(), rate=st.sampled_from([1.0, 3.0, 10.0]), burst=st.sampled_from([1.0, 2.0, 5.0]),
       max_wait=st.sampled_from([0.0, 0.7, 3.0]))  # fmt: skip
def test_in_turn_and_in_time(backend: str, crowd: list[Caller], rate: float, burst: float, max_wait: float) -> None:
    """Whoever comes, waits and gives up when: in any span of time no more is let through than a full bucket, what flows
    in and the most that one call wants; nobody waits for longer than `max_wait`, and nobody is overtaken but by who
    matters more.
    """
    limit = RateLimit(rate, burst=burst, max_wait=max_wait, cost=lambda call: float(call.domain))

    async def main() -> None:
        async with create_task_group() as group:
            for caller in crowd:
                group.start_soon(attend, caller, pipeline_of(limit))

    in_virtual_time(main, backend)
    through = sorted((caller for caller in crowd if caller.begun < inf), key=lambda caller: caller.begun)
    most = max(caller.units for caller in crowd)
    for number, first in enumerate(through):
        total = 0.0
        for last in through[number:]:
            total += last.units
            assert total <= burst + most + (last.begun - first.begun) * rate + 1e-6
        assert first.begun - first.arrives <= min(max_wait, first.gives_up_after) + 1e-9
        for other in crowd:  # who waited while this one was let through
            if other.arrives < first.begun < min(other.begun, other.gone) - 1e-9:
                assert first.rank < other.rank
    assert all(caller.outcome for caller in crowd)
    assert limit.counts()["waiting"] == 0


@each_backend
def test_evenly_paced(backend: str) -> None:
    """With a burst of 1, calls that come at once are let through one by one, at even distances, in their order."""
    times = list[tuple[int, float]]()

    async def main() -> None:
        start = anyio.current_time()
        pipeline = pipeline_of(RateLimit(10, burst=1))

        async def call(number: int) -> None:
            async def work() -> None:
                times.append((number, round(anyio.current_time() - start, 6)))

            await pipeline.call(work)

        async with create_task_group() as group:
            for number in range(10):
                group.start_soon(call, number)
                await anyio.wait_all_tasks_blocked()

    in_virtual_time(main, backend)
    assert times == [(number, number / 10) for number in range(10)]


@each_backend
def test_whose_turn_comes_too_late_is_refused_at_once(backend: str) -> None:
    """Nobody waits for nothing: not past `max_wait`, not past the deadline; and is told when to come again."""

    async def main() -> None:
        limit = RateLimit(1, max_wait=2.5)
        pipeline = pipeline_of(limit, name="api")
        async with create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: pipeline.call(nothing))
                await anyio.wait_all_tasks_blocked()
            start = anyio.current_time()
            with pytest.raises(LimitExceeded) as refused:
                await pipeline.call(nothing)
            assert anyio.current_time() == start
            assert refused.value.retry_after == pytest.approx(3.0)
            assert str(refused.value) == (
                "Call not permitted: the ratelimit of api: more than 1 requests in 1 s are wanted. "
                "The backend was not asked. Try again in 3.0 s."
            )
            with pytest.raises(LimitExceeded):
                await pipeline_of(Deadline(1.5), limit).call(nothing)
            assert anyio.current_time() == start

    in_virtual_time(main, backend)


@each_backend
def test_overtaken_until_it_is_too_late(backend: str) -> None:
    """Who is overtaken by calls that matter more waits no longer than it said it would, and is then refused."""

    async def main() -> None:
        limit = RateLimit(1, max_wait=2.0)
        pipeline = pipeline_of(limit)
        await pipeline.call(nothing)
        start, ends = anyio.current_time(), list[float]()

        async def bulk() -> None:
            with criticality(Criticality.BULK), pytest.raises(LimitExceeded):
                await pipeline.call(nothing)
            ends.append(anyio.current_time() - start)

        async with create_task_group() as group:
            group.start_soon(bulk)
            await anyio.sleep(0.5)
            for _ in range(2):
                group.start_soon(lambda: pipeline.call(nothing))
        assert ends == [2.0]
        assert limit.counts() == {"waiting": 0, "refused": 1, "keys": 1}

    in_virtual_time(main, backend)


@each_backend
def test_what_a_refused_call_took_is_given_back(backend: str) -> None:
    """Refused further in, it never reached the backend; who waits has its unit at once."""

    async def main() -> None:
        bulkhead = Bulkhead(1)
        limit = RateLimit(0.001, burst=2, max_wait=inf)
        pipeline = pipeline_of(limit, bulkhead)
        async with create_task_group() as group:
            group.start_soon(lambda: pipeline.call(anyio.sleep, 5))
            await anyio.wait_all_tasks_blocked()
            for _ in range(100):
                with pytest.raises(LimitExceeded) as refused:
                    await pipeline.call(nothing)
                assert refused.value.strategy == "bulkhead"
            assert limit.meter(anyio.current_time()).bucket.left(anyio.current_time()) == pytest.approx(1)

        waited = anyio.current_time()
        await pipeline.call(nothing)  # the last unit

        async def refuses() -> None:
            await anyio.sleep(1)
            raise LimitExceeded("api", "", "elsewhere", None, "no")

        limit.charge(limit.meter(waited), -1, waited)
        async with create_task_group() as group:

            async def first() -> None:
                with pytest.raises(LimitExceeded):
                    await pipeline.call(refuses)

            group.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            await pipeline_of(limit).call(nothing)
        assert anyio.current_time() - waited == pytest.approx(1)

    in_virtual_time(main, backend)


@each_backend
def test_who_gives_up_waiting_takes_nothing(backend: str) -> None:
    """A cancelled call leaves the line, and those behind it move up."""

    async def main() -> None:
        pipeline = pipeline_of(RateLimit(1, max_wait=inf))
        await pipeline.call(nothing)
        start = anyio.current_time()
        async with create_task_group() as group:
            scope = CancelScope()

            async def gives_up() -> None:
                with scope:
                    await pipeline.call(nothing)

            group.start_soon(gives_up)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(lambda: pipeline.call(nothing))
            await anyio.sleep(0.5)
            scope.cancel()
        assert anyio.current_time() - start == pytest.approx(1)

    in_virtual_time(main, backend)


@each_backend
@pytest.mark.parametrize(("by", "keys"), [("service", 1), ("domain", 2), ("operation", 1)])
def test_limits_by_themselves(backend: str, by: Any, keys: int) -> None:
    """Each domain has a limit of its own if asked for; one that is used up costs the others nothing."""

    async def main() -> None:
        limit = RateLimit(1, max_wait=0, by=by)
        pipeline = pipeline_of(limit)
        await pipeline.run(pipeline.operation, "gpt", nothing)
        refused = 0
        for domain in ("gpt", "other"):
            try:
                await pipeline.run(pipeline.operation, domain, nothing)
            except LimitExceeded:
                refused += 1
        assert (refused, limit.counts()["keys"]) == (3 - keys, keys)

    in_virtual_time(main, backend)


@each_backend
def test_keys_that_are_full_again_are_forgotten(backend: str) -> None:
    """A thousand tenants a second, and no more is kept than were there in the last two (a limit per key must not be a
    way to fill the memory: resilience4j#650, #2243).
    """

    async def main() -> None:
        tenant = 0
        limit = RateLimit(1, burst=2, key=lambda _call: tenant)
        pipeline = pipeline_of(limit)
        for tenant in range(10_000):  # noqa: B007 - the key reads it
            await pipeline.call(nothing)
            await anyio.sleep(0.001)
        assert 900 < limit.counts()["keys"] < 2100

    in_virtual_time(main, backend)


@each_backend
def test_the_real_cost_is_made_up_for(backend: str) -> None:
    """A call is let through by its estimate; what it used beyond that is waited for by the next, what it did not is
    there for it.
    """

    async def main() -> None:
        limit = RateLimit(600, per=60, burst=100, max_wait=inf, unit="tokens",
                          cost=lambda _call: 50.0, used=lambda result: result)  # fmt: skip
        pipeline = pipeline_of(limit)

        async def uses(tokens: float | None) -> float | None:
            return tokens

        def left() -> float:
            return limit.meter(anyio.current_time()).bucket.left(anyio.current_time())

        await pipeline.call(uses, None)
        assert left() == 50
        await pipeline.call(uses, 20.0)
        assert left() == 30
        await anyio.sleep(2)
        await pipeline.call(uses, 150.0)
        assert left() == -100
        start = anyio.current_time()
        await pipeline.call(uses, 0.0)
        assert anyio.current_time() - start == pytest.approx(15)

    in_virtual_time(main, backend)


@each_backend
@pytest.mark.parametrize("how", ["header", "verdict"])
def test_retry_after_stops_all_calls_until_then(backend: str, how: str) -> None:
    """As the server named it in a header or in an exception's verdict: calls wait for it, or are refused."""
    error = Said(Verdict.THROTTLED.after(3))
    if how == "header":
        error = Said(Verdict.SUCCESS)
        error.headers = {"retry-after": "3"}  # type: ignore[attr-defined]

    async def main() -> None:
        pipeline = pipeline_of(RateLimit(100, max_wait=3.5))

        async def throttled() -> None:
            raise error

        start = anyio.current_time()
        with pytest.raises(Said):
            await pipeline.call(throttled)
        with pytest.raises(LimitExceeded) as refused:
            await pipeline_of(Deadline(1), *pipeline.strategies).call(nothing)
        assert refused.value.retry_after == pytest.approx(3)
        await pipeline.call(nothing)
        assert anyio.current_time() - start == pytest.approx(3)

    in_virtual_time(main, backend)


@each_backend
def test_paced_before_the_provider_has_to_say_no(backend: str) -> None:
    """Two clients share a provider's sixty requests a second, in a bucket of six hundred, and send all they can for two
    minutes: as long as they look at what is left, it has to refuse nobody, and serves as much as it may.
    """
    refusals = served = 0

    async def main() -> None:
        nonlocal refusals, served
        left, seen = 600.0, anyio.current_time()

        async def provider() -> Any:
            nonlocal left, seen, refusals, served
            left, seen = min(600.0, left + 60 * (anyio.current_time() - seen)), anyio.current_time()
            if left < 1:
                refusals += 1
            else:
                left, served = left - 1, served + 1
            headers = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": f"{left:.0f}"}
            await anyio.sleep(0.05)
            return SimpleNamespace(headers=headers)

        async def client(pipeline: Pipeline) -> None:
            while True:
                await pipeline.call(provider)

        with anyio.move_on_after(120):
            async with create_task_group() as group:
                for _ in range(2):
                    pipeline = pipeline_of(RateLimit(60, max_wait=inf))
                    for _ in range(10):
                        group.start_soon(client, pipeline)

    in_virtual_time(main, backend)
    assert refusals == 0
    assert served > 0.95 * 60 * 120


@each_backend
@pytest.mark.parametrize("by", ["service", "domain", "operation"])
def test_what_a_guard_saw(backend: str, by: Any) -> None:
    """An answer of whose headers the result shows nothing holds the calls to its domain, or to all; of which operation
    it was is not known, so a limit by operation leaves it alone.
    """

    async def main() -> None:
        limit = RateLimit(10, burst=10, by=by)
        pipeline = pipeline_of(limit)
        limit.heard("gpt", SimpleNamespace(headers={"retry-after": "2"}), anyio.current_time())
        waited = dict[str, float]()
        for domain in ("other", "gpt"):
            start = anyio.current_time()
            await pipeline.run(pipeline.operation, domain, nothing)
            waited[domain] = anyio.current_time() - start
        assert waited == pytest.approx({
            "service": {"other": 2.0, "gpt": 0.0}, "domain": {"other": 0.0, "gpt": 2.0},
            "operation": {"other": 0.0, "gpt": 0.0},
        }[by])  # fmt: skip

    in_virtual_time(main, backend)


@each_backend
def test_how_full_it_is(backend: str) -> None:
    """What is waited for, of what can be had in the longest wait."""

    async def main() -> None:
        limit = RateLimit(1, max_wait=4)
        pipeline = pipeline_of(limit)
        assert limit.saturation() == 0
        async with create_task_group() as group:
            for _ in range(5):
                group.start_soon(lambda: pipeline.call(nothing))
            await anyio.wait_all_tasks_blocked()
            assert limit.saturation() == 1
            await anyio.sleep(2.5)
            assert limit.saturation() == 0.5
        assert RateLimit(1, max_wait=0).saturation() is None

    in_virtual_time(main, backend)


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"rate": 1, "per": 0}, {"rate": 1, "burst": 0}, {"rate": 1, "max_wait": -1}]
)
def test_a_limit_that_cannot_be(wrong: dict[str, float]) -> None:
    """Says which key is wrong."""
    with pytest.raises(ConfigurationError) as error:
        RateLimit(**wrong)  # type: ignore[arg-type]
    assert error.value.key == list(wrong)[-1]


def test_its_numbers() -> None:
    """As it is configured."""
    assert RateLimit(500, 60, by="domain").describe() == "500 requests in 60 s for each domain"
