"""A breaker in its place among the other strategies."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from switchgear._breaker_config import BreakerConfig
from switchgear._circuit import CircuitBreaker
from switchgear._errors import ConfigurationError
from switchgear._pipeline import Bound, Next, Strategy, SyncNext
from switchgear._window import CountWindow, TimeWindow


class Breaker(Strategy):
    """Refuses attempts while `breaker` is open, and lets it learn from the others. What its `classify` makes of
    exceptions holds for the whole pipeline, unless that has its own.
    """

    name: ClassVar[str] = "breaker"

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self.classify = breaker.classify

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        return self.breaker(next)

    def sync(self, next: SyncNext, /) -> SyncNext:  # noqa: A002
        return self.breaker(next)

    def bound(self, inner: Bound, /) -> Bound:
        return _bound(self.breaker.config, inner)

    def describe(self) -> str:
        return describe(self.breaker.config)


@dataclass(eq=False)
class GuardBreaker(Strategy):
    """The place of a service's breaker. The service's guard asks that for a permit, for what exactly it does, which
    only the guard knows; so there is nothing here to wrap.
    """

    name: ClassVar[str] = "breaker"

    config: BreakerConfig

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        return next

    def bound(self, inner: Bound, /) -> Bound:
        return _bound(self.config, inner)

    def describe(self) -> str:
        return describe(self.config)


def _bound(config: BreakerConfig, inner: Bound) -> Bound:
    """Calls leave the window before they have come to an end, if that is too short to see two of them one by one."""
    window, attempt = config.window, inner.attempt_seconds
    if isinstance(window, TimeWindow) and attempt < inf and window.seconds < 2 * attempt:
        raise ConfigurationError(
            f"The breaker looks back {window.seconds:g} s, and an attempt may take {attempt:g} s: what is under way "
            f"together may never be in its window together. Let it look back {2 * attempt:g} s or more, or give the "
            "attempt less time.", "window",
        )  # fmt: skip
    return inner


def describe(config: BreakerConfig) -> str:
    """The rules that open it, in a few words."""
    rules = [
        (config.failure_rate_threshold, "{:.0%} failed"),
        (config.slow_call_rate_threshold if config.slow_call_duration_threshold else None, "{:.0%} slow"),
        (config.consecutive_failures, "{} failed in a row"),
    ]
    said = " or ".join([text.format(value) for value, text in rules if value is not None])
    window = config.window
    looked_at = f"the last {window.size} calls" if isinstance(window, CountWindow) else f"the last {window.seconds:g} s"
    return f"opens at {said} of {looked_at}"
