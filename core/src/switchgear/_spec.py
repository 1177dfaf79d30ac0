"""What a plugin says of its backend, as data and plain functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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

    name: str
    klass: OperationClass = "read"
    idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric that a plugin adds. The name carries no unit and no suffix; exporters add them. Labels must be bounded:
    never a key, a URL or a prompt.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(Generic[ClientT, SettingsT]):
    """One kind of backend: how to connect a client, where to guard it, and what its outcomes mean.

    The functions import the SDK when they are called, never when the plugin is imported.
    """

    name: str
    #: A frozen dataclass whose fields are the keys of `[services.NAME.settings]`. Secrets have `field(repr=False)`.
    settings: type[SettingsT]
    #: A client with finite timeouts and without retries of its own; closed at the end of the context.
    connect: Callable[[SettingsT], AbstractAsyncContextManager[ClientT]]
    #: Guards a client in place and returns it, with its own type. Guarding it again for the same service does nothing.
    guard: Callable[[ClientT, Service], ClientT]
    #: The verdict on an exception. Called with instances of Exception only.
    classify: Classify
    #: The verdict on a result; without it every result is a SUCCESS.
    classify_result: Callable[[Any], Verdict] | None = None
    #: The operations there are, for listings; a guard may name more as it meets them.
    operations: tuple[Operation, ...] = ()
    #: A cheap active check of one domain ("": of the service). True: exercised, and it served. False: cannot tell.
    probe: Callable[[ClientT, str], Awaitable[bool]] | None = None
    #: Name and version of the server behind the client ("Valkey 9.1.2").
    identify: Callable[[ClientT], Awaitable[str]] | None = None
    metrics: tuple[Metric, ...] = ()
    #: Readings of the client's own state, without I/O: metric name -> value.
    gauges: Callable[[ClientT], Mapping[str, float]] | None = None
    #: How full what the client's calls go through is, without I/O: what ("pool") -> the share in use, 0..1.
    saturation: Callable[[ClientT], Mapping[str, float]] | None = None
    #: What its calls are measured by: the latency that users tolerate, the ratio of bad calls at which it is half well.
    health: HealthConfig = field(default_factory=HealthConfig)
    #: What a breaker of this backend should be like, unless the configuration says otherwise.
    recommended: BreakerConfig = field(default_factory=BreakerConfig)
    #: The SDK as a requirement for pip ("redis>=5.0"): what to install when it is missing.
    sdk: str = ""
