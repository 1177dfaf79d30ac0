"""The client-side throttle of the SRE book: its formula, what it makes of a backend, and what it counts."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, LimitExceeded, Verdict
from switchgear._pipeline import Pipeline
from switchgear._strategies.retry import Retry
from switchgear._strategies.throttle import Throttle
from switchgear.testing import VirtualClock
from tests.support import Held, Said, as_said

pytestmark = pytest.mark.anyio


def pipeline_of(throttle: Throttle, clock: VirtualClock | None = None, **options: Any) -> Pipeline:
    return Pipeline(throttle, classify=as_said, clock=clock or VirtualClock(), **options)


def end(verdict: Verdict) -> None:
    if verdict != Verdict.SUCCESS:
        raise Said(verdict)


async def tries(pipeline: Pipeline, verdict: Verdict, times: int = 1) -> int:
    """How many of the calls, all of which end so, were refused."""

    async def call() -> None:
        end(verdict)

    refused = 0
    for _ in range(times):
        try:
            await pipeline.call(call)
        except LimitExceeded:
            refused += 1
        except Said:
            pass
    return refused


@given(
    outcomes=st.lists(st.sampled_from(["SUCCESS", "FAILURE", "THROTTLED", "EXHAUSTED", "IGNORED"]), max_size=200),
    multiple=st.floats(1, 4),
    most=st.floats(0.1, 0.99),
    minimum=st.integers(1, 50),
)
async def test_the_formula(outcomes: list[str], multiple: float, most: float, minimum: int) -> None:
    """After any outcomes the chance of a refusal is the book's, bounded by `most`, and 0 before the minimum. A refusal
    is a request that was not accepted; IGNORED is none. As many accepted in a row as the minimum halve the chance.
    """
    rolls = random.Random(0)
    throttle = Throttle(multiple, most=most, minimum_number_of_calls=minimum, roll=lambda: rolled[-1])
    pipeline, clock = pipeline_of(throttle), VirtualClock()
    rolled, requests, accepts, in_a_row = [0.0], 0.0, 0, 0
    for name in outcomes:
        wanted = max(0.0, (requests - multiple * accepts) / (requests + 1)) if requests >= minimum else 0.0
        assert throttle.chance(clock()) == pytest.approx(min(most, wanted))
        rolled.append(rolls.random())
        refused = await tries(pipeline, getattr(Verdict, name))
        assert refused == (rolled[-1] < min(most, wanted))
        requests += refused or name != "IGNORED"
        accepted = not refused and name == "SUCCESS"
        accepts += accepted
        if requests > multiple * accepts and not refused and name != "IGNORED":
            in_a_row = in_a_row + 1 if accepted else 0
            if in_a_row >= minimum:
                requests, in_a_row = (requests + multiple * accepts) / 2, 0
    assert throttle.counts()["requests"] == pytest.approx(requests)
    assert throttle.counts()["accepts"] == accepts


async def test_a_backend_that_accepts_half_is_sent_no_less() -> None:
    """Calls are refused only from where fewer than one in `multiple` is accepted."""
    pipeline = pipeline_of(Throttle(2.0, roll=lambda: 0.0))
    for _ in range(500):
        assert await tries(pipeline, Verdict.SUCCESS) == 0
        assert await tries(pipeline, Verdict.FAILURE) == 0
    assert await tries(pipeline, Verdict.FAILURE, 2) == 1


async def test_a_backend_with_room_for_some_is_sent_a_multiple_of_that() -> None:
    """A hundred calls a second meet a backend that accepts ten: it is sent about twenty, not a hundred, not none."""
    clock = VirtualClock()
    pipeline = pipeline_of(Throttle(2.0, roll=random.Random(1).random), clock)
    sent = [await second(pipeline, clock, capacity=10) for _ in range(90)]
    assert sent[0] > 40
    assert 14 < sum(sent[60:]) / 30 < 26


async def test_a_backend_that_is_back_gets_everything_again() -> None:
    """After fifteen seconds an outage is sent a quarter of the calls; six after its end all pass again."""
    clock = VirtualClock()
    pipeline = pipeline_of(Throttle(roll=random.Random(1).random), clock)
    before = [await second(pipeline, clock, capacity=100) for _ in range(60)]
    during = [await second(pipeline, clock, capacity=0) for _ in range(30)]
    after = [await second(pipeline, clock, capacity=100) for _ in range(30)]
    assert sum(before) == 6000
    assert max(during[15:]) < 25
    assert min(after[6:]) == 100


async def second(pipeline: Pipeline, clock: VirtualClock, capacity: int) -> int:
    """A second of a hundred calls, of which the backend accepts so many; how many it was sent."""
    sent = 0

    async def call() -> None:
        nonlocal sent
        sent += 1
        end(Verdict.SUCCESS if sent <= capacity else Verdict.THROTTLED)

    for _ in range(100):
        with suppress(LimitExceeded, Said):
            await pipeline.call(call)
        clock.advance(0.01)
    return sent


async def test_scope_retries_lets_first_attempts_pass() -> None:
    """Of calls to a backend that is down each is tried once, and further attempts are refused; the caller then sees the
    refusal, with the backend's error as what it came of.
    """
    throttle = Throttle(scope="retries", minimum_number_of_calls=1, most=0.99, roll=lambda: 0.0)
    pipeline = Pipeline(
        Retry(attempts=3, initial=0, max=0), throttle, idempotent=True, classify=as_said, clock=VirtualClock()
    )
    calls = 0

    async def down() -> None:
        nonlocal calls
        calls += 1
        end(Verdict.FAILURE)

    with pytest.raises(LimitExceeded):
        await pipeline.call(down)
    for _ in range(9):
        with pytest.raises((LimitExceeded, Said)):
            await pipeline.call(down)
    assert calls == 10


async def test_what_was_long_ago_is_forgotten() -> None:
    """Each half-life halves what is known, so after some of them there is too little of it to refuse by."""
    clock = VirtualClock()
    throttle = Throttle(half_life=10.0, roll=lambda: 0.0)
    pipeline = pipeline_of(throttle, clock)
    await tries(pipeline, Verdict.FAILURE, 20)
    assert await tries(pipeline, Verdict.SUCCESS) == 1
    clock.advance(10)
    assert throttle.chance(clock()) == 0
    clock.advance(1e9)
    assert await tries(pipeline, Verdict.SUCCESS) == 0


def test_plain_functions() -> None:
    """It needs no event loop."""
    throttle = Throttle(minimum_number_of_calls=1, roll=lambda: 0.0)

    @pipeline_of(throttle)
    def call() -> None:
        end(Verdict.FAILURE)

    with pytest.raises(Said):
        call()
    with pytest.raises(LimitExceeded) as refused:
        call()
    assert refused.value.reason == "of 1 calls of late the backend accepted 0"


async def test_results_that_are_judged() -> None:
    """A result may be one that the backend did not accept the call with."""
    throttle = Throttle(minimum_number_of_calls=1, roll=lambda: 0.0)
    pipeline = pipeline_of(throttle, classify_result=lambda _: Verdict.THROTTLED)
    assert await tries(pipeline, Verdict.SUCCESS, 2) == 1


async def test_a_cancelled_call_counts_for_nothing() -> None:
    """Its caller gave it up."""
    throttle = Throttle()

    class Pending:
        def __await__(self) -> Any:
            yield

    async def pending() -> None:
        await Pending()

    Held(pipeline_of(throttle).call(pending)).closed()
    assert throttle.counts()["requests"] == 0


@pytest.mark.parametrize(
    "wrong", [{"multiple": 0.5}, {"most": 1.0}, {"most": 0.0}, {"half_life": 0.0}, {"minimum_number_of_calls": 0}]
)
def test_a_throttle_that_cannot_be(wrong: dict[str, Any]) -> None:
    """Says which key is wrong."""
    with pytest.raises(ConfigurationError) as error:
        Throttle(**wrong)
    assert [error.value.key] == list(wrong)
