"""Strategies round a call: compiled once into a stack of coroutine functions, outermost first."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial, wraps
from math import inf
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar, cast, get_args

from switchgear._bus import Bus
from switchgear._call import Call
from switchgear._clock import Clock, monotonic
from switchgear._decorate import body_of, is_coroutine_function
from switchgear._errors import CallNotPermitted, CallTimedOut, ConfigurationError
from switchgear._order import check_order
from switchgear._permit import Permit
from switchgear._spec import Operation, OperationClass
from switchgear._verdict import Classify, Verdict, unknown_is_failure

P = ParamSpec("P")
T = TypeVar("T")


#: For the fields of a strategy that only code can give: no configuration has a key for them.
CODE: Mapping[str, bool] = {"code": True}

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
    #: The strategy that it stands just inside of, in a configuration; asked only of one that switchgear does not know.
    inside: ClassVar[str] = "retry"
    #: What outcomes mean, where a strategy knows better than that every exception is a failure.
    classify: Classify | None = None
    #: The classes of operations whose time it limits; empty for one that limits no time.
    limited: Collection[str] = ()

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

    def heard(self, domain: str, answer: object, now: float, /) -> None:  # noqa: B027 - most have no use for it
        """A guard saw an answer from a domain, whose headers may tell more than the call's result does."""

    def saturation(self) -> float | None:
        """How full it is, 0..1; None for one that cannot be full."""
        return None

    def counts(self) -> Mapping[str, float]:
        """What it has counted so far."""
        return {}


class Explanation(NamedTuple):
    """The stack as it runs, outermost first, and the most that a call costs; calls of the classes that are `unlimited`
    may take longer.
    """

    name: str
    strategies: tuple[tuple[str, str], ...]
    bound: Bound
    unlimited: tuple[str, ...] = ()

    def __str__(self) -> str:
        seconds, attempts = self.bound.seconds, self.bound.attempts
        most = f"at most {seconds:g} s" if seconds < inf else "without a limit of time"
        if seconds < inf and self.unlimited:
            most += f" ({', '.join(self.unlimited)}: without a limit)"
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
        classify: Classify | None = None,
        classify_result: Callable[[Any], Verdict] | None = None,
        refusal: type[CallNotPermitted] = CallNotPermitted,
        clock: Clock = monotonic,
        bus: Bus | None = None,
    ) -> None:
        for given in strategies:
            if not isinstance(given, Strategy):  # pyright: ignore[reportUnnecessaryIsInstance] - not everybody checks
                raise ConfigurationError(f"{given!r} is no strategy. A breaker goes in as Breaker(breaker).")
        self.strategies = strategies
        self.name = name
        self.operation = Operation(name=name, idempotent=idempotent)
        known = [strategy.classify for strategy in strategies if strategy.classify is not None]
        self.classify = classify or (known[0] if known else unknown_is_failure)
        self.classify_result = classify_result
        self.refusal = refusal
        #: What ends a call that takes too long: the client's own kind, where a plugin has set one.
        self.timed_out = CallTimedOut
        self.clock = clock
        #: Whoever listens to what strategies tell.
        self.bus = bus or Bus()
        #: A permit, if the calls are a guard's, for who comes between it and the pipeline.
        self.covering: Callable[[Operation, str], AbstractContextManager[Permit | None]] = _uncovered
        #: The services that those calls need beside this one; a fallback must not need them too.
        self.ancestry: Callable[[], Iterable[str]] = tuple
        #: By what limits of an attempt's time are stretched: more than 1 while the fault may be on this side.
        self.patience = 1.0
        check_order([strategy.name for strategy in strategies])
        self.bound = Bound()
        self._stack: Next = _call
        for strategy in reversed(strategies):
            self.bound = strategy.bound(self.bound)
            self._stack = strategy(self._stack)
            if not inspect.iscoroutinefunction(self._stack):
                raise ConfigurationError(
                    f"The strategy {strategy.name!r} did not make a coroutine function. This is for its author to mend."
                )

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {' > '.join([strategy.name for strategy in self.strategies])}>"

    async def run(
        self,
        operation: Operation,
        domain: str,
        fn: Callable[[], Awaitable[T]],
        kept: list[Callable[[], None]] | None = None,
    ) -> T:
        """Await `fn` inside all strategies, as an operation on a domain of a service. With `kept`, places that it has
        taken are not given back at its end, but by calling what has been put in there, each once.
        """
        call = Call(self, operation, domain, fn)
        call.kept = kept
        call.enter()
        try:
            result: T = await self._stack(call)
            return result
        finally:
            call.end()

    def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Await `fn(*args, **kwargs)` inside all strategies."""
        return self.run(self.operation, "", partial(fn, *args, **kwargs))

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate a coroutine function, or a plain function where no strategy needs an event loop.

        Raises ConfigurationError for another kind of function.
        """
        body = body_of(fn)
        if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
            raise ConfigurationError("A generator cannot be tried again when part of it is out. Decorate it with a "
                                     "breaker, or what it calls with the pipeline.")  # fmt: skip
        operation = Operation(name=getattr(body, "__qualname__", self.name), idempotent=self.operation.idempotent)
        if not is_coroutine_function(body):
            return self._guard_plain(fn, operation)

        function: Any = fn

        @wraps(fn)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            # As `run` does, for a coroutine less.
            call = Call(self, operation, "", partial(function, *args, **kwargs))
            call.enter()
            try:
                return await self._stack(call)
            finally:
                call.end()

        return cast("Callable[P, T]", guarded)

    def _guard_plain(self, fn: Callable[P, T], operation: Operation) -> Callable[P, T]:
        stack: SyncNext = _call_plain
        for strategy in reversed(self.strategies):
            stack = strategy.sync(stack)

        @wraps(fn)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            call = Call(self, operation, "", partial(fn, *args, **kwargs))
            call.enter()
            try:
                result: T = stack(call)
                return result
            finally:
                call.end()

        return guarded

    def explain(self) -> Explanation:
        """The stack as it runs, with the most time and attempts that a call may cost."""
        described = tuple((each.name, each.describe()) for each in self.strategies)
        bounds = {klass: self._bound_of(klass) for klass in get_args(OperationClass)}
        limited = [bound for bound in bounds.values() if bound.seconds < inf]
        if not limited:
            return Explanation(self.name, described, self.bound)
        unlimited = tuple(klass for klass, bound in bounds.items() if bound.seconds == inf)
        return Explanation(self.name, described, max(limited), unlimited)

    def _bound_of(self, klass: str) -> Bound:
        """Without the limits that are for other classes of operations."""
        bound = Bound()
        for strategy in reversed(self.strategies):
            if not strategy.limited or klass in strategy.limited:
                bound = strategy.bound(bound)
        return bound

    def saturations(self) -> Mapping[str, float]:
        """How full each of its strategies is, of those that can be full."""
        full = {strategy.name: strategy.saturation() for strategy in self.strategies}
        return {name: share for name, share in full.items() if share is not None}


def _uncovered(_operation: Operation, _domain: str) -> AbstractContextManager[None]:
    return nullcontext()


async def _call(call: Call) -> Any:
    return await call.fn()


def _call_plain(call: Call) -> Any:
    return call.fn()
