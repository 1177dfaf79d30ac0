"""The six states of a breaker. Which may follow which is the table in `_breaker.py`."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a breaker does with the next call."""

    CLOSED = "closed"  #: admits calls and watches them (after an outage: a growing share of them, see Ramp)
    OPEN = "open"  #: refuses calls until a moment
    HALF_OPEN = "half_open"  #: admits a few probes and decides by them
    FORCED_OPEN = "forced_open"  #: an operator refuses all calls
    DISABLED = "disabled"  #: an operator admits all calls, unwatched
    METRICS_ONLY = "metrics_only"  #: admits all calls, and reports when it would have opened

    def __str__(self) -> str:
        return self.name


#: In these a breaker refuses calls, or all but its probes.
REFUSING = frozenset({State.OPEN, State.HALF_OPEN, State.FORCED_OPEN})
