"""Retries for those who want nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switchgear._budget import RetryBudget
from switchgear._pipeline import Pipeline
from switchgear._strategies._on import On
from switchgear._strategies._pauses import Jitter
from switchgear._strategies.deadline import Deadline
from switchgear._strategies.retry import Retry


def retry(
    on: On | None = None,
    *,
    attempts: int = 3,
    deadline: float | None = None,
    initial: float = 0.05,
    max: float = 2.0,  # noqa: A002 - as in Retry
    jitter: Jitter = "full",
    on_result: Callable[[Any], bool] | None = None,
    budget: RetryBudget | None = None,
) -> Pipeline:
    """Retries alone: `@retry(on=httpx.HTTPError, attempts=3)` on a coroutine function or a plain one, or
    `await retry(on=httpx.HTTPError).call(fn, *args)`.

    Whoever asks for it says that trying again does no harm. `deadline` is in seconds, for all attempts together; the
    rest as in Retry: the budget too, so that a function which always fails is not called much more often than it would
    be without.
    """
    wanted = Retry(
        attempts=attempts, initial=initial, max=max, jitter=jitter, on=on, on_result=on_result, budget=budget
    )
    strategies = [wanted] if deadline is None else [Deadline(deadline), wanted]
    return Pipeline(*strategies, name="retry", idempotent=True)
