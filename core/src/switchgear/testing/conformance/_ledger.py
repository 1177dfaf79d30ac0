"""What a guard did with its permits."""

from __future__ import annotations

from typing import Any

from switchgear._events import Refused, Settled
from switchgear._permit import Permit
from switchgear._service import Service


class Ledger:
    """An observer that remembers, and that keeps every permit a service gives, so that none is lost unseen."""

    def __init__(self) -> None:
        self.permits: list[Permit] = []
        self.settled: list[Settled] = []
        self.refused: list[Refused] = []

    def keep(self, service: Service) -> None:
        """Remember the permits of this service from now on."""
        acquire = service.group.acquire

        def remembered(*args: Any, **kwargs: Any) -> Permit:
            permit = acquire(*args, **kwargs)
            self.permits.append(permit)
            return permit

        setattr(service.group, "acquire", remembered)  # noqa: B010 - a method, which mypy keeps from being replaced

    def on_settled(self, event: Settled) -> None:
        """A call has ended."""
        self.settled.append(event)

    def on_refused(self, event: Refused) -> None:
        """A call was not admitted."""
        self.refused.append(event)

    def clear(self) -> None:
        """Forget all that was."""
        for kept in (self.permits, self.settled, self.refused):
            kept.clear()

    @property
    def open(self) -> list[str]:
        """The operations of permits that nobody has settled."""
        return [permit.operation for permit in self.permits if not permit.settled]

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """(operation, verdict) of the calls that have ended."""
        return [(event.operation, event.verdict.name) for event in self.settled]
