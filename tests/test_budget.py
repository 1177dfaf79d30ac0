"""The budget of retries and hedges: invariants 23 to 25, first of the budget alone, then of whole pipelines."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, Hedge, Pipeline, Retry, RetryBudget
from tests.support import DOWN, as_said
from tests.tasks import in_threads
from tests.virtual_time import each_backend, run

budgets = st.builds(RetryBudget, st.floats(0, 2), st.floats(1, 20))


@given(budgets, st.text("dw", max_size=200))
def test_it_pays_no_more_than_it_promises(budget: RetryBudget, events: str) -> None:
    """Invariants 23 and 24: in any span the granted attempts are at most the calls' share and the burst; and what is in
    it is always between nothing and the burst.
    """
    granted: list[bool] = []
    for event in events:
        if event == "d":
            budget.deposit()
            granted.append(False)
        else:
            granted.append(budget.withdraw())
        assert 0 <= budget.tokens <= budget.burst
        assert 0 <= budget.available <= 1
    for start in range(len(events)):
        calls = paid = 0
        for event, grant in zip(events[start:], granted[start:], strict=True):
            calls += event == "d"
            paid += grant
            assert paid <= calls * budget.ratio + budget.burst + 1e-6


def test_threads_pay_no_more_than_there_is() -> None:
    """Eight threads that take what they can have the burst and the share of the calls, to the token."""
    budget = RetryBudget(0.25, 10)
    taken = [0] * 8

    def work(number: int) -> None:
        for _ in range(500):
            budget.deposit()
            taken[number] += budget.withdraw()

    in_threads(work)
    assert 990 <= sum(taken) <= 10 + 0.25 * 8 * 500


@pytest.mark.parametrize(
    ("ratio", "burst", "key"), [(-0.1, 3, "ratio"), (0.2, 0.5, "burst"), (0.2, float("inf"), "burst")]
)
def test_an_impossible_budget_is_refused(ratio: float, burst: float, key: str) -> None:
    """With the key that is wrong."""
    with pytest.raises(ConfigurationError) as error:
        RetryBudget(ratio, burst)
    assert error.value.key == key


class Backend:
    """Fails by chance, and counts."""

    def __init__(self, failing: float, slow: float, seed: int) -> None:
        self.failing, self.slow = failing, slow
        self.random = random.Random(seed)
        self.calls = self.attempts = 0

    async def __call__(self) -> None:
        self.attempts += 1
        self.check()
        await anyio.sleep(1.0 if self.random.random() < self.slow else 0.01)
        if self.random.random() < self.failing:
            raise DOWN

    def check(self) -> None:
        """At no moment are there more attempts than the calls so far allow."""
        assert self.attempts <= self.calls * 1.2 + 3 + 1e-6


def nested(layers: int, attempts: int, *, hedge: bool) -> Any:
    """A function that calls another one through a chain of pipelines, each with retries, the innermost with hedges."""
    strategies = [Retry(attempts, initial=0.1), *([Hedge(delay=0.05)] if hedge else [])]
    pipelines = [
        Pipeline(*(strategies if layer == 0 else [Retry(attempts, initial=0.1)]), idempotent=True, classify=as_said,
                 clock=anyio.current_time)
        for layer in range(layers)
    ]  # fmt: skip

    async def call(fn: Any, layer: int = layers - 1) -> None:
        if layer < 0:
            await fn()
        else:
            await pipelines[layer].call(call, fn, layer - 1)

    return call


@each_backend
@given(
    layers=st.integers(1, 4), attempts=st.integers(2, 4), hedge=st.booleans(), failing=st.sampled_from([0.1, 0.5, 1.0]),
    slow=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 1000), calls=st.integers(1, 60),
)  # fmt: skip
def test_layers_never_multiply(
    backend: str, layers: int, attempts: int, hedge: bool, failing: float, slow: float, seed: int, calls: int
) -> None:
    """Invariants 23 and 25: however many layers of retries and hedges are nested, and however many calls are made at
    once, the backend sees at no moment more than the calls, a fifth of them, and three.
    """
    there = Backend(failing, slow, seed)
    call = nested(layers, attempts, hedge=hedge)

    async def one(after: float) -> None:
        await anyio.sleep(after)
        there.calls += 1
        try:
            await call(there)
        except type(DOWN):
            pass

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(one, there.random.uniform(0, 5))

    run(main, backend=backend)
    assert there.calls == calls
    if calls == 1 and failing == 1 and not hedge:
        assert there.attempts == min(attempts**layers, 4)  # three layers of three would be 27


@each_backend
def test_a_shared_budget_is_one(backend: str) -> None:
    """Pipelines that are given the same budget pay from it together."""
    budget = RetryBudget(ratio=0.0)

    async def main() -> int:
        there = Backend(1.0, 0.0, 0)
        there.calls = 10
        for _ in range(5):
            for _ in range(2):
                with pytest.raises(type(DOWN)):
                    await Pipeline(Retry(budget=budget), idempotent=True, clock=anyio.current_time).call(there)
        return there.attempts

    assert run(main, backend=backend) == 10 + 3
