"""S3 behind a circuit breaker: every operation of an aioboto3 (or aiobotocore) client, and all that is built on it.

    client = switchgear_s3.guard(client, gear, name="files")             # a client that exists
    session = switchgear_s3.guard_session(session, gear, name="files")   # all clients and resources that it will make

Importing this package loads no SDK; guarding or connecting a client does. asyncio only, as aioboto3 is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from switchgear.spi import Backend, BreakerConfig, HealthConfig, Metric, Service, hookimpl
from switchgear_s3._classify import classify, classify_result
from switchgear_s3._connect import S3Settings, connect
from switchgear_s3._convention import CONVENTION
from switchgear_s3._instrument import INSTRUMENT, owner
from switchgear_s3._operations import OPERATIONS
from switchgear_s3._probe import gauges, identify, limits, permissions, probe, saturation

if TYPE_CHECKING:
    from switchgear import Switchgear

__all__ = ["BACKEND", "S3Settings", "guard", "guard_session"]

ClientT = TypeVar("ClientT")
SessionT = TypeVar("SessionT")


def guard(client: ClientT, gear: Switchgear, *, name: str, breaker: BreakerConfig | None = None) -> ClientT:
    """Guard an S3 client in place, as the service `name`; returns it. `breaker` replaces the recommended configuration.

    Raises ConfigurationError for a client that cannot be guarded.
    """
    guarded: ClientT = gear.guard(client, BACKEND, name=name, breaker=breaker)
    return guarded


def guard_session(session: SessionT, gear: Switchgear, *, name: str, breaker: BreakerConfig | None = None) -> SessionT:
    """Guard every S3 client and resource that `session` (aioboto3's or aiobotocore's) makes from now on, whoever asks
    it to; all are the one service `name`. Returns the session."""
    core: Any = getattr(session, "_session", session)

    class Guarded:
        """A base of the client's class, so that a client is guarded once it is made."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            guard(self, gear, name=name, breaker=breaker)

    def insert(base_classes: list[type], **_: Any) -> None:
        base_classes.insert(0, Guarded)

    core.register("creating-client-class.s3", insert, unique_id="switchgear-s3")
    return session


def _guard_client(client: Any, service: Service) -> Any:
    from switchgear_s3._guard import guard_client

    return guard_client(client, service)


BACKEND: Backend[Any, S3Settings] = Backend(
    name="s3",
    settings=S3Settings,
    connect=connect,
    guard=_guard_client,
    owner=owner,
    instrument=INSTRUMENT,
    classify=classify,
    classify_result=classify_result,
    operations=OPERATIONS,
    probe=probe,
    identify=identify,
    metrics=(
        Metric(name="bytes", kind="counter", unit="bytes", help="Bytes of objects and answers.", labels=("direction",)),
        Metric(
            name="object_size",
            kind="histogram",
            unit="bytes",
            help="Sizes of what was put at once, and of what was got, all of an object or a range.",
            labels=("direction",),
            buckets=(1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9),
        ),
        Metric(
            name="chunk_gap",
            kind="histogram",
            unit="seconds",
            help="Time that the reader of a body waits for the next piece of it.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        Metric(name="body_failures", kind="counter", help="Bodies that broke off, stalled or failed their checksum."),
        Metric(name="throttled", kind="counter", help="Answers that asked for fewer requests."),
        Metric(name="vetoed_retries", kind="counter", help="Retries of the client that an open breaker prevented."),
        Metric(name="multipart_parts", kind="counter", help="Parts of multipart uploads that were sent."),
        Metric(
            name="uploads_in_progress",
            kind="gauge",
            help="Multipart uploads begun and not ended.",
        ),
        Metric(name="multipart_aborts", kind="counter", help="Multipart uploads that were given up."),
        Metric(name="pool_in_use", kind="gauge", help="Connections that carry a request or a body."),
        Metric(name="pool_idle", kind="gauge", help="Connections kept for the next request."),
        Metric(name="pool_max", kind="gauge", help="Connections that there may be."),
    ),
    convention=CONVENTION,
    gauges=gauges,
    limits=limits,
    permissions=permissions,
    saturation=saturation,
    health=HealthConfig(
        # To the first byte, and for what sends at most 1 MiB. AWS answers in 0.1 to 0.2 s, a server next door in
        # milliseconds; the bytes of such an upload over a slow line, and a write in three places, make the rest.
        # Four times as long is where the breaker takes calls for slow. What is large, or done to whole objects, takes
        # as long as it is large.
        tolerated={"read": 1.25, "write": 2.5},
        # Objects are the originals: there is nothing else to serve them from.
        r50=0.05,
    ),
    recommended=BreakerConfig(
        # To the first byte, waiting for a connection of the pool included; of a large upload nothing is too slow.
        slow_call_duration_threshold={"read": 5.0, "write": 10.0, "admin": 10.0},
        consecutive_failures=5,
        probe_with="both",
    ),
    sdk="aioboto3>=15",
)


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """The one backend of this plugin."""
    return [BACKEND]
