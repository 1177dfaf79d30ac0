"""An answer from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

from switchgear._call import Call
from switchgear._degraded import Degraded, tell
from switchgear._errors import CallNotPermitted, ConfigurationError
from switchgear._pipeline import CODE, Bound, Next, Strategy
from switchgear._redact import describe
from switchgear._strategies._last_good import LastGood, key_of
from switchgear._strategies._on import On, matching
from switchgear._strategies._stand_in import StandIn

_NONE = object()


@dataclass(eq=False)
class Fallback(Strategy):
    """Answers calls that fail: from the last good result with the same arguments, if it is no older than `stale`
    seconds; else from `function`, called with the same arguments (another model, a replica); else with `value`.

    It helps where the backend did not serve (FAILURE, THROTTLED, EXHAUSTED), a limit of time was reached or the call
    was refused; `on` names exceptions instead, and `operations` restricts it to some. If nothing helps, the error is
    raised that the call ended with. `with degraded() as answers:` tells callers which results are not the backend's.

    While `function` runs, neither what has failed is called nor what that requires, as the configuration says: such
    calls are refused. And so that nobody finds out in an outage that it does not work, it is exercised with a share of
    the calls that succeed, `canary`.
    """

    name: ClassVar[str] = "fallback"

    value: Any = _NONE
    stale: float | None = None
    operations: tuple[str, ...] = ()
    canary: float = 0.001
    function: Callable[..., Any] | None = field(default=None, metadata=CODE)
    on: On | None = field(default=None, metadata=CODE)
    key: Callable[[Call], Hashable] = field(default=key_of, metadata=CODE)
    _stand_in: StandIn | None = field(init=False, repr=False)
    _last_good: LastGood = field(default_factory=LastGood, init=False, repr=False)
    _answers: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.value is _NONE and self.stale is None and self.function is None:
            raise ConfigurationError("This fallback has nothing to answer with. Give a value, a function, or stale.")
        if self.stale is not None and not self.stale > 0:
            raise ConfigurationError(f"No result is {self.stale} s old. Give a number above 0.", "stale")
        if not 0 <= self.canary <= 1:
            raise ConfigurationError(f"A share of the calls is 0 to 1, not {self.canary}.", "canary")
        self._stand_in = None if self.function is None else StandIn(self.function, self.canary)
        self._answers = {"stale": 0, "function": 0, "value": 0}

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        helps, operations = self._helps(), frozenset(self.operations)
        stale, stand_in = self.stale, self._stand_in

        async def fallback(call: Call) -> Any:
            if operations and call.operation.name not in operations:
                return await next(call)
            try:
                result = await next(call)
            except Exception as exc:
                answer = await self._answer(call, exc) if helps(call, exc) else _NONE
                if answer is _NONE:
                    raise
                return answer
            if stale is not None and (key := self.key(call)) is not None:
                self._last_good.keep(key, result, call.pipeline.clock())
            if stand_in is not None:
                await stand_in.exercise(call)
            return result

        return fallback

    def _helps(self) -> Callable[[Call, Exception], bool]:
        named = matching(self.on)
        if named is not None:
            return lambda _, exc: named(exc)
        hopeless = {"SUCCESS", "IGNORED"}
        return lambda call, exc: isinstance(exc, CallNotPermitted) or call.judge(exc).name not in hopeless

    async def _answer(self, call: Call, exc: Exception) -> Any:
        if self.stale is not None and (key := self.key(call)) is not None:
            now = call.pipeline.clock()
            kept = self._last_good.get(key, now - self.stale)
            if kept is not None:
                return self._told(call, exc, "stale", kept.result, now - kept.at)
        if self._stand_in is not None:
            with suppress(Exception):  # it has told; the caller gets the error that led here
                return self._told(call, exc, "function", await self._stand_in.answer(call, exc))
        return _NONE if self.value is _NONE else self._told(call, exc, "value", self.value)

    def _told(self, call: Call, exc: Exception, source: str, answer: Any, age: float | None = None) -> Any:
        self._answers[source] += 1
        if self._stand_in is not None and source == "function":
            source = self._stand_in.name
        cause = ": ".join(filter(None, describe(exc)))
        told = Degraded(service=call.pipeline.name, operation=call.operation.name, domain=call.domain,
                        source=source, age=age, cause=cause)  # fmt: skip
        tell(told)
        call.pipeline.bus.publish(told)
        return answer

    def bound(self, inner: Bound, /) -> Bound:
        return inner if self.function is None else inner._replace(seconds=inf)

    def describe(self) -> str:
        sources = [] if self.stale is None else [f"the last good result, up to {self.stale:g} s old"]
        sources += [] if self._stand_in is None else [self._stand_in.name]
        sources += [] if self.value is _NONE else [f"the value {self.value!r}"]
        return ", else ".join(sources)

    def counts(self) -> Mapping[str, float]:
        stand_in = self._stand_in
        told = {} if stand_in is None else {
            "failed": stand_in.failed, "exercises": stand_in.exercises, "exercises_failed": stand_in.exercises_failed
        }  # fmt: skip
        return self._answers | told
