"""The degradation manager: it looks at the services of a gear and says what the application can offer.

`DegradationMachine` decides; this drives it, from snapshots alone: no look makes a call to a backend. While the gear is
entered its heartbeat looks once a second, and at once when a breaker has moved; without, whoever asks looks himself
when what is known has become old. So plain threads may ask, too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from types import MappingProxyType

import anyio

from switchgear._breaker_config import BreakerConfig
from switchgear._bus import Bus
from switchgear._circuit import roll
from switchgear._clock import Clock
from switchgear._degradation import Assessment, DegradationMachine, SelfSuspicion
from switchgear._errors import ConfigurationError
from switchgear._events import Transition
from switchgear._graph import Capability, Graph
from switchgear._level import Level, LevelChange
from switchgear._lock import fork_safe
from switchgear._recovery import RecoveryOrder, Refusing
from switchgear._report import Report, Status
from switchgear._service import Service
from switchgear._snapshot import Snapshot
from switchgear._state import REFUSING, State
from switchgear._vitals import Vitals

#: What is known is looked at anew after so many seconds ...
_FRESH = 1.0
#: ... and after a breaker has moved, at most so often: breakers that flap must not make each request look.
_AT_MOST = 0.05
#: A hold of probes lasts no longer than this, in seconds, if nobody renews it.
_PATIENCE = 2.5
#: By what our own limits of time are stretched while we suspect ourselves.
_STRETCH = 2.0
#: A watcher that does not keep up loses the oldest changes beyond so many.
_BACKLOG = 1000

# One for all gears: it is held for the time of a look, and nobody but operators waits for it.
_deciding = fork_safe(threading.RLock())

Change = LevelChange | SelfSuspicion


class DegradationManager:
    """Levels of capabilities, their causes, and an operator's say in them. `gear.degradation` is one."""

    def __init__(self, *, clock: Clock, bus: Bus, roll: Callable[[], float] = roll) -> None:
        self._clock = clock
        self._bus = bus
        self._services: dict[str, Service] = {}
        self._vitals: dict[str, Vitals] = {}
        self._machine = DegradationMachine(Graph({}, {}))
        self._order = RecoveryOrder(roll)
        self._moved = True  # something has happened since the last look
        self._assessment = self._machine.observe({}, clock())
        self._pinned: ContextVar[Assessment | None] = ContextVar("switchgear_pinned", default=None)
        self._watchers: list[_Watcher] = []
        #: Seconds that the event loop was late at the last heartbeat.
        self.lag = 0.0

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """Services, capabilities, and what needs what."""
        return self._machine.graph

    def declare(
        self, requires: Mapping[str, Sequence[str]], capabilities: Mapping[str, Capability] = MappingProxyType({})
    ) -> None:
        """Besides what there is: services with those that they require, and capabilities. What had the name before is
        replaced. Raises ConfigurationError for names that are not known, and for cycles; then nothing has changed.
        """
        graph = Graph({**self.graph.services, **requires}, {**self.graph.capabilities, **capabilities})
        with _deciding:
            self._rebuild(graph)
        self.look()

    def add(self, service: Service) -> None:
        """Look at this service from now on."""
        graph = self.graph
        if service.name not in graph.services:
            graph = Graph({**graph.services, service.name: ()}, graph.capabilities)
        with _deciding:
            self._services[service.name] = service
            self._vitals[service.name] = Vitals(service.name, service.health.r50)
            self._rebuild(graph)
        self.look()

    def _rebuild(self, graph: Graph) -> None:
        waits = {name: service.group.config.backoff.initial for name, service in self._services.items()}
        self._machine.rebuild(graph, open_waits=waits)

    # -- what is known -------------------------------------------------------------------------------------------

    def level(self, capability: str) -> Level:
        """How much of it is offered now. Raises ConfigurationError, with the nearest name."""
        levels = self.assessment().levels
        if capability not in levels:
            raise ConfigurationError.unknown("capability", capability, levels)
        return levels[capability]

    def assessment(self) -> Assessment:
        """All that is known: as pinned by `pin`, else not older than a second, and than the last move of a breaker."""
        pinned = self._pinned.get()
        if pinned is not None:
            return pinned
        age = self._clock() - self._assessment.at
        return self.look() if age >= _FRESH or (self._moved and age >= _AT_MOST) else self._assessment

    def probing(self, capability: str) -> bool:
        """Whether a service that this depends on is half-open at this moment, and so needs calls to be judged by."""
        services = [self._services[name] for name in self.graph.ancestors(capability) if name in self._services]
        breakers = [one for service in services for one in (service.group.main, *service.group.branches.values())]
        return any(breaker.machine_state is State.HALF_OPEN and not breaker.held for breaker in breakers)

    @contextmanager
    def pin(self) -> Generator[Assessment]:
        """One assessment for all that is asked inside: a request sees the same levels from its beginning to its end."""
        assessment = self.assessment()
        token = self._pinned.set(assessment)
        try:
            yield assessment
        finally:
            self._pinned.reset(token)

    def look(self) -> Assessment:
        """Look at all services now. Takes no calls to backends, and tens of microseconds a breaker."""
        if not _deciding.acquire(blocking=False):  # another thread is looking: what it finds is soon enough
            return self._assessment
        try:
            if self._looking:  # an observer, told of what this look has found out, asks again
                return self._assessment
            self._looking = True
            events = self._look()
        finally:
            self._looking = False
            _deciding.release()
        for event in events:
            self._bus.publish(event)
            for watcher in self._watchers:
                watcher.hear(event)
        return self._assessment

    _looking = False

    def _look(self) -> tuple[Change, ...]:
        self._moved = False
        own = {name: _unconnected(name) for name in self.graph.services}
        refusing: dict[str, Refusing] = {}
        for name, service in self._services.items():
            service.saturated = service.saturations()
            snapshots = service.group.snapshots()
            own[name] = self._vitals[name].look(snapshots, service.saturated)
            if own[name].status is Status.UNHEALTHY and (one := _refusing(snapshots, service.group.config)):
                refusing[name] = one
        now = self._clock()
        before = self._assessment
        self._assessment = found = self._machine.observe(own, now, lag=self.lag)
        if found.suspects != before.suspects:
            for service in self._services.values():
                service.patience = _STRETCH if found.suspects else 1.0
                if service.pipeline is not None:
                    service.pipeline.patience = service.patience
        for name, hold in self._order.holds(self.graph, refusing, now, _PATIENCE).items():
            self._services[name].group.hold_probes(hold.seconds, hold.why)
        return found.events

    def on_transition(self, _event: Transition) -> None:
        self._moved = True

    # -- what is to be done --------------------------------------------------------------------------------------

    async def watch(self) -> AsyncIterator[Change]:
        """What changes from now on: levels, and suspicions of ourselves. Ends with the task that iterates."""
        watcher = _Watcher()
        self._watchers = [*self._watchers, watcher]
        try:
            while True:
                yield await watcher.next()
        finally:
            self._watchers = [other for other in self._watchers if other is not watcher]

    def override(self, capability: str, level: Level, reason: str, *, for_: float) -> None:
        """An operator decides on the level for `for_` seconds; a later one replaces it.

        Raises ConfigurationError for a capability that there is not, ValueError without a reason or an end.
        """
        if not 0 < for_ < inf:
            raise ValueError("An override needs a time limit in seconds, lest it be forgotten.")
        with _deciding:
            self._machine.override(capability, level, reason, until=self._clock() + for_)
        self.look()

    def end_override(self, capability: str) -> None:
        """Back to automatic. Raises ConfigurationError as `override` does."""
        with _deciding:
            self._machine.end_override(capability)
        self.look()


def _unconnected(name: str) -> Report:
    return Report(name=name, score=100.0, confidence=0.0, path=(name,), reason="it is not connected")


def _refusing(snapshots: list[Snapshot], config: BreakerConfig) -> Refusing | None:
    """When the first of the breakers that refuse would let probes in, and how far its waits have grown."""
    refusing = [one for one in snapshots if one.state in REFUSING]
    if not refusing:
        return None
    wait = max(config.backoff.wait(max(1.0, one.attempt), 0.0) for one in refusing)
    return Refusing(min(_due(one) for one in refusing), wait)


def _due(one: Snapshot) -> float:
    if one.state is State.HALF_OPEN:
        return one.since
    return inf if one.retry_after is None else one.at + one.retry_after


class _Watcher:
    """One who watches: what it has not seen yet, and how it is woken."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=_BACKLOG)
        self._woken = anyio.Event()
        self._thread = threading.get_ident()

    def hear(self, change: Change) -> None:
        self._changes.append(change)
        if threading.get_ident() == self._thread:  # else it is found at the next beat
            self._woken.set()

    async def next(self) -> Change:
        while not self._changes:
            self._woken = anyio.Event()
            with anyio.move_on_after(_FRESH):
                await self._woken.wait()
        return self._changes.popleft()
