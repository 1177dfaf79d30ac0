"""What retries and hedges are paid from, so that they never add up to a storm."""

from __future__ import annotations

import threading
from math import isfinite

from switchgear._errors import ConfigurationError
from switchgear._lock import fork_safe

# One for all: it is held for two instructions, and only while a budget is not full or something fails.
_lock = fork_safe(threading.Lock())


class RetryBudget:
    """Extra attempts: `ratio` of the calls, and `burst` on top.

    Each first attempt pays in `ratio`, each further one takes out 1, and no more than `burst` is kept. So in any span
    of time the attempts are at most `calls * (1 + ratio) + burst`, whatever fails and however strategies are nested: a
    call inside a call is paid from the outer one's budget, and pays nothing in.

    Raises ConfigurationError for numbers that cannot be.
    """

    __slots__ = ("burst", "ratio", "tokens")

    def __init__(self, ratio: float = 0.2, burst: float = 3.0) -> None:
        # Finagle, Envoy and failsafe-go allow 20 % too; the latter two a floor of 3.
        if not (isfinite(ratio) and ratio >= 0):
            raise ConfigurationError(f"A share of the calls is 0 or more, not {ratio}.", "ratio")
        if not (isfinite(burst) and burst >= 1):
            raise ConfigurationError(
                f"With a burst of {burst}, not one attempt could ever be paid: 1 or more.", "burst"
            )
        self.ratio = ratio
        self.burst = burst
        self.tokens = float(burst)

    def __repr__(self) -> str:
        return f"RetryBudget(ratio={self.ratio:g}, burst={self.burst:g})"

    def deposit(self) -> None:
        """A call is tried for the first time."""
        if self.tokens < self.burst:
            with _lock:
                self.tokens = min(self.burst, self.tokens + self.ratio)

    def withdraw(self) -> bool:
        """Whether there is enough for one more attempt, which is then paid."""
        with _lock:
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True

    @property
    def available(self) -> float:
        """How full it is, 0..1."""
        return self.tokens / self.burst
