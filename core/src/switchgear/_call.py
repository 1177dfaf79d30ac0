"""One call on its way through a pipeline, and what it hands on to the calls that are made inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from switchgear._errors import CallTimedOut, LimitExceeded
from switchgear._verdict import Verdict, judge

if TYPE_CHECKING:
    from switchgear._budget import RetryBudget
    from switchgear._pipeline import Pipeline
    from switchgear._spec import Operation


class Scope(Protocol):
    """What is asked of a cancel scope."""

    @property
    def cancel_called(self) -> bool: ...


class Call:
    """One call. It is passed on from strategy to strategy; who tries again counts up `attempt`, who tries twice at once
    passes on a copy.

    The call that a task is in travels in a context variable, and a call made inside it inherits its deadline and its
    retry budget. A task that outlives the call inherits nothing: for it the call is over.
    """

    __slots__ = (
        "attempt",
        "budget",
        "domain",
        "fn",
        "kept",
        "limit",
        "operation",
        "outer",
        "over",
        "pipeline",
        "timer",
        "until",
    )

    def __init__(self, pipeline: Pipeline, operation: Operation, domain: str, fn: Callable[[], Any]) -> None:
        self.pipeline = pipeline
        self.operation = operation
        self.domain = domain
        self.fn: Callable[[], Any] = fn
        self.attempt = 1
        self.over = False
        #: Where strategies leave how to give back what the call has of them, if its result goes on holding that: a
        #: connection its place in a bulkhead. None: all is given back when the call ends.
        self.kept: list[Callable[[], None]] | None = None
        #: The scope that ends the present attempt, and after how many seconds.
        self.timer: Scope | None = None
        self.limit = inf
        outer = _current.get()
        if outer is None or outer.over:
            self.outer: Call | None = None
            #: When its deadline is, by the pipeline's clock.
            self.until = inf
            #: What retries and hedges are paid from; None until a strategy opens one for this tree of tasks.
            self.budget: RetryBudget | None = None
        else:
            self.outer = outer
            self.until = outer.until
            self.budget = outer.budget

    def enter(self) -> None:
        """Calls that this task makes from now on are made inside this one."""
        _current.set(self)

    def leave(self) -> None:
        """Calls that this task makes from now on are made inside the one further out."""
        self.over = True
        # A call that is over is none, to all who look; so the variable may keep one. To set it costs a fifth of a call.
        # Not by a token: a coroutine that is thrown away is closed in whatever context the collector runs.
        if self.outer is not None:
            _current.set(self.outer)

    def end(self) -> None:
        """It has ended, and holds on to none of its arguments, even where the variable still holds on to it."""
        self.leave()
        self.fn = _ended

    def again(self) -> Call:
        """The next attempt, as a call of its own."""
        call = Call(self.pipeline, self.operation, self.domain, self.fn)
        call.outer, call.until, call.budget, call.kept = self.outer, self.until, self.budget, self.kept
        call.attempt = self.attempt + 1
        return call

    @property
    def arguments(self) -> tuple[tuple[Any, ...], Mapping[str, Any]] | None:
        """What the function is called with; None for one that holds that itself, as a guard's does."""
        fn: Any = self.fn
        return (fn.args, fn.keywords) if isinstance(fn, partial) else None

    def remaining(self) -> float:
        """Seconds until its deadline; infinity without one. Nothing may wait for longer."""
        return inf if self.until == inf else self.until - self.pipeline.clock()

    def judge(self, exc: BaseException) -> Verdict:
        """What an exception says about the backend."""
        return judge(exc, self.pipeline.classify)

    def refusal(self, strategy: str, reason: str, retry_after: float | None = None) -> LimitExceeded:
        """The error of a strategy that does not let this call in: the client's own kind, where a plugin has set one.
        Observers are told. `retry_after` in seconds, where it is known when there will be room.
        """
        pipeline = self.pipeline
        if pipeline.bus.heard:
            from switchgear._call_events import Limited

            self.tell(Limited, strategy=strategy, reason=reason, retry_after=retry_after)
        refusal = LimitExceeded.of(pipeline.refusal)
        return refusal(pipeline.name, self.domain, strategy, retry_after, reason)

    def tell(self, kind: type[Any], **facts: Any) -> None:
        """Let observers know what a strategy does about this call: an event of `_call_events`, made of these facts if
        anybody listens.
        """
        pipeline = self.pipeline
        if pipeline.bus.hears(kind):
            event = kind(service=pipeline.name, domain=self.domain, operation=self.operation.name,
                         at=pipeline.clock(), **facts)  # fmt: skip
            pipeline.bus.publish(event)


def _ended() -> None:
    """What a call that is over would call."""


_current: ContextVar[Call | None] = ContextVar("switchgear_call", default=None)


def remaining() -> float:
    """Seconds until the deadline of the call that this task is in; infinity without one."""
    call = _current.get()
    return inf if call is None or call.over else call.remaining()


def inside(pipeline: Pipeline) -> bool:
    """Whether this task is in an attempt of a call of that very pipeline."""
    call = _current.get()
    return call is not None and call.pipeline is pipeline and not call.over


def cause_of(exc: BaseException, name: str) -> BaseException:
    """What ended a call of that service: instead of a cancellation the timeout, if it was the attempt's own that ran
    out. Any other cancellation is the caller's.
    """
    if isinstance(exc, Exception):
        return exc
    call = _current.get()
    if call is None or call.over or call.timer is None or call.pipeline.name != name or not call.timer.cancel_called:
        return exc
    return CallTimedOut(name, call.operation.name, call.limit)
