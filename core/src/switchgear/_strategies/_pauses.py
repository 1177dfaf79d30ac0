"""How long to pause before another attempt."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Literal, NamedTuple

from switchgear._errors import ConfigurationError

Jitter = Literal["full", "decorrelated"]


class Pauses(NamedTuple):
    """Random pauses in seconds, so that those who failed together do not come back together.

    "full": anything up to `initial`, and up to twice as much each time. "decorrelated": anything from `initial` up to
    three times the last one. Neither is more than `max`. Both are AWS's, whose simulation found little between them.
    """

    initial: float
    max: float
    jitter: Jitter
    roll: Callable[[], float]  # 0..1

    def check(self) -> None:
        """Raises ConfigurationError for numbers that cannot be."""
        if not 0 <= self.initial < inf:
            raise ConfigurationError(f"No pause can be {self.initial} s. Give 0 or more.", "initial")
        if not self.initial <= self.max < inf:
            raise ConfigurationError(
                f"The longest pause cannot be {self.max} s, since the first may be {self.initial} s.", "max"
            )

    def next(self, attempt: int, last: float) -> float:
        """The pause after the attempt of that number, from 1; `last` is how long the one before was, or 0."""
        if self.jitter == "full":
            return self.roll() * self.longest(attempt)
        return min(self.max, self.initial + self.roll() * max(0.0, 3 * max(last, self.initial) - self.initial))

    def longest(self, attempt: int) -> float:
        """The most that `next` gives."""
        factor = 2.0 if self.jitter == "full" else 3.0
        steps = attempt - 1 if self.jitter == "full" else attempt
        return min(self.max, self.initial * factor ** min(steps, 60))
