"""An observer that remembers."""

from __future__ import annotations

from switchgear._events import Refused, Settled, Transition, TripSuppressed


class Events:
    """What breakers said, in order: `gear.subscribe(Events())`.

    Attributes:
        transitions: changes of state.
        suppressed: those that METRICS_ONLY kept from happening.
        refused: calls that were not permitted.
        settled: calls that ended, each with its verdict.
    """

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.suppressed: list[TripSuppressed] = []
        self.refused: list[Refused] = []
        self.settled: list[Settled] = []

    def on_transition(self, event: Transition) -> None:
        """A breaker changed its state."""
        self.transitions.append(event)

    def on_trip_suppressed(self, event: TripSuppressed) -> None:
        """It would have."""
        self.suppressed.append(event)

    def on_refused(self, event: Refused) -> None:
        """A call was not permitted."""
        self.refused.append(event)

    def on_settled(self, event: Settled) -> None:
        """A call has ended."""
        self.settled.append(event)

    def clear(self) -> None:
        """Forget it all."""
        for heard in (self.transitions, self.suppressed, self.refused, self.settled):
            heard.clear()

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """(operation, verdict's name) of the calls that have ended."""
        return [(event.operation, event.verdict.name) for event in self.settled]
