"""What the customers got, and what the gear did, told in tables that a failing test shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from switchgear import Level, LevelChange, SelfSuspicion, State, Transition
from tests.integration.shop import Answer

#: The phases of a scenario, the quietest first. A request belongs to the worst that it saw.
PHASES = ("opening", "after", "before", "recovery", "held", "fault")

#: Seconds. A customer who has waited for longer has gone.
PATIENCE = 3.0


@dataclass
class Tally:
    """What became of the requests for one capability in one phase."""

    answers: Counter[Answer] = field(default_factory=Counter[Answer])
    late: int = 0  #: answered, but to nobody any more
    waits: list[float] = field(default_factory=list[float])

    @property
    def asked(self) -> int:
        return self.answers.total()

    @property
    def goodput(self) -> float:
        """The share (0..1) that was answered in time, in full or by a fallback."""
        return (self.asked - self.answers[Answer.NONE] - self.late) / self.asked if self.asked else 1.0

    @property
    def full(self) -> float:
        """The share (0..1) that was answered in full, in time or not."""
        return self.answers[Answer.FULL] / self.asked if self.asked else 1.0

    @property
    def slowest(self) -> float:
        """What 95 % of the requests took at most, in seconds."""
        waits = sorted(self.waits)
        return waits[min(int(0.95 * len(waits)), len(waits) - 1)] if waits else 0.0


class Ledger:
    """Hears of every change (an Observer) and of every request. Times are in seconds since it was opened."""

    def __init__(self, now: float) -> None:
        self.phase = "opening"
        self.began = now
        self.tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        self.transitions: list[Transition] = []
        self.changes: list[LevelChange] = []
        self.suspicions: list[SelfSuspicion] = []
        self.notes: list[tuple[float, str]] = []

    def on_transition(self, event: Transition) -> None:
        self.transitions.append(event)
        name = f"{event.breaker}[{event.domain}]" if event.domain else event.breaker
        self.note(event.at, f"{name}: {event.from_state} -> {event.to_state}, {event.reason}: {event.detail}")

    def on_level_changed(self, event: LevelChange) -> None:
        self.changes.append(event)
        self.note(
            event.at, f"{event.capability}: {event.from_level} -> {event.to_level}, {event.reason}: {event.detail}"
        )

    def on_self_suspected(self, event: SelfSuspicion) -> None:
        self.suspicions.append(event)
        self.note(event.at, f"we suspect ourselves for {', '.join(event.services) or 'nothing any more'}")

    def note(self, now: float, what: str) -> None:
        self.notes.append((now - self.began, what))

    def turn(self, phase: str, now: float) -> None:
        """The next phase begins."""
        self.phase = phase
        self.note(now, f"--- {phase} ---")

    def answered(self, capability: str, phase: str, answer: Answer, wait: float) -> None:
        """A request that began in `phase` was answered now, after so many seconds."""
        tally = self.tallies[capability, max(phase, self.phase, key=PHASES.index)]
        tally.answers[answer] += 1
        tally.late += answer is not Answer.NONE and wait > PATIENCE
        tally.waits.append(wait)

    def of(self, phase: str) -> Mapping[str, Tally]:
        """The tallies of one phase, by capability."""
        return {capability: tally for (capability, at), tally in self.tallies.items() if at == phase}

    def trips(self, service: str) -> int:
        """How often one of a service's breakers opened, from CLOSED or anew."""
        return sum(event.breaker == service and event.to_state is State.OPEN for event in self.transitions)

    def lowest(self, capability: str) -> Level:
        """The lowest level that it ever had."""
        return min((event.to_level for event in self.changes if event.capability == capability), default=Level.FULL)

    def __str__(self) -> str:
        columns = ("asked", 7), ("goodput", 9), ("full", 7), ("fallback", 10), ("none", 6), ("late", 6), ("p95", 8)
        head = f"{'capability':12}{'phase':10}" + "".join(f"{name:>{width}}" for name, width in columns)
        lines = ["Goodput, by capability and phase:", head]
        for (capability, phase), tally in sorted(self.tallies.items(), key=lambda item: item[0]):
            answers = tally.answers
            lines.append(
                f"{capability:12}{phase:10}{tally.asked:7}{tally.goodput:9.1%}{answers[Answer.FULL]:7}"
                f"{answers[Answer.FALLBACK]:10}{answers[Answer.NONE]:6}{tally.late:6}{tally.slowest:7.2f}s"
            )
        lines += ["", "What happened:", *(f"{at:8.2f} s  {what}" for at, what in self.notes)]
        return "\n".join(lines)
