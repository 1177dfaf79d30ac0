"""The rules of a breaker, as frozen data. Every default names its precedent; ratios are 0..1, times seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from math import ceil, inf, log
from types import MappingProxyType
from typing import Any, Literal

from switchgear._errors import ConfigurationError
from switchgear._window import CountWindow, Window

ProbeWith = Literal["traffic", "health", "both"]


def _positive(value: float, key: str) -> None:
    if not 0 < value < inf:
        raise ConfigurationError(f"{value!r} is no length of time. Give seconds, above 0.", key=key)


def _ratio(value: float | None, key: str) -> None:
    if value is not None and not 0 < value <= 1:
        raise ConfigurationError(f"{value!r} is no ratio. Give a share above 0 and at most 1, or none.", key=key)


def _at_least_one(value: int | None, key: str) -> None:
    if value is not None and value < 1:
        raise ConfigurationError(f"{value!r} calls are too few. Give 1 or more.", key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to stay open the n-th time in a row: min(initial * multiplier**(n-1), max), times 1..1+jitter.

    Jitter only adds, so the wait is never shorter than what was configured; 1.0 spreads the returns of a fleet over
    twice the wait. `n` is not forgotten when the breaker closes: one step is forgotten for each `forget` seconds spent
    CLOSED, so that a flapping backend is met with longer waits (as Envoy's ejection multiplier decays).

    By default a wait is about a tenth of the outage so far, with jitter up to a fifth: who was away for half a minute
    is found back within seconds, and who is away for an hour is asked twice a minute (docs/decisions/0024).
    """

    initial: float = 1.0
    multiplier: float = 1.15
    max: float = 20.0
    jitter: float = 1.0
    forget: float = 15.0

    def __post_init__(self) -> None:
        for key in ("initial", "max", "forget"):
            _positive(getattr(self, key), f"wait_duration_in_open.{key}")
        if not 1 <= self.multiplier < inf:
            problem = f"{self.multiplier!r} does not make each wait as long as the last, or longer. Give 1 or more."
            raise ConfigurationError(problem, key="wait_duration_in_open.multiplier")
        if not 0 <= self.jitter <= 1:
            problem = f"{self.jitter!r} is no share of the wait. Give 0 to 1."
            raise ConfigurationError(problem, key="wait_duration_in_open.jitter")
        if self.max < self.initial:
            problem = f"max ({self.max:g} s) is below initial ({self.initial:g} s). Raise max or lower initial."
            raise ConfigurationError(problem, key="wait_duration_in_open.max")

    @property
    def attempts(self) -> int:
        """The attempt from which on waits do not grow; no more of them are remembered."""
        if self.multiplier == 1:
            return 1
        return 1 + ceil(log(self.max / self.initial) / log(self.multiplier) - 1e-9)  # logarithms are not exact

    def wait(self, attempt: float, roll: float) -> float:
        """Seconds to stay open at the given attempt (1 is the first); `roll` is a random number in 0..1."""
        try:
            grown: float = self.initial * self.multiplier ** (attempt - 1)
        except OverflowError:  # beyond any max
            grown = inf
        return min(grown, self.max) * (1 + self.jitter * roll)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The way back: after half-open, admit `initial` of the calls, growing evenly to all of them over `duration`
    seconds; each relapse halves the share. 10 % to 100 % is Envoy's slow start, in time instead of weights.
    """

    initial: float = 0.1
    duration: float = 5.0

    def __post_init__(self) -> None:
        _ratio(self.initial, "ramp.initial")
        _positive(self.duration, "ramp.duration")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a breaker opens, for how long, and what closes it again. `None` turns a rule off.

    Raises ConfigurationError for values that cannot be meant.
    """

    #: Share of bad calls that opens, >=. 50 %: resilience4j, Hystrix, SmallRye. At Polly's 10 % a base error rate of
    #: 5 % gives false alarms without end.
    failure_rate_threshold: float | None = 0.5
    #: Share of slow calls that opens, >=. On only where a slow_call_duration_threshold says what slow is. Calls still
    #: in flight count once they are overdue.
    slow_call_rate_threshold: float | None = 0.5
    #: What is slow (>=): for all calls, or by operation class ("read", "write", ...). None: nothing is.
    slow_call_duration_threshold: float | Mapping[str, float] | None = None
    #: This many failures in a row open at once, whatever the rates say.
    consecutive_failures: int | None = None
    #: No rate is judged on fewer calls. 20: Hystrix, SmallRye.
    minimum_number_of_calls: int = 20
    window: Window = field(default_factory=CountWindow)
    wait_duration_in_open: float | Backoff = field(default_factory=Backoff)
    #: Probes in a half-open round, and at most that many at once. 5 rather than Polly's 1: one unlucky probe must not
    #: reopen.
    permitted_calls_in_half_open: int = 5
    #: A probe that has not settled by then has lost its permit (its result is late and changes nothing).
    probe_timeout: float = 30.0
    #: A half-open round that has probes under way and hears nothing of them for so long is over: OPEN.
    max_wait_in_half_open: float = 60.0
    #: None: close at full width.
    ramp: Ramp | None = field(default_factory=Ramp)
    #: Who finds out whether the backend is back: users' calls, the plugin's active check, or whichever comes first.
    probe_with: ProbeWith = "traffic"

    def __post_init__(self) -> None:
        _ratio(self.failure_rate_threshold, "failure_rate_threshold")
        _ratio(self.slow_call_rate_threshold, "slow_call_rate_threshold")
        _at_least_one(self.consecutive_failures, "consecutive_failures")
        _at_least_one(self.minimum_number_of_calls, "minimum_number_of_calls")
        _at_least_one(self.permitted_calls_in_half_open, "permitted_calls_in_half_open")
        _positive(self.probe_timeout, "probe_timeout")
        _positive(self.max_wait_in_half_open, "max_wait_in_half_open")
        slow = self.slow_call_duration_threshold
        if isinstance(slow, Mapping):
            for name, seconds in slow.items():
                _positive(seconds, f"slow_call_duration_threshold.{name}")
            # Read-only and our own, so that the frozen configuration can be shared.
            object.__setattr__(self, "slow_call_duration_threshold", MappingProxyType(dict(slow)))
        elif slow is not None:
            _positive(slow, "slow_call_duration_threshold")
        if not isinstance(self.wait_duration_in_open, Backoff):
            _positive(self.wait_duration_in_open, "wait_duration_in_open")
        if isinstance(self.window, CountWindow) and self.minimum_number_of_calls > self.window.size:
            raise ConfigurationError(
                f"minimum_number_of_calls ({self.minimum_number_of_calls}) is above the size of the count window "
                f"({self.window.size}), so no rate would ever be judged. Lower the one or widen the other.",
                key="minimum_number_of_calls",
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping does not pickle; a plain one does, and is made read-only again.
        rules = {field.name: getattr(self, field.name) for field in fields(self)}
        if isinstance(self.slow_call_duration_threshold, Mapping):
            rules["slow_call_duration_threshold"] = dict(self.slow_call_duration_threshold)
        return partial(BreakerConfig, **rules), ()

    def slow_after(self, operation_class: str = "") -> float:
        """Seconds from which a call of this operation class is slow; infinity if it never is."""
        slow = self.slow_call_duration_threshold
        if self.slow_call_rate_threshold is None or slow is None:
            return inf
        if isinstance(slow, Mapping):
            return slow.get(operation_class, inf)
        return slow

    @property
    def backoff(self) -> Backoff:
        """The waits in OPEN; a plain number is that number each time, as written."""
        wait = self.wait_duration_in_open
        return wait if isinstance(wait, Backoff) else Backoff(initial=wait, multiplier=1, max=wait, jitter=0)
