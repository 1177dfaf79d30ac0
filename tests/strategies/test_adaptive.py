"""What the adaptive limit takes for a sample, what for a drop, and what for neither; in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import create_task_group

from switchgear import ConfigurationError, LimitExceeded, Verdict
from switchgear._pipeline import Pipeline
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.timeout import Timeout
from tests.support import Said, as_said
from tests.virtual_time import each_backend, run

USUAL = 0.1


def pipeline_of(adaptive: Adaptive, *inner: Any, **options: Any) -> Pipeline:
    return Pipeline(adaptive, *inner, classify=as_said, clock=anyio.current_time, **options)


async def work(seconds: float = USUAL, error: Exception | None = None) -> None:
    await anyio.sleep(seconds)
    if error is not None:
        raise error


async def rush(pipeline: Pipeline, call: Callable[[], Any], seconds: float, callers: int = 40) -> None:
    """So many callers, each of which calls again as soon as it may, in its next tick if it was refused."""

    async def caller() -> None:
        while anyio.current_time() < end:
            try:
                await pipeline.call(call)
            except LimitExceeded:
                await anyio.sleep(USUAL)
            except (Said, TimeoutError):
                pass

    end = anyio.current_time() + seconds
    async with create_task_group() as group:
        for _ in range(callers):
            group.start_soon(caller)


def limit_after(backend: str, call: Callable[[], Any], seconds: float = 10, *inner: Any, **options: Any) -> int:
    """The limit, which began at 20, after calls that take their usual time, and then others."""
    adaptive = Adaptive(20, minimum=2)

    async def main() -> None:
        pipeline = pipeline_of(adaptive, *inner, **options)
        await rush(pipeline, work, 1.5, callers=10)
        await rush(pipeline, call, seconds)

    run(main, backend=backend)
    assert adaptive.in_flight == 0
    return adaptive.limit


@each_backend
def test_served_in_the_usual_time(backend: str) -> None:
    """Where everybody is served as ever, there is room for more."""
    assert limit_after(backend, work) > 30


@each_backend
def test_served_by_saying_no(backend: str) -> None:
    """A call that the backend turned down by its rules was served, and is a sample as good as any."""
    assert limit_after(backend, lambda: work(error=Said(Verdict.SUCCESS))) > 30


@each_backend
def test_slow(backend: str) -> None:
    """Twice as slow with as many in flight: they queue."""
    adaptive = Adaptive(20)

    async def main() -> None:
        slots = anyio.Semaphore(5)

        async def queued() -> None:
            async with slots:
                await anyio.sleep(USUAL)

        pipeline = pipeline_of(adaptive)
        await rush(pipeline, queued, 2, callers=5)
        await rush(pipeline, queued, 30)

    run(main, backend=backend)
    assert 3 <= adaptive.limit <= 12


@each_backend
@pytest.mark.parametrize(
    "call",
    [
        lambda: work(error=Said(Verdict.THROTTLED)),
        lambda: work(0.01, Said(Verdict.THROTTLED)),
        lambda: work(5 * USUAL, Said(Verdict.FAILURE)),
    ],
    ids=["throttled", "throttled at once", "failed late"],
)
def test_drops(backend: str, call: Callable[[], Any]) -> None:
    """Throttled calls, and those that fail in more than twice their time, cut the limit down to its minimum."""
    assert limit_after(backend, call) == 2


@each_backend
def test_timeouts_are_drops(backend: str) -> None:
    """However steady the time is in which they end."""
    assert limit_after(backend, anyio.sleep_forever, 30, Timeout(1.0)) == 2


@each_backend
def test_results_may_be_drops(backend: str) -> None:
    """A result that says the backend was asked too much."""

    async def busy() -> str:
        await anyio.sleep(USUAL)
        return "busy"

    def classify_result(result: object) -> Verdict:
        return Verdict.THROTTLED if result == "busy" else Verdict.SUCCESS

    assert limit_after(backend, busy, classify_result=classify_result) == 2


@each_backend
@pytest.mark.parametrize("verdict", [Verdict.FAILURE, Verdict.IGNORED, Verdict.EXHAUSTED], ids=str)
def test_quick_failures_say_nothing_of_the_load(backend: str, verdict: Verdict) -> None:
    """Nor does what is not the backend's, or what it will not serve for other reasons."""
    assert limit_after(backend, lambda: work(0.05, Said(verdict))) == 20


@each_backend
def test_what_never_reached_the_backend_says_nothing_of_the_load(backend: str) -> None:
    """Refusals further in take no time, and what its caller gave up might have taken any."""
    adaptive, inner = Adaptive(20), Bulkhead(1)
    samples = list[object]()

    def settle(*sample: object) -> bool:
        samples.append(sample)
        return False

    adaptive._gradient.settle = settle  # type: ignore[assignment,method-assign]

    async def main() -> None:
        pipeline = pipeline_of(adaptive, inner)
        async with create_task_group() as group:
            group.start_soon(lambda: pipeline.call(anyio.sleep_forever))
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(LimitExceeded):
                await pipeline.call(work)
            group.cancel_scope.cancel()

    run(main, backend=backend)
    assert samples == []
    assert (adaptive.in_flight, inner.in_flight) == (0, 0)


@each_backend
def test_the_wait_for_a_place_is_not_measured(backend: str) -> None:
    """With a queue, calls take several times as long as the backend does; the limit grows all the same."""
    adaptive = Adaptive(4, minimum=2, queue=100)

    async def main() -> None:
        await rush(pipeline_of(adaptive), work, 10)

    run(main, backend=backend)
    assert adaptive.limit > 8


def test_its_numbers() -> None:
    """The limit is seen where it is now."""
    adaptive = Adaptive(20)
    adaptive.resize(7)
    assert adaptive.describe() == "7 at once, between 1 and 200"
    assert adaptive.counts() == {"in_flight": 0, "waiting": 0, "refused": 0, "limit": 7, "baseline_seconds": 0.0}


@pytest.mark.parametrize("wrong", [{"minimum": 0}, {"limit": 5, "minimum": 6}, {"limit": 5, "maximum": 4}])
def test_limits_that_cannot_be(wrong: dict[str, int]) -> None:
    """The minimum, the beginning and the maximum have to be in that order."""
    with pytest.raises(ConfigurationError) as error:
        Adaptive(**wrong)
    assert error.value.key == "limit"
