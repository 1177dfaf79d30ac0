"""One counter of a service: exact, from any thread and from finalizers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from switchgear._lock import fork_safe

# Reentrant, since a finalizer may count in the middle of counting.
_lock = fork_safe(threading.RLock())


class Counter:
    """A counter that only grows. A guard keeps those that it needs on every call."""

    __slots__ = ("_added", "_reads", "tick")

    def __init__(self) -> None:
        #: Adds one. It is a single step of the interpreter, so it takes no lock.
        self.tick: Callable[[], int] = count().__next__
        self._added: float = 0
        self._reads = 0

    def add(self, amount: float) -> None:
        """Add an amount, not below 0, in the metric's unit."""
        with _lock:
            self._added += amount

    @property
    def value(self) -> float:
        """All that was added."""
        with _lock:
            ticks = self.tick() - self._reads  # reading ticks it too
            self._reads += 1
            return self._added + ticks
