"""Those who call in a simulation, and those who do other things to the gear meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import anyio

from switchgear._criticality import Criticality
from switchgear._errors import CallNotPermitted, CallTimedOut
from switchgear._gear import Switchgear
from switchgear._level import Level
from switchgear._scope import criticality
from switchgear.testing.simulation._backend import GET, SET, TAIL, Client, Told
from switchgear.testing.simulation._plan import Deed, Traffic
from switchgear.testing.simulation._trace import Trace
from switchgear.testing.virtual_time import stall


class Caller:
    """Calls one service after another, until it is told to stop."""

    def __init__(
        self, name: str, clients: Mapping[str, Client], domains: Mapping[str, Sequence[str]], *, traffic: Traffic,
        rng: Random, trace: Trace,
    ) -> None:  # fmt: skip
        self._name = name
        self._clients, self._domains = clients, domains
        self._services = list(clients)
        self._traffic = traffic
        self._rng = rng
        self._trace = trace
        self.stopped = False
        self.paused = False
        self.calling = False
        self.pace = 1.0  #: pauses are so many times as long
        self.calls = 0

    async def run(self) -> None:
        """Until stopped, and no call is under way."""
        while not self.stopped:
            await anyio.sleep(self.pace * self._rng.expovariate(1 / self._traffic.pause))
            if not self.paused:
                self.calling = True
                await self._call()
                self.calling = False

    async def _call(self) -> None:
        rng, traffic = self._rng, self._traffic
        service = rng.choice(self._services)
        domain = rng.choice(self._domains[service])
        operation = TAIL if rng.random() < traffic.streams else rng.choice([GET, SET])
        attempts = rng.randint(2, 3) if rng.random() < traffic.attempts else 1
        matters = Criticality.CRITICAL if traffic.critical else rng.choice(list(Criticality))
        outcome = "given up"
        self.calls += 1
        with anyio.CancelScope() as scope, criticality(matters):
            if traffic.patience is not None:
                scope.deadline = anyio.current_time() + rng.expovariate(1 / traffic.patience)
            outcome = await answer(self._clients[service], operation.name, domain, attempts)
        self._trace.add(self._name, service, domain, operation.name, outcome)


async def answer(client: Client, operation: str, domain: str, attempts: int = 1) -> str:
    """What a call comes to, in a word: "served", "fallback", or an error's name."""
    [named] = [each for each in (GET, SET, TAIL) if each.name == operation]
    try:
        return await client.call(named, domain, attempts=attempts)
    except (Told, CallNotPermitted, CallTimedOut) as error:
        return error.verdict.name if isinstance(error, Told) else type(error).__name__


class Operator:
    """Does what the plan says, in its order, and puts everything right at the end."""

    def __init__(self, gear: Switchgear, deeds: Sequence[Deed], trace: Trace) -> None:
        self._gear = gear
        self._deeds = deeds
        self._trace = trace

    async def run(self) -> None:
        """Until all is done."""
        began = anyio.current_time()
        for deed in self._deeds:
            await anyio.sleep_until(began + deed.at)
            self._trace.add("operator", deed.what, deed.on, deed.seconds)
            self._do(deed)

    def _do(self, deed: Deed) -> None:
        gear = self._gear
        if deed.what == "stall":
            stall(deed.seconds)
        elif deed.what == "override":
            level = Level(int(deed.at * 10) % len(Level))
            gear.degradation.override(deed.on, level, "a simulation", for_=deed.seconds)
        elif deed.what == "reconfigure":
            group = gear.breaker(deed.on)
            probes = group.config.permitted_calls_in_half_open % 4 + 1
            group.reconfigure(replace(group.config, permitted_calls_in_half_open=probes, failure_rate_threshold=0.5))
        elif deed.what in {"force_open", "disable"}:
            getattr(gear.breaker(deed.on), deed.what)("a simulation", for_=deed.seconds)
        else:
            getattr(gear.breaker(deed.on), deed.what)("a simulation")

    def put_right(self) -> None:
        """Take back what has no end of its own, and reset what only an operator can."""
        for capability in self._gear.degradation.graph.capabilities:
            self._gear.degradation.end_override(capability)
        for name, service in self._gear.services.items():
            group = service.group
            for breaker in (group.main, *group.branches.values()):
                seen = breaker.snapshot()
                if seen.state.name == "METRICS_ONLY" or (seen.state.name == "OPEN" and seen.retry_after is None):
                    self._trace.add("operator", "reset", name)
                    breaker.reset()
