"""Further attempts, later."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import anyio

from switchgear._budget import RetryBudget
from switchgear._call import Call
from switchgear._call_events import Retried
from switchgear._errors import CallNotPermitted, ConfigurationError, LimitExceeded
from switchgear._pipeline import CODE, Bound, Next, Strategy, SyncNext
from switchgear._strategies._on import On, matching
from switchgear._strategies._pauses import Jitter, Pauses
from switchgear._verdict import Verdict

#: What may be over in a moment. EXHAUSTED is not, and after SUCCESS or IGNORED it would end in the same way.
_AGAIN = frozenset({"FAILURE", "THROTTLED"})


@dataclass(eq=False)
class Retry(Strategy):
    """Tries again, up to `attempts` times in all, after a random pause that doubles with each attempt.

    What is tried again: by default a FAILURE and what was THROTTLED, as the pipeline's `classify` and `classify_result`
    see it; `on` names exceptions instead, `on_result` results. Never an operation that is not idempotent (unless
    `idempotent_only` is false), never past the deadline, never when a breaker refused; and always within `budget`, by
    default 20 % of the calls plus 3. When there is no further attempt, the last outcome is the call's, unchanged.

    Pauses begin at up to `initial` seconds and double up to `max`; with `jitter="decorrelated"` they wander between the
    two. A backend that names a time (Retry-After) gets that time, and the pause on top, so that not all come back at
    once; if it is more than `max_retry_after`, there is no further attempt.
    """

    name: ClassVar[str] = "retry"

    attempts: int = 3  # as botocore's standard mode, resilience4j and Polly
    initial: float = 0.05  # as botocore's of 2026
    max: float = 2.0
    jitter: Jitter = "full"
    max_retry_after: float = 10.0
    idempotent_only: bool = True
    on: On | None = field(default=None, metadata=CODE)
    on_result: Callable[[Any], bool] | None = field(default=None, metadata=CODE)
    budget: RetryBudget | None = field(default=None, metadata=CODE)
    #: Chance, 0..1.
    roll: Callable[[], float] = field(default=random.random, metadata=CODE, repr=False)
    _pauses: Pauses = field(init=False, repr=False)
    _budget: RetryBudget = field(init=False, repr=False)
    _on: Callable[[Exception], bool] | None = field(init=False, repr=False)
    _retries: int = field(default=0, init=False, repr=False)
    _denied: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._pauses = Pauses(self.initial, self.max, self.jitter, self.roll)
        if self.attempts < 1:
            raise ConfigurationError(f"{self.attempts} attempts are none. Give 1 or more.", "attempts")
        self._pauses.check()
        if not 0 <= self.max_retry_after < inf:
            raise ConfigurationError(
                f"Nobody can wait for {self.max_retry_after} s. Give 0 or more.", "max_retry_after"
            )
        self._on = matching(self.on)
        # A single call may have all the attempts that were asked for.
        self._budget = self.budget or RetryBudget(burst=max(3.0, self.attempts - 1))

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        any_result = self.on_result is None

        async def retry(call: Call) -> Any:
            self._open(call)
            wait = 0.0
            while True:
                try:
                    result = await next(call)
                except Exception as exc:
                    after = self._after_error(call, exc, wait)
                    if after is None:
                        raise
                else:
                    if any_result and call.pipeline.classify_result is None:
                        return result
                    after = self._after_result(call, result, wait)
                    if after is None:
                        return result
                wait = after
                await anyio.sleep(wait)
                call.attempt += 1

        return retry

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        def retry(call: Call) -> Any:
            self._open(call)
            wait = 0.0
            while True:
                try:
                    result = next(call)
                except Exception as exc:
                    after = self._after_error(call, exc, wait)
                    if after is None:
                        raise
                else:
                    after = self._after_result(call, result, wait)
                    if after is None:
                        return result
                wait = after
                time.sleep(wait)  # noqa: TID251 - a plain function has nothing else to wait with
                call.attempt += 1

        return retry

    def _open(self, call: Call) -> None:
        """The outermost of nested layers owns the budget, and only its first attempts pay in."""
        if call.budget is None:
            call.budget = self._budget
            self._budget.deposit()

    # Each of these gives the seconds until the next attempt, or None for no further one; `last` is the one before.

    def _after_error(self, call: Call, exc: Exception, last: float) -> float | None:
        if isinstance(exc, CallNotPermitted):
            # It was not tried, so doing it twice is no question; but a breaker that refused will refuse again.
            after = exc.retry_after if isinstance(exc, LimitExceeded) else None
            return None if after is None else self._wait(call, after, last, exc)
        if self.idempotent_only and not call.operation.idempotent:
            return None
        verdict = call.judge(exc)
        again = verdict.name in _AGAIN if self._on is None else self._on(exc)
        return self._wait(call, verdict.retry_after or 0.0, last, exc) if again else None

    def _after_result(self, call: Call, result: object, last: float) -> float | None:
        judge = call.pipeline.classify_result
        if self.on_result is None and judge is None:
            return None
        if self.idempotent_only and not call.operation.idempotent:
            return None
        verdict = Verdict.SUCCESS if judge is None else judge(result)
        again = verdict.name in _AGAIN if self.on_result is None else self.on_result(result)
        return self._wait(call, verdict.retry_after or 0.0, last) if again else None

    def _wait(self, call: Call, retry_after: float, last: float, exc: Exception | None = None) -> float | None:
        if call.attempt >= self.attempts or retry_after > self.max_retry_after:
            return None
        wait = retry_after + self._pauses.next(call.attempt, last)
        if wait >= call.remaining():
            return None
        if call.budget is None or not call.budget.withdraw():
            self._denied += 1
            return None
        self._retries += 1
        cause = "its result" if exc is None else type(exc).__name__
        call.tell(Retried, attempt=call.attempt + 1, wait=wait, cause=cause)
        return wait

    def bound(self, inner: Bound, /) -> Bound:
        waits = sum(self.max_retry_after + self._pauses.longest(attempt) for attempt in range(1, self.attempts))
        return Bound(inner.seconds * self.attempts + waits, inner.attempts * self.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        only = " of what is idempotent" if self.idempotent_only else ""
        budget = self._budget
        return (f"{self.attempts} attempts{only}, {self.initial:g} to {self.max:g} s apart, "
                f"in all at most {budget.ratio:.0%} of the calls and {budget.burst:g}")  # fmt: skip

    def counts(self) -> Mapping[str, float]:
        return {"retries": self._retries, "denied": self._denied, "budget": self._budget.available}
