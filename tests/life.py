"""A breaker whose life is drawn: whatever can be done to one, in any order."""

from __future__ import annotations

import random
from contextlib import suppress

from switchgear import (
    CallNotPermitted,
    Ramp,
    Reason,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    Held,
    Said,
    breaker_of,
    hold,
)


class Life:
    """Callers, weather, time and operators at random, and what was heard of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.ear = Ear()
        self.held: list[Held] = []
        self.trouble = 0.5
        self.breaker = breaker_of(
            self.clock,
            consecutive_failures=self.rng.choice([None, 3]),
            slow_call_duration_threshold=2.0,
            ramp=self.rng.choice([None, Ramp(initial=0.5, duration=30.0)]),
            max_wait_in_half_open=20.0,
            probe_timeout=10.0,
            wait_duration_in_open=4.0,
        )
        self.breaker.subscribe(self.ear)

    def live(self) -> Life:
        steps = [self.ask, self.end, self.time, self.operator, self.trip, self.weather]
        for _ in range(300):
            self.rng.choices(steps, [50, 40, 20, 2, 2, 5])[0]()
        for call in self.held:
            call.closed()
        self.breaker.snapshot()
        return self

    def ask(self) -> None:
        with suppress(CallNotPermitted):
            self.held.append(hold(self.breaker))

    def end(self) -> None:
        if not self.held:
            return
        call = self.held.pop(self.rng.randrange(len(self.held)))
        if self.rng.random() < self.trouble:
            kinds = [Verdict.FAILURE, Verdict.THROTTLED, Verdict.THROTTLED.after(3), Verdict.EXHAUSTED.after(5)]
            call.raises(Said(self.rng.choices(kinds, [20, 5, 1, 1])[0]))
        elif self.rng.random() < 0.1:
            call.closed()
        else:
            call.returns()

    def time(self) -> None:
        self.clock.advance(self.rng.choice([0.0, 0.5, 1.0, 4.0, 12.0]))

    def operator(self) -> None:
        operation = self.rng.choice(["force_open", "disable", "metrics_only", "reset", "reset", "for a time"])
        if operation == "for a time":
            self.rng.choice([self.breaker.force_open, self.breaker.disable])("test", for_=2.0)
        else:
            getattr(self.breaker, operation)("test")

    def trip(self) -> None:
        self.breaker.trip(self.rng.choice([Reason.MAJORITY, Reason.SERVICE_WIDE]), "test")

    def weather(self) -> None:
        self.trouble = self.rng.choice([0.0, 0.1, 1.0])
