"""A second attempt beside a slow first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import anyio

from switchgear._budget import RetryBudget
from switchgear._call import Call
from switchgear._call_events import Hedged
from switchgear._errors import ConfigurationError
from switchgear._pipeline import CODE, Bound, Next, Strategy
from switchgear._strategies._latencies import Latencies

_NONE = object()


@dataclass(eq=False)
class Hedge(Strategy):
    """Tries again beside a call that takes longer than most: than that share `quantile` of the last calls, or than
    `delay` seconds. Whichever answers first is the answer; the other is cancelled, which settles it as if its caller
    had given up, and it is over when the call is.

    Only idempotent operations (unless `idempotent_only` is false), and only within the retry budget, which it shares
    with the retries further out; alone it has one of its own, `budget`. When the first attempt fails and there is no
    second, its error is the call's.
    """

    name: ClassVar[str] = "hedge"

    quantile: float = 0.95  # "The Tail at Scale": 5 % more load, most of the tail gone
    delay: float | None = None
    idempotent_only: bool = True
    budget: RetryBudget | None = field(default=None, metadata=CODE)
    _budget: RetryBudget = field(init=False, repr=False)
    _latencies: Latencies = field(init=False, repr=False)
    _pays: bool = field(default=False, init=False, repr=False)  # there are no retries further out
    _hedged: int = field(default=0, init=False, repr=False)
    _denied: int = field(default=0, init=False, repr=False)
    _won: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ConfigurationError(f"A quantile is more than 0 and less than 1, not {self.quantile}.", "quantile")
        if self.delay is not None and not 0 <= self.delay < inf:
            raise ConfigurationError(f"A second attempt cannot come after {self.delay} s. Give 0 or more.", "delay")
        self._budget = self.budget or RetryBudget()
        self._latencies = Latencies(self.quantile)

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        latencies = self._latencies

        async def hedge(call: Call) -> Any:
            if call.budget is None:
                call.budget = self._budget
                self._budget.deposit()
                self._pays = True
            if self.idempotent_only and not call.operation.idempotent:
                return await next(call)
            delay = latencies.long if self.delay is None else self.delay
            started = call.pipeline.clock()
            result = await (next(call) if delay is None else self._race(next, call, delay))
            latencies.add(call.pipeline.clock() - started)
            return result

        return hedge

    async def _race(self, next: Next, call: Call, delay: float) -> Any:  # noqa: A002
        first, second = anyio.CancelScope(), anyio.CancelScope()
        answer, under_way = _NONE, False
        error: Exception | None = None

        async def later() -> None:
            nonlocal answer, under_way
            with second:
                await anyio.sleep(delay)
                if call.budget is None or not call.budget.withdraw():
                    self._denied += 1
                    return
                self._hedged += 1
                call.tell(Hedged, after=delay)
                under_way = True
                again = call.again()
                again.enter()
                try:
                    result = await next(again)
                except Exception:  # noqa: BLE001 - the first may still answer; if not, its error is the call's
                    under_way = False
                    return
                finally:
                    again.leave()
                if answer is _NONE:
                    answer = result
                    self._won += 1
                    first.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(later)
            with first:
                try:
                    result = await next(call)
                except Exception as exc:  # noqa: BLE001 - raised below, not from inside a group of tasks
                    error = exc
                else:
                    answer = result if answer is _NONE else answer
            if answer is not _NONE or not under_way:
                second.cancel()
        if error is not None and answer is _NONE:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return answer

    def bound(self, inner: Bound, /) -> Bound:
        later = inner.seconds if self.delay is None else self.delay
        return Bound(inner.seconds + later, 2 * inner.attempts, inner.attempt_seconds)

    def describe(self) -> str:
        after = f"what {self.quantile:.0%} of the calls take" if self.delay is None else f"{self.delay:g} s"
        return f"a second attempt{' of what is idempotent' if self.idempotent_only else ''} after {after}"

    def counts(self) -> Mapping[str, float]:
        counted = {"hedges": self._hedged, "won": self._won, "denied": self._denied}
        return counted | {"budget": self._budget.available} if self._pays else counted
