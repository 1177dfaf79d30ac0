"""Strategies round a call: compiled once into a stack of coroutine functions, outermost first."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from math import inf
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar, cast

from switchgear._clock import Clock, monotonic
from switchgear._errors import CallNotPermitted, ConfigurationError, LimitExceeded
from switchgear._order import check_order
from switchgear._spec import Operation
from switchgear._verdict import Classify, Verdict, unknown_is_failure

P = ParamSpec("P")
T = TypeVar("T")


class Call:
    """One call on its way in. It is passed on from strategy to strategy; who tries again counts up `attempt`, who tries
    twice at once passes on a copy.
    """

    __slots__ = ("attempt", "domain", "fn", "operation", "pipeline")

    def __init__(self, pipeline: Pipeline, operation: Operation, domain: str, fn: Callable[[], Any]) -> None:
        self.pipeline = pipeline
        self.operation = operation
        self.domain = domain
        self.fn = fn
        self.attempt = 1

    def again(self) -> Call:
        """The next attempt, as a call of its own."""
        call = Call(self.pipeline, self.operation, self.domain, self.fn)
        call.attempt = self.attempt + 1
        return call

    def refusal(self, strategy: str, reason: str, retry_after: float | None = None) -> LimitExceeded:
        """The error of a strategy that does not let this call in: the client's own kind, where a plugin has set one.
        `retry_after` in seconds, where it is known when there will be room.
        """
        pipeline = self.pipeline
        return LimitExceeded.of(pipeline.refusal)(pipeline.name, self.domain, strategy, retry_after, reason)


Next = Callable[[Call], Awaitable[Any]]
SyncNext = Callable[[Call], Any]


class Bound(NamedTuple):
    """The most that a call may cost: seconds in all, attempts in all, and seconds of one attempt."""

    seconds: float = inf
    attempts: int = 1
    attempt_seconds: float = inf


class Strategy(ABC):
    """One wrapper round a call. Whatever it keeps (places, tokens) is its own, so pipelines that hold the same strategy
    share that.
    """

    #: What it is called in configurations, explanations and metrics.
    name: ClassVar[str]
    #: The strategy that it stands just inside of, in a configuration; needed only of one that switchgear does not know.
    inside: ClassVar[str] = "retry"

    @abstractmethod
    def __call__(self, next: Next, /) -> Next:  # noqa: A002 - it is what it is
        """The next one in, with this one round it. Called once for each pipeline."""

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        """The same for plain functions. Raises ConfigurationError where it needs an event loop."""
        raise ConfigurationError(f"{self.name!r} needs an event loop, so it cannot guard a plain function. "
                                 "Make it a coroutine function, or take the strategy away.")  # fmt: skip

    def bound(self, inner: Bound, /) -> Bound:
        """The most that a call costs with this one round it. Raises ConfigurationError where `inner` does not fit."""
        return inner

    def describe(self) -> str:
        """Its numbers in a few words."""
        return ""

    def saturation(self) -> float | None:
        """How full it is, 0..1; None for one that cannot be full."""
        return None

    def counts(self) -> Mapping[str, float]:
        """What it has counted so far."""
        return {}


class Explanation(NamedTuple):
    """The stack as it runs, outermost first, and the most that a call costs."""

    name: str
    strategies: tuple[tuple[str, str], ...]
    bound: Bound

    def __str__(self) -> str:
        seconds, attempts = self.bound.seconds, self.bound.attempts
        most = f"at most {seconds:g} s" if seconds < inf else "without a limit of time"
        lines = [f"{self.name}: {most}, at most {attempts} attempt{'' if attempts == 1 else 's'} a call"]
        lines += [f"  {name:<10} {described}".rstrip() for name, described in (*self.strategies, ("call", ""))]
        return "\n".join(lines)


class Pipeline:
    """Strategies round calls, outermost first: `Pipeline(Retry(), Breaker(breaker), Timeout(0.5))`.

    `await pipeline.call(fn, *args)` and `@pipeline` guard alike, on asyncio and trio; where no strategy needs an event
    loop, `@pipeline` takes a plain function too. `idempotent` says of what is called that doing it twice is doing it
    once. `classify` and `classify_result` say what outcomes mean, as for a breaker. `clock` gives seconds.

    Raises ConfigurationError, with the reason, for strategies that do not fit each other.
    """

    def __init__(
        self,
        *strategies: Strategy,
        name: str = "call",
        idempotent: bool = False,
        classify: Classify = unknown_is_failure,
        classify_result: Callable[[Any], Verdict] | None = None,
        refusal: type[CallNotPermitted] = CallNotPermitted,
        clock: Clock = monotonic,
    ) -> None:
        self.strategies = strategies
        self.name = name
        self.operation = Operation(name=name, idempotent=idempotent)
        self.classify = classify
        self.classify_result = classify_result
        self.refusal = refusal
        self.clock = clock
        check_order([strategy.name for strategy in strategies])
        self.bound = Bound()
        self._run: Next = _call
        for strategy in reversed(strategies):
            self.bound = strategy.bound(self.bound)
            self._run = strategy(self._run)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {' > '.join([strategy.name for strategy in self.strategies])}>"

    def run(self, operation: Operation, domain: str, fn: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Await `fn` inside all strategies, as an operation on a domain of a service."""
        return self._run(Call(self, operation, domain, fn))

    def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Await `fn(*args, **kwargs)` inside all strategies."""
        return self._run(Call(self, self.operation, "", partial(fn, *args, **kwargs) if args or kwargs else fn))

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate a coroutine function, or a plain function where no strategy needs an event loop.

        Raises ConfigurationError for another kind of function.
        """
        operation = Operation(name=getattr(fn, "__qualname__", self.name), idempotent=self.operation.idempotent)
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise ConfigurationError(f"{operation.name} is a generator, which cannot be tried again when part of it is "
                                     "out. Decorate it with a breaker, or what it calls with the pipeline.")  # fmt: skip
        run: Any = self._run if inspect.iscoroutinefunction(fn) else self._sync()

        @wraps(fn)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(Call(self, operation, "", partial(fn, *args, **kwargs) if args or kwargs else fn))

        @wraps(fn)
        async def guarded_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await run(Call(self, operation, "", partial(fn, *args, **kwargs) if args or kwargs else fn))

        return cast("Callable[P, T]", guarded_coroutine) if inspect.iscoroutinefunction(fn) else guarded

    def _sync(self) -> SyncNext:
        run: SyncNext = _call_sync
        for strategy in reversed(self.strategies):
            run = strategy.sync(run)
        return run

    def explain(self) -> Explanation:
        """The stack as it runs, with the most time and attempts that a call may cost."""
        return Explanation(self.name, tuple((each.name, each.describe()) for each in self.strategies), self.bound)

    def saturations(self) -> Mapping[str, float]:
        """How full each of its strategies is, of those that can be full."""
        full = {strategy.name: strategy.saturation() for strategy in self.strategies}
        return {name: share for name, share in full.items() if share is not None}


async def _call(call: Call) -> Any:
    return await call.fn()


def _call_sync(call: Call) -> Any:
    return call.fn()
