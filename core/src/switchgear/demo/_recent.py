"""What happened in the last seconds, for rates and latencies."""

from __future__ import annotations

from collections import deque

_SPAN = 3.0  # s: long enough for steady numbers, short enough to see a change


class Recent:
    """Counts by what happened, and durations, over a sliding span of time."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, str, float]] = deque()

    def add(self, at: float, what: str, duration: float = 0.0) -> None:
        """Something happened, and took so many seconds."""
        self._events.append((at, what, duration))
        self._forget(at)

    def rate(self, now: float, *what: str) -> float:
        """How often it happened, a second."""
        self._forget(now)
        return sum(event[1] in what for event in self._events) / _SPAN

    def slowest(self, now: float, share: float = 0.95) -> float | None:
        """Seconds that this share of what took time took at most; None if nothing did."""
        self._forget(now)
        durations = sorted(duration for _, _, duration in self._events if duration)
        return durations[min(int(share * len(durations)), len(durations) - 1)] if durations else None

    def _forget(self, now: float) -> None:
        while self._events and self._events[0][0] <= now - _SPAN:
            self._events.popleft()
