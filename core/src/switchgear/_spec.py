"""What a plugin says of its backend, as data and plain functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from switchgear._breaker_config import BreakerConfig
from switchgear._score import HealthConfig
from switchgear._verdict import Classify, Verdict

if TYPE_CHECKING:
    from switchgear._service import Service

ClientT = TypeVar("ClientT")
SettingsT = TypeVar("SettingsT")

#: read and write: a request and its answer. blocking: waits by design (BLPOP), so it is never slow. stream: an answer
#: in parts; its latency is the time to the first. admin: everything that is not the service's daily work.
OperationClass = Literal["read", "write", "blocking", "stream", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A named thing done to a service ("redis.get"). `idempotent`: doing it twice is doing it once."""

    name: str  #: begins with its backend's
    klass: OperationClass = "read"  #: what it is timed, judged and shed as
    idempotent: bool = False  #: whether it may be tried again


#: Labels that core gives its metrics, each of few and known values. A plugin's cannot be called so.
CLOSED_LABELS = frozenset({
    "service", "capability", "verdict", "state", "from", "to", "reason", "strategy", "source", "injection",
    "plugin", "family", "criticality",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric. The name carries no prefix, unit or suffix: exporters add them, and the label `service` to a plugin's.
    Labels must be bounded: never a key, a URL or a prompt.
    """

    name: str  #: small letters, digits and underscores
    kind: Literal["counter", "gauge", "histogram"]  #: what is added up, what is read, what is spread over buckets
    help: str  #: a sentence for who reads the metric
    #: As Prometheus writes it: "seconds", "bytes", "ratio" (0..1), or what is counted, where the name does not say so.
    unit: str = ""
    labels: tuple[str, ...] = ()  #: each of few values; none is called as core's are
    #: Of a histogram: the upper bounds of its buckets, ascending. What exceeds the last has a bucket of its own.
    buckets: tuple[float, ...] = ()
    #: What gauges of several clients or processes are together.
    merged: Literal["sum", "min"] = "sum"


ConventionalDuration = Literal[
    "db.client.operation.duration", "http.client.request.duration", "gen_ai.client.operation.duration"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention(Generic[ClientT]):
    """What the calls of a backend are by the semantic conventions of OpenTelemetry."""

    #: The histogram that they are timed in.
    duration: ConventionalDuration
    #: The attributes of one kind of call: of a client, an operation ("redis.get"), its class and a domain. They have to
    #: be bounded, as labels have. Empty: it is a call that the convention does not know.
    attributes: Callable[[ClientT, str, str, str], Mapping[str, str | int]]
    #: Modules of instrumentations that see the same calls; where one is active, the convention is left to it.
    instrumentations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What a client keeps itself to. None: that cannot be told. Infinity: it has no such limit."""

    timeout: float | None = None  #: seconds without a sign of the server after which a call is given up
    connect_timeout: float | None = None  #: seconds after which a connection that does not come about is given up
    connections: float | None = None  #: at once
    enough_connections: float | None = None  #: with more of them no more is served
    retries: float | None = None  #: attempts that it makes of itself after one that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument(Generic[ClientT, SettingsT]):
    """Where the clients are made that an application makes for itself, so that they are guarded without a line of code.

    Data alone: core watches for the modules, which may never be imported, and puts itself behind the methods.
    """

    #: The methods after which there is a client, as "module:Class.method": its own `__init__`, or a class method that
    #: its maker calls with it once it is complete.
    made_by: tuple[str, ...]
    #: What a client talks to ("127.0.0.1:6379"), without secrets. None: it is no client of this backend after all.
    address: Callable[[ClientT], str | None]
    #: The same of a client that would be made of these settings. None: they do not tell.
    address_in: Callable[[SettingsT], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(Generic[ClientT, SettingsT]):
    """One kind of backend: how to connect a client, where to guard it, and what its outcomes mean.

    The functions import the SDK when they are called, never when the plugin is imported.
    """

    #: The plugin's own, or one for each where it has several.
    name: str
    #: A frozen dataclass whose fields are the keys of `[services.NAME.settings]`. Secrets have `field(repr=False)`.
    settings: type[SettingsT]
    #: A client with finite timeouts and without retries of its own; closed at the end of the context.
    connect: Callable[[SettingsT], AbstractAsyncContextManager[ClientT]]
    #: Guards a client in place and returns it, with its own type. Guarding it again for the same service does nothing;
    #: for another one, that takes the place of the first.
    guard: Callable[[ClientT, Service], ClientT]
    #: The verdict on an exception. Called with instances of Exception only.
    classify: Classify
    #: The verdict on a result; without it every result is a SUCCESS.
    classify_result: Callable[[Any], Verdict] | None = None
    #: The service that guards a client so far, or what it shares with others (its pool); None: none does.
    owner: Callable[[ClientT], Service | None] | None = None
    #: How `switchgear.instrument()` finds its clients; None: they are guarded by hand only.
    instrument: Instrument[ClientT, SettingsT] | None = None
    #: The operations there are, for listings; a guard may name more as it meets them.
    operations: tuple[Operation, ...] = ()
    #: A cheap active check of one domain ("": of the service). True: exercised, and it served. False: cannot tell.
    probe: Callable[[ClientT, str], Awaitable[bool]] | None = None
    #: Name and version of the server behind the client ("Valkey 9.1.2").
    identify: Callable[[ClientT], Awaitable[str]] | None = None
    #: What its guard counts, and what `gauges` reads.
    metrics: tuple[Metric, ...] = ()
    #: How OpenTelemetry knows its calls; None: its conventions have no word for them.
    convention: Convention[ClientT] | None = None
    #: Readings of the client's own state, without I/O: metric name -> value.
    gauges: Callable[[ClientT], Mapping[str, float]] | None = None
    #: How full what the client's calls go through is, without I/O: what ("pool") -> the share in use, 0..1.
    saturation: Callable[[ClientT], Mapping[str, float]] | None = None
    #: What a client that was made of these settings keeps itself to, without I/O.
    limits: Callable[[ClientT, SettingsT], ClientLimits] | None = None
    #: What the client's account may do, of the service and of these domains, tried without changing anything: what
    #: ("write") -> "", or why not, in the server's words. Raises what the client does where the account is none.
    permissions: Callable[[ClientT, Sequence[str]], Awaitable[Mapping[str, str]]] | None = None
    #: What its calls are measured by: the latency that users tolerate, the ratio of bad calls at which it is half well.
    health: HealthConfig = field(default_factory=HealthConfig)
    #: What a breaker of this backend should be like, unless the configuration says otherwise.
    recommended: BreakerConfig = field(default_factory=BreakerConfig)
    #: The SDK as a requirement for pip ("redis>=5.0"): what to install when it is missing.
    sdk: str = ""
