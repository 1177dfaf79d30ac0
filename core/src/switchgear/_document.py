"""The state of a gear as a document: what `/api/state` says, and the page, the terminal and other programs read.

Times are in seconds, ratios 0..1, scores 0..100; names of states, levels and verdicts are in capitals. The types are
also the schemas of the OpenAPI document.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from switchgear._traffic import Traffic


class Report(Struct, frozen=True, kw_only=True):
    """How healthy something is, and why."""

    name: str
    score: float
    status: str
    confidence: float
    path: tuple[str, ...]  #: from here to what limits it
    limited_by: str
    reason: str


class Override(Struct, frozen=True, kw_only=True):
    """A level that an operator has set."""

    level: str
    reason: str
    ends_in: float


class Capability(Report, frozen=True, kw_only=True):
    """What the application offers its users, and how much of it now."""

    level: str
    criticality: str
    importance: float
    requires: tuple[str, ...]
    prefers: dict[str, float]
    any_of: tuple[tuple[str, ...], ...]
    override: Override | None
    inhibited_by: tuple[str, ...]
    loses: str  #: what users lose now, as a sentence; "" for nothing


class Probes(Struct, frozen=True, kw_only=True):
    """Of a half-open round."""

    done: int
    under_way: int
    of: int


class Cause(Struct, frozen=True, kw_only=True):
    """One of the last kinds of failure."""

    type: str
    text: str
    times: int


class Move(Struct, frozen=True, kw_only=True):
    """How a breaker came into its state, `ago` seconds ago."""

    from_: str = field(name="from")
    to: str
    reason: str
    detail: str
    ago: float


class Breaker(Struct, frozen=True, kw_only=True):
    """One domain's breaker, or the main one of a service."""

    domain: str
    state: str
    since: float  #: seconds in this state
    retry_after: float | None
    share: float  #: of the calls that it admits; below 1 while ramping up
    probes: Probes
    calls: int  #: in its window
    failure_rate: float
    slow_call_rate: float
    in_flight: int
    overdue: int
    verdicts: dict[str, int]
    refused: dict[str, int]
    late: int
    causes: tuple[Cause, ...]
    explain: str
    last: Move | None
    traffic: Traffic


class Counter(Struct, frozen=True, kw_only=True):
    """A count that the plugin keeps."""

    name: str
    labels: dict[str, str]
    value: float


class Experiment(Struct, frozen=True, kw_only=True):
    """Chaos that is switched on: an injection into a share of the calls, of some operations and domains or of all."""

    injection: str
    reason: str
    rate: float
    operations: tuple[str, ...]
    domains: tuple[str, ...]
    ends_in: float


class Service(Report, frozen=True, kw_only=True):
    """One configured backend; its report considers what it requires."""

    backend: str
    requires: tuple[str, ...]
    root: bool
    inhibited_by: tuple[str, ...]
    suspected: bool
    saturations: dict[str, float]
    pressure: float
    gauges: dict[str, float]
    counters: tuple[Counter, ...]
    domains: tuple[Report, ...]
    breakers: tuple[Breaker, ...]  #: the main one first
    chaos: tuple[Experiment, ...]


class Plugin(Struct, frozen=True, kw_only=True):
    """A plugin that the configuration names."""

    name: str
    state: str
    distribution: str
    version: str
    problem: str


class State(Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    version: str
    at: datetime
    uptime: float
    app: Report
    lag: float  #: seconds by which the event loop was late
    roots: tuple[str, ...]
    suspects: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    services: tuple[Service, ...]
    plugins: tuple[Plugin, ...]


class Entry(Struct, frozen=True, kw_only=True):
    """Something that happened. `kind` is transition, level, suspicion or operator; `seq` counts them."""

    at: datetime
    seq: int
    kind: str
    name: str
    domain: str
    from_: str = field(name="from")
    to: str
    reason: str
    detail: str
