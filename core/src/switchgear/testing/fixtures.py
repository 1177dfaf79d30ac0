"""What tests that use the fixtures annotate them with."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Literal, Protocol

from switchgear._circuit import CircuitBreaker
from switchgear.testing.toxics import Toxic

FaultName = Literal["refuse", "hang", "reset", "slow", "cut", "heal"]


class OpenBreaker(Protocol):
    """The fixture `open_breaker`. Raises ConfigurationError for a service that there is not."""

    def __call__(self, which: str | CircuitBreaker, /, domain: str | None = None) -> None:
        """Calls are refused until the end of the test: of a service, of a domain of it, or of a breaker by itself."""


class Fault(Protocol):
    """The fixture `fault`. Raises LookupError for a service without a proxy."""

    def __call__(self, service: str, what: FaultName | Toxic) -> Coroutine[Any, Any, None]:
        """Hurt the way to a service's server, until it is told to "heal" or the test ends."""
        ...
