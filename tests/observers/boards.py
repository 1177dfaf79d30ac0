"""Gears on a clock of their own, with services whose calls end as they are told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from switchgear import BreakerConfig, CallNotPermitted, Service, Strategy, Switchgear, Verdict
from switchgear.spi import Backend, Metric
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, Settings, backend_of
from tests.support import SMALL, Said

METRICS = (
    Metric(name="hits", kind="counter", help="Answers from it.", labels=("kind",)),
    Metric(name="wait", kind="histogram", unit="seconds", help="Time in the queue.", buckets=(0.5, 1.0)),
    Metric(name="pool_in_use", kind="gauge", help="Connections in use."),
    Metric(name="remaining", kind="gauge", help="What is left.", merged="min"),
)


class Board:
    """Services by name, all of the backend "toy"."""

    def __init__(self, *names: str, config: BreakerConfig = SMALL, pipeline: Sequence[Strategy] | None = None) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        #: What a client's gauges show.
        self.gauges: Callable[[Client], Mapping[str, float]] = lambda _client: {}
        self.backend: Backend[Client, Settings] = replace(
            backend_of(config, probe=False), metrics=METRICS, gauges=self._shown
        )
        self.clients = [self.gear.guard(Client(), self.backend, name=name, pipeline=pipeline) for name in names]

    def _shown(self, client: Client) -> Mapping[str, float]:
        return self.gauges(client)

    def service(self, name: str = "it") -> Service:
        return self.gear.service(name)

    def call(
        self, name: str = "it", domain: str = "", *, verdict: Verdict = Verdict.SUCCESS, seconds: float = 0.0
    ) -> None:
        """One call. Raises CallNotPermitted."""
        permit = self.service(name).admit(GET, domain)
        self.clock.advance(seconds)
        if verdict is Verdict.SUCCESS:
            permit.succeed()
        else:
            permit.fail(Said(verdict))

    def fell(self, name: str = "it", domain: str = "") -> None:
        """Calls fail until the breaker opens."""
        while self.service(name).closed(domain):
            self.call(name, domain, verdict=Verdict.FAILURE)

    def refused(self, name: str = "it", domain: str = "") -> None:
        """One call is refused."""
        with pytest.raises(CallNotPermitted):
            self.call(name, domain)
