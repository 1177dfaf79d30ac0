"""A clock that moves only when told to."""

from __future__ import annotations


class VirtualClock:
    """Seconds, as from `time.monotonic`, under the test's control: `CircuitBreaker(..., clock=VirtualClock())`.

    It is no event loop's clock: it wakes nobody who sleeps.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        """The time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a step back: no clock of a breaker goes there."""
        if seconds < 0:
            raise ValueError(f"A monotonic clock cannot go back by {-seconds} s.")
        self._now += seconds
