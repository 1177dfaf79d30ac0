"""What the application can offer, decided anew from each look at its services: health, causes, levels, suspicion.

    looks at    the reports of the services, from their own calls alone
    decides     effective reports along the graph -> capabilities -> application; root causes; levels; whether to
                suspect ourselves

`DegradationMachine` knows no clock, lock, task or I/O; whoever drives it observes at intervals, and whenever a breaker
has changed its state. What it found is one frozen `Assessment`. A request that keeps hold of one sees one set of levels
from its beginning to its end, whatever changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from switchgear._aggregate import app_health
from switchgear._cascade import effective, inhibited_by, suspects
from switchgear._errors import ConfigurationError
from switchgear._graph import Graph
from switchgear._level import Level, LevelChange, LevelMachine, Override, hold_for
from switchgear._report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfSuspicion:
    """So much broke at once that the fault may be ours: event loop, network. Without services: that is over."""

    heard_by: ClassVar = "on_self_suspected"

    services: tuple[str, ...]
    lag: float  #: seconds that our event loop was late at the last look: where that is much, it is the loop
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Everything that was judged at one moment. Nothing in it changes any more."""

    at: float
    app: Report
    capabilities: Mapping[str, Report]
    services: Mapping[str, Report]  #: what they require is considered
    levels: Mapping[str, Level]  #: of the capabilities
    overrides: Mapping[str, Override]  #: those in force, by capability
    inhibited_by: Mapping[str, tuple[str, ...]]  #: for all that is impaired, its root causes; for these, none
    suspects: tuple[str, ...]  #: the services for whose troubles we suspect ourselves
    events: tuple[LevelChange | SelfSuspicion, ...]  #: what has changed since the assessment before

    @property
    def roots(self) -> tuple[str, ...]:
        """The root causes: the services to mend."""
        return tuple(name for name, causes in self.inhibited_by.items() if not causes)


class DegradationMachine:
    """The levels of all capabilities of one application. Times in seconds, never going back; not thread-safe.

    `open_waits` has the seconds that the breaker of a service stays open at first, for those that have one: levels that
    depend on it are held accordingly (see hold_for).
    """

    def __init__(self, graph: Graph, *, open_waits: Mapping[str, float] | None = None, app: str = "app") -> None:
        self._app = app
        self._levels: dict[str, LevelMachine] = {}
        self.rebuild(graph, open_waits=open_waits)
        self._onsets: dict[str, float] = {}  # root cause -> when it became one
        self._suspects: tuple[str, ...] = ()

    def rebuild(self, graph: Graph, *, open_waits: Mapping[str, float] | None = None) -> None:
        """Go by another graph: the levels of the capabilities that stay, stay."""
        self.graph = graph
        waits = open_waits or {}
        self._levels = {name: self._levels.get(name) or LevelMachine(name) for name in graph.capabilities}
        for name, machine in self._levels.items():
            machine.hold = hold_for(waits[service] for service in graph.ancestors(name) if service in waits)

    def observe(self, own: Mapping[str, Report], now: float, *, lag: float = 0.0) -> Assessment:
        """Go by the reports of all services as of now, made of their own calls alone. `lag` as in SelfSuspicion."""
        reports = effective(self.graph, own)
        capabilities = {name: reports[name] for name in self.graph.capabilities}
        inhibited = inhibited_by(self.graph, reports)
        self._onsets = {root: self._onsets.get(root, now) for root, causes in inhibited.items() if not causes}
        changes = [machine.observe(capabilities[name], now) for name, machine in self._levels.items()]
        events: list[LevelChange | SelfSuspicion] = [change for change in changes if change]
        before, self._suspects = self._suspects, suspects(self.graph, self._onsets)
        if self._suspects != before:
            events.append(SelfSuspicion(services=self._suspects, lag=lag, at=now))
        return Assessment(
            at=now,
            app=app_health(self._app, self.graph.capabilities, capabilities),
            capabilities=MappingProxyType(capabilities),
            services=MappingProxyType({name: reports[name] for name in self.graph.services}),
            levels=MappingProxyType({name: machine.level for name, machine in self._levels.items()}),
            overrides=MappingProxyType({n: m.override for n, m in self._levels.items() if m.override}),
            inhibited_by=MappingProxyType(inhibited),
            suspects=self._suspects,
            events=tuple(events),
        )

    def override(self, capability: str, level: Level, reason: str, *, until: float) -> None:
        """An operator decides on a level, from the next observation on and until that time; a later one replaces it.

        Raises ConfigurationError for a capability that there is not, ValueError without a reason or an end.
        """
        self._machine(capability).override = Override(level=level, reason=reason, until=until)

    def end_override(self, capability: str) -> None:
        """Back to automatic, from the next observation on. Raises ConfigurationError as `override` does."""
        self._machine(capability).override = None

    def _machine(self, capability: str) -> LevelMachine:
        if capability not in self._levels:
            raise ConfigurationError.unknown("capability", capability, self._levels)
        return self._levels[capability]
