"""Calls timed as the semantic conventions of OpenTelemetry say, where no instrumentation of its own does so already."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import ref

from switchgear._gear import Switchgear
from switchgear._histogram import Histogram
from switchgear._lock import fork_safe
from switchgear._redact import describe
from switchgear._spec import Convention, Metric
from switchgear._verdict import Verdict
from switchgear.observers._family import Distributions

_log = logging.getLogger("switchgear")

# Reentrant: a finalizer may settle a call, and so be heard of, in the midst of it.
_lock = fork_safe(threading.RLock())

_SERVER = ("server.address", "server.port")

#: Help texts and bounds are the conventions' own.
_METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            name="db.client.operation.duration",
            kind="histogram",
            unit="seconds",
            help="Duration of database client operations.",
            labels=("db.system.name", "db.operation.name", "error.type", *_SERVER),
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
        ),
        Metric(
            name="http.client.request.duration",
            kind="histogram",
            unit="seconds",
            help="Duration of HTTP client requests.",
            labels=("http.request.method", "error.type", *_SERVER),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        ),
        Metric(
            name="gen_ai.client.operation.duration",
            kind="histogram",
            unit="seconds",
            help="GenAI operation duration.",
            labels=("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type", *_SERVER),
            buckets=tuple(0.01 * 2**power for power in range(14)),
        ),
    )
}

#: What a call of an operation was not that failed; an answer that says no is none.
_ERRORS = {"FAILURE": "failure", "THROTTLED": "throttled", "EXHAUSTED": "exhausted", "IGNORED": "_OTHER"}

#: Kinds of calls that are known by heart. Domains come from calls, so there may be any number.
_MOST = 4096

#: Clients that upstream instrumentations have instrumented one by one have this.
_MARK = "_is_instrumented_by_opentelemetry"


class Conventions:
    """An observer that times the calls to backends that declare a convention."""

    def __init__(self, gear: Switchgear) -> None:
        self._gear = ref(gear)
        self._families: dict[str, Distributions] = {}  # by service
        self._places: dict[tuple[str, str, str, str, str], Histogram | None] = {}

    def on_outcome(  # noqa: PLR0917 - as of an Observer
        self, service: str, domain: str, operation: str, operation_class: str, verdict: Verdict, seconds: float
    ) -> None:
        key = service, domain, operation, operation_class, verdict.name
        try:
            histogram = self._places[key]
        except KeyError:
            histogram = self._find(*key)
            if len(self._places) < _MOST:
                self._places[key] = histogram
        if histogram is not None:
            histogram.observe(seconds)

    def _find(self, service: str, domain: str, operation: str, operation_class: str, verdict: str) -> Histogram | None:
        gear = self._gear()
        known = gear.services.get(service) if gear is not None else None
        if gear is None or known is None or known.backend.convention is None:
            return None
        convention = known.backend.convention
        try:
            attributes = convention.attributes(gear.client(service), operation, operation_class, domain)
        except Exception as exc:  # noqa: BLE001 - foreign code; a call that is not timed here is no worse for it
            _log.warning("The convention of %r knows nothing of %s: %s: %s", known, operation, *describe(exc))
            return None
        if not attributes:
            return None
        said = {**attributes, "error.type": _ERRORS.get(verdict, "")}
        with _lock:
            metric = _METRICS[convention.duration]
            family = self._families.get(service) or self._families.setdefault(service, Distributions(metric))
            return family.at(family.place(tuple(str(said.get(label, "")) for label in metric.labels)))

    def read(self) -> list[Distributions]:
        """What is counted by now, of the services that nobody else times. Two of the same attributes are one."""
        together: dict[str, Distributions] = {}
        gear = self._gear()
        with _lock:
            for service, family in self._families.items():
                if gear is not None and not _instrumented(gear, service):
                    metric = family.metric
                    merged = together.setdefault(metric.name, Distributions(metric))
                    for labels, values in family.series.items():
                        merged.add(labels, values)
        return list(together.values())


def _instrumented(gear: Switchgear, service: str) -> bool:
    """Whether an instrumentation of OpenTelemetry sees the calls of this service, too."""
    known = gear.services[service]
    marked = any(getattr(client, _MARK, False) is True for client in known.clients)
    return marked or (known.backend.convention is not None and _any_active(known.backend.convention))


def _any_active(convention: Convention[Any]) -> bool:
    module = sys.modules.get("opentelemetry.instrumentation.instrumentor")
    # Where it is not loaded, there are none.
    kinds: Iterable[type[Any]] = () if module is None else _kinds_of(module.BaseInstrumentor)
    return any(
        # There is one of a kind at most. To ask for it would make it.
        getattr(getattr(kind, "_instance", None), "is_instrumented_by_opentelemetry", False)
        for kind in kinds
        if any(f"{kind.__module__}.".startswith(f"{name}.") for name in convention.instrumentations)
    )


def _kinds_of(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds_of(each)
