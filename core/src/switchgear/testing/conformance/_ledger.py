"""What a guard did with its permits."""

from __future__ import annotations

from typing import Any

from switchgear._permit import Permit
from switchgear._service import Service
from switchgear.testing.events import Events


class Ledger(Events):
    """An observer that also keeps every permit a service gives, so that none is lost unseen."""

    def __init__(self) -> None:
        super().__init__()
        self.permits: list[Permit] = []

    def keep(self, service: Service) -> None:
        """Remember the permits of this service from now on."""
        acquire = service.group.acquire

        def remembered(*args: Any, **kwargs: Any) -> Permit:
            permit = acquire(*args, **kwargs)
            self.permits.append(permit)
            return permit

        setattr(service.group, "acquire", remembered)  # noqa: B010 - a method, which mypy keeps from being replaced

    def clear(self) -> None:
        """Forget all that was."""
        super().clear()
        self.permits.clear()

    @property
    def open(self) -> list[str]:
        """The operations of permits that nobody has settled."""
        return [permit.operation for permit in self.permits if not permit.settled]
