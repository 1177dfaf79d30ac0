"""The state document of a gear, made of snapshots: nothing here calls a backend, or waits."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from switchgear import _document as document
from switchgear._degradation import Assessment
from switchgear._errors import ConfigurationError
from switchgear._events import Transition
from switchgear._gear import Switchgear
from switchgear._level import Level, Override
from switchgear._plugins import PluginInfo
from switchgear._report import Report
from switchgear._service import Service
from switchgear._snapshot import Snapshot, explain
from switchgear._strategies.chaos import Chaos
from switchgear._traffic import Onlooker, Traffic

_log = logging.getLogger("switchgear")

#: What users lose while a capability is at a level; whose fault it is follows.
_LOST = {
    Level.FULL: "",
    Level.REDUCED: "Users do without some of it",
    Level.FALLBACK: "Users get stale, cached or static answers",
    Level.MINIMAL: "Users get the bare minimum of it",
    Level.OFF: "Users get nothing of it",
}


class View:
    """What there is to see of one gear. Rates and latencies are known while somebody looks again and again."""

    def __init__(self, gear: Switchgear) -> None:
        self._gear = gear
        self._began = gear.clock()
        self._onlooker = Onlooker(gear.subscribe, gear.clock)
        self._version = version("switchgear")

    def state(self) -> document.State:
        """Everything at this moment."""
        self._onlooker.look()
        gear, found = self._gear, self._found()
        return document.State(
            version=self._version,
            at=datetime.now(UTC),
            uptime=gear.clock() - self._began,
            app=report_document(found.app),
            lag=gear.lag,
            roots=found.roots,
            suspects=found.suspects,
            capabilities=tuple(self._capability(name, found) for name in found.capabilities),
            services=tuple(self._service(service, found) for service in gear.services.values()),
            plugins=tuple(_plugin(info) for info in gear.plugins),
        )

    def service(self, name: str) -> document.Service:
        """One service. Raises ConfigurationError, with the nearest name."""
        self._onlooker.look()
        return self._service(self._gear.service(name), self._found())

    def capability(self, name: str) -> document.Capability:
        """One capability. Raises ConfigurationError, with the nearest name."""
        found = self._found()
        if name not in found.capabilities:
            raise ConfigurationError.unknown("capability", name, found.capabilities)
        return self._capability(name, found)

    def _found(self) -> Assessment:
        """What is known of all services, those guarded a moment ago included."""
        found = self._gear.degradation.assessment()
        return found if found.services.keys() >= self._gear.services.keys() else self._gear.degradation.look()

    def _capability(self, name: str, found: Assessment) -> document.Capability:
        report, given = found.capabilities[name], self._gear.degradation.graph.capabilities[name]
        override = found.overrides.get(name)
        return document.Capability(
            **_report(report),
            level=str(found.levels[name]),
            criticality=str(given.criticality),
            importance=given.importance,
            requires=tuple(given.requires),
            prefers=dict(given.prefers),
            any_of=tuple(map(tuple, given.any_of)),
            override=None if override is None else self._override(override),
            inhibited_by=found.inhibited_by.get(name, ()),
            loses=_loses(found.levels[name], override, found.inhibited_by.get(name, ())),
        )

    def _override(self, override: Override) -> document.Override:
        ends_in = max(0.0, override.until - self._gear.clock())
        return document.Override(level=str(override.level), reason=override.reason, ends_in=ends_in)

    def _service(self, service: Service, found: Assessment) -> document.Service:
        name = service.name
        report = found.services[name]
        main, *branches = service.group.snapshots()
        probes = service.group.config.permitted_calls_in_half_open
        return document.Service(
            **_report(report),
            backend=service.backend.name,
            requires=self._gear.degradation.graph.services[name],
            root=name in found.roots,
            inhibited_by=found.inhibited_by.get(name, ()),
            suspected=name in found.suspects,
            saturations=dict(service.saturated),
            pressure=service.pressure,
            gauges=dict(service.gauges()),
            counters=tuple(
                document.Counter(name=metric, labels=dict(labels), value=value)
                for (metric, labels), value in service.counts().items()
            ),
            domains=tuple(map(report_document, report.parts)),
            breakers=(
                _breaker(main, probes, self._onlooker.traffic(main, main=True)),
                *(_breaker(branch, probes, self._onlooker.traffic(branch, main=False)) for branch in branches),
            ),
            chaos=_chaos(service),
        )


def _plugin(info: PluginInfo) -> document.Plugin:
    return document.Plugin(
        name=info.name, state=str(info.state), distribution=info.dist, version=info.version, problem=info.error or ""
    )


def _chaos(service: Service) -> tuple[document.Experiment, ...]:
    chaos = Chaos.of(service.pipeline)
    return () if chaos is None else tuple(
        document.Experiment(
            injection=each.injection.name, reason=each.reason, rate=each.rate, ends_in=each.until - chaos.clock(),
            operations=tuple(sorted(each.operations)), domains=tuple(sorted(each.domains)),
        ) for each in chaos.experiments
    )  # fmt: skip


def report_document(report: Report) -> document.Report:
    """A report as it is shown."""
    return document.Report(**_report(report))


def _report(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "score": report.score,
        "status": str(report.status),
        "confidence": report.confidence,
        "path": report.path,
        "limited_by": report.limited_by,
        "reason": report.reason,
    }


def _breaker(snapshot: Snapshot, probes: int, traffic: Traffic) -> document.Breaker:
    done, under_way = snapshot.probes
    return document.Breaker(
        domain=snapshot.domain,
        state=str(snapshot.state),
        since=snapshot.at - snapshot.since,
        retry_after=snapshot.retry_after,
        share=snapshot.share,
        probes=document.Probes(done=done, under_way=under_way, of=probes),
        calls=snapshot.calls,
        failure_rate=snapshot.failure_rate,
        slow_call_rate=snapshot.slow_call_rate,
        in_flight=snapshot.in_flight,
        overdue=snapshot.overdue,
        verdicts=dict(snapshot.verdicts),
        refused={str(state): calls for state, calls in snapshot.refused.items()},
        late=snapshot.late,
        causes=tuple(document.Cause(type=one.type, text=one.text, times=one.times) for one in snapshot.causes),
        explain=str(explain(snapshot, probes)),
        last=None if snapshot.last is None else _move(snapshot.last, snapshot.at),
        traffic=traffic,
    )


def _move(last: Transition, now: float) -> document.Move:
    return document.Move(
        from_=str(last.from_state),
        to=str(last.to_state),
        reason=str(last.reason),
        detail=last.detail,
        ago=now - last.at,
    )


def _loses(level: Level, override: Override | None, causes: tuple[str, ...]) -> str:
    if level is Level.FULL:
        return ""
    if override is not None:
        return f"{_LOST[level]}, by an operator's order: {override.reason}."
    return f"{_LOST[level]}, because of {' and '.join(causes)}." if causes else f"{_LOST[level]}, until it has held."
