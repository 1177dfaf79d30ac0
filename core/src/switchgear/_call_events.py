"""What strategies tell observers of one call: frozen, and made only where somebody listens.

`at` is the pipeline's clock, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A limit on this side refused a call: that of a strategy ("bulkhead"), or of what is full ("pool"). `retry_after`
    in seconds, where it is known.
    """

    heard_by: ClassVar = "on_limited"

    service: str
    domain: str
    operation: str
    strategy: str
    reason: str
    retry_after: float | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """A call is tried again: its attempt number `attempt`, 2 or more, begins in `wait` seconds. `cause` is what the one
    before came to.
    """

    heard_by: ClassVar = "on_retried"

    service: str
    domain: str
    operation: str
    attempt: int
    wait: float
    cause: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedged:
    """A second attempt begins beside a first one that has taken `after` seconds so far."""

    heard_by: ClassVar = "on_hedged"

    service: str
    domain: str
    operation: str
    after: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """Something went wrong on purpose: chaos interfered with a call. `injection` is how ("fault", "latency", ...), and
    `reason` why somebody switched it on.
    """

    heard_by: ClassVar = "on_injected"

    service: str
    domain: str
    operation: str
    injection: str
    reason: str
    at: float
