"""A service without a backend, whose breakers and times are moved by hand."""

from __future__ import annotations

from switchgear import BreakerConfig, BreakerGroup, Ramp
from switchgear._bus import Bus
from switchgear._circuit import CircuitBreaker
from switchgear.demo._ledger import Ledger, Note
from switchgear.testing import VirtualClock

CONFIG = BreakerConfig(consecutive_failures=2, wait_duration_in_open=1.0, ramp=Ramp(duration=2.0))


class Plant:
    """Two services, "cache" and "db", a ledger that hears of them, and what it told."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        bus = Bus()
        self.groups = {name: BreakerGroup(name, CONFIG, clock=self.clock, bus=bus) for name in ("cache", "db")}
        self.told: list[Note] = []
        self.ledger = Ledger(self.groups, clock=self.clock, tell=self.told.append)
        bus.subscribe(self.ledger)
        for group in self.groups.values():
            group.listeners_changed()

    def branch(self, service: str = "cache", domain: str = "here/read") -> CircuitBreaker:
        return self.groups[service].branch(domain)

    def call(self, service: str = "cache", *, error: Exception | None = None, operation: str = "get") -> None:
        """A call that takes a quarter of a second. Raises the refusal."""
        permit = self.groups[service].acquire(operation, "read", "here/read")
        self.clock.advance(0.25)
        if error is None:
            permit.succeed()
        else:
            permit.fail(error)

    def trip(self, service: str = "cache") -> None:
        for _ in range(2):
            self.call(service, error=OSError("down"))

    def pass_probes(self, service: str = "cache") -> None:
        for _ in range(3):
            self.call(service)
