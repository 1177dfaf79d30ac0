"""Every error that switchgear itself raises. A dependency's own exceptions pass through unchanged.

    SwitchgearError
    |-- CallNotPermitted      the backend is in trouble, or an operator said so: the call was refused, not tried
    |   `-- LimitExceeded     a limit on this side is reached; the backend may be well, it was not asked
    |-- CallTimedOut          a limit of time was reached; a TimeoutError too
    |-- InjectedFault         chaos was switched on, and this is it
    |-- CapabilityNotOffered  what was asked for is switched off at present, since what it needs is in trouble
    |-- ConfigurationError    the configuration is wrong; says which key, and which name may have been meant
    |-- MissingDependency     something is not installed; says the command that installs it
    `-- PluginError           a plugin cannot be used; says why, and in which state it is

Each message says what happened, whose fault it is and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from switchgear._state import State


class SwitchgearError(Exception):
    """Base of all errors that switchgear raises."""


class Cause(NamedTuple):
    """One kind of outcome that led to a state, as text: no exception object, so no frame, is kept alive."""

    type: str
    text: str
    times: int = 1

    def __str__(self) -> str:
        times = f"{self.times} x " if self.times > 1 else ""
        return f"{times}{self.type}: {self.text}" if self.text else f"{times}{self.type}"


class CallNotPermitted(SwitchgearError):
    """The call was refused before it reached the backend.

    Attributes:
        breaker: name of the breaker (of a service: the service's name).
        domain: which part of the service, "" for the whole of it.
        state: the state it was refused in.
        retry_after: seconds until a call may be tried, or None when that is not known.
        reason: which rule led here, with its numbers.
        causes: the last causes, grouped.

    A plugin's refusals are also the client's own error for an unreachable backend, so existing `except` clauses hold.
    It costs little to build, for under an open breaker it is built with every call: its message is made when read.
    """

    def __init__(  # noqa: PLR0917 - all its facts, in the order that pickle gives them back
        self,
        breaker: str,
        domain: str,
        state: State,
        retry_after: float | None,
        reason: str,
        causes: tuple[Cause, ...] = (),
        /,
    ) -> None:
        # In one attribute, beside `args`, which the client's own error class may want for itself.
        self._facts = breaker, domain, state, retry_after, reason, causes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._facts

    @property
    def breaker(self) -> str:
        return self._facts[0]

    @property
    def domain(self) -> str:
        return self._facts[1]

    @property
    def state(self) -> State:
        return self._facts[2]

    @property
    def retry_after(self) -> float | None:
        return self._facts[3]

    @property
    def reason(self) -> str:
        return self._facts[4]

    @property
    def causes(self) -> tuple[Cause, ...]:
        return self._facts[5]

    def __str__(self) -> str:
        name = f"{self.breaker}[{self.domain}]" if self.domain else self.breaker
        causes = f" Last causes: {'; '.join(map(str, self.causes))}." if self.causes else ""
        after = "" if self.retry_after is None else f" Try again in {self.retry_after:.1f} s."
        return f"Call not permitted: {name} is {self.state}: {self.reason}.{causes}{after}"


class CallTimedOut(SwitchgearError, TimeoutError):
    """A call took longer than it may: `seconds` is the limit of one attempt, or with `whole` of all of them together.

    Whether the backend has done what it was asked is not known. A plugin's is also the client's own error for an answer
    that does not come, so existing `except` clauses hold.
    """

    def __init__(self, service: str, operation: str, seconds: float, *, whole: bool = False) -> None:
        # Not super()'s: the client's own error class wants other facts.
        BaseException.__init__(self, service, operation, seconds)
        self.service = service
        self.operation = operation
        self.seconds = seconds
        self.whole = whole

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), whole=self.whole), (self.service, self.operation, self.seconds)

    def __str__(self) -> str:
        what = f"{self.service} ({self.operation})" if self.operation != self.service else self.service
        limit = "the deadline of all attempts" if self.whole else "the timeout of an attempt"
        return f"{what} did not answer within {self.seconds:g} s, {limit}. Whether it has done its work is not known."


class InjectedFault(SwitchgearError):
    """Chaos let this call to a service fail in the backend's stead, which was not asked.

    A plugin's is also the client's own error for an unreachable backend, as its refusals are.
    """

    def __init__(self, service: str) -> None:
        BaseException.__init__(self, service)
        self.service = service

    #: A plugin's kind of refusal: what else that is, this is.
    _kind: type[CallNotPermitted] = CallNotPermitted

    @staticmethod
    def of(kind: type[CallNotPermitted]) -> type[InjectedFault]:
        """The class of it that is also the client's error that this kind of refusal is."""
        hashable: Any = kind
        return _faults_of(hashable)

    def __reduce__(self) -> tuple[Any, ...]:
        return _injected_fault, (self._kind, self.service)

    def __str__(self) -> str:
        return f"This call failed on purpose: somebody has switched chaos on for {self.service}. Nobody has to mend it."


@cache
def _faults_of(kind: type[CallNotPermitted]) -> type[InjectedFault]:
    bases: tuple[type[Any], ...] = kind.__bases__
    clients = tuple(base for base in bases if not issubclass(base, SwitchgearError))
    if kind is CallNotPermitted or not clients:
        return InjectedFault
    # With what such errors are asked for, as the plugin has it for its refusals.
    also = {name: value for name, value in vars(kind).items() if not name.startswith("__")}
    return type("InjectedFault", (InjectedFault, *clients), {**also, "_kind": kind, "__module__": kind.__module__})


def _injected_fault(kind: type[CallNotPermitted], service: str) -> InjectedFault:
    return InjectedFault.of(kind)(service)


class LimitExceeded(CallNotPermitted):
    """A limit on this side refused the call (too many under way, too many a second) before it reached the backend.

    `strategy` is which one ("bulkhead"), `reason` its numbers, `retry_after` the seconds until there is room, where
    that is known. No breaker refused: `state` is CLOSED, and there are no causes.
    """

    def __init__(self, service: str, domain: str, strategy: str, retry_after: float | None, reason: str, /) -> None:
        super().__init__(service, domain, State.CLOSED, retry_after, reason)
        self.strategy = strategy

    #: What else it is: a plugin's kind of refusal, which is the client's own error.
    _kind: type[CallNotPermitted] = CallNotPermitted

    @staticmethod
    def of(kind: type[CallNotPermitted]) -> type[LimitExceeded]:
        """The class of it that is also of this kind."""
        hashable: Any = kind  # what mypy does not believe of a class of exceptions
        return _limits_of(hashable)

    def __reduce__(self) -> tuple[Any, ...]:
        return _limit_exceeded, (self._kind, self.breaker, self.domain, self.strategy, self.retry_after, self.reason)

    def __str__(self) -> str:
        name = f"{self.breaker}[{self.domain}]" if self.domain else self.breaker
        after = "" if self.retry_after is None else f" Try again in {self.retry_after:.1f} s."
        return f"Call not permitted: the {self.strategy} of {name}: {self.reason}. The backend was not asked.{after}"


@cache
def _limits_of(kind: Any) -> type[LimitExceeded]:
    if issubclass(LimitExceeded, kind):
        return LimitExceeded
    # Named as what callers know.
    return type(kind.__name__, (LimitExceeded, kind), {"_kind": kind, "__module__": kind.__module__})


def _limit_exceeded(kind: type[CallNotPermitted], *facts: Any) -> LimitExceeded:
    return LimitExceeded.of(kind)(*facts)


class CapabilityNotOffered(SwitchgearError):
    """The application does not offer this capability at present, by design: its level is lower than was asked for."""

    def __init__(self, capability: str, level: str, at_least: str, reason: str, retry_after: float = 10.0) -> None:
        super().__init__(capability, level, at_least, reason, retry_after)
        self.capability = capability
        self.level = level
        self.at_least = at_least
        self.reason = reason
        #: Seconds after which asking again makes sense: no level rises sooner.
        self.retry_after = retry_after

    def __str__(self) -> str:
        offered = f"{self.capability} is {self.level} at present, and this needs {self.at_least}"
        return f"Not offered: {offered} ({self.reason}). Nobody has to do anything here but wait, or do without it."


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence, led by a space, that helps with a name that is not known: the nearest one, or all there are."""
    from difflib import get_close_matches

    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(names)}." if names else ""


class ConfigurationError(SwitchgearError):
    """A configuration that cannot be right. `key` is the path of the key at fault ("services.cache.breaker").

    `errors` are the single errors, where a configuration was read as a whole.
    """

    def __init__(self, problem: str, key: str = "", errors: Sequence[ConfigurationError] = ()) -> None:
        super().__init__(problem, key, errors)
        self.problem = problem
        self.key = key
        self.errors = tuple(errors)

    @classmethod
    def unknown(cls, what: str, name: str, known: Iterable[str], *, key: str = "") -> ConfigurationError:
        """The error for a name that is not one of the known ones; suggests the nearest."""
        return cls(f"There is no {what} {name!r}.{nearest(name, known)}", key=key)

    @classmethod
    def several(cls, source: str, errors: Sequence[ConfigurationError]) -> ConfigurationError:
        """One error for all that is wrong with what was read from `source`."""
        if len(errors) == 1:
            return cls(f"{source}: {errors[0]}", errors=errors)
        listed = "".join(f"\n- {error}" for error in errors)
        return cls(f"{source} has {len(errors)} problems:{listed}", errors=errors)

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class MissingDependency(SwitchgearError):
    """Something that is needed is not installed. `install` is the requirement to give to pip."""

    def __init__(self, what: str, install: str) -> None:
        super().__init__(what, install)
        self.what = what
        self.install = install

    def __str__(self) -> str:
        return f'{self.what} is not installed. Install it with: pip install "{self.install}"'


class PluginError(SwitchgearError):
    """A plugin cannot be used. `plugin` is its entry-point name, `state` why not (BLOCKED, BROKEN, ...)."""

    def __init__(self, plugin: str, state: str, problem: str) -> None:
        super().__init__(plugin, state, problem)
        self.plugin = plugin
        self.state = state
        self.problem = problem

    def __str__(self) -> str:
        return f"Plugin {self.plugin!r} is {self.state}: {self.problem}"
