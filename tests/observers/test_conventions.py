"""What backends' calls are by OpenTelemetry's conventions, where no instrumentation tells of them already."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import switchgear_db
import switchgear_openai
import switchgear_redis
import switchgear_s3
from switchgear import Switchgear, Verdict
from switchgear.observers.otel import HistogramExporter, OtelObserver
from switchgear.spi import Backend, Convention
from switchgear.testing import OpenAIServer, SeaweedServer, ValkeyServer
from switchgear.testing.servers import ServerUnavailable
from tests.backends import GET, Client, backend_of
from tests.observers.otlp import Attributes, Sink, sink
from tests.support import Said

pytestmark = pytest.mark.anyio

#: What the SDKs run on.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

DB: Final = "db.client.operation.duration"
HTTP: Final = "http.client.request.duration"
GEN_AI: Final = "gen_ai.client.operation.duration"


class Exported:
    """A gear whose calls are exported to a collector."""

    def __init__(self, collected: Sink) -> None:
        self.gear = Switchgear()
        exporter = HistogramExporter(OTLPMetricExporter(endpoint=f"{collected.url}/v1/metrics"))
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        self.provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
        self.observer = OtelObserver(self.gear, meter_provider=self.provider, histograms=exporter)
        self._collected = collected

    def counted(self, name: str) -> Mapping[Attributes, float]:
        """The calls of a metric by their attributes; {}: there is none."""
        assert self.provider.force_flush()
        return self._collected.values(name) if name in self._collected.names() else {}


@pytest.fixture
def exported() -> Iterator[Exported]:
    with sink() as collected:
        exported = Exported(collected)
        yield exported
        exported.provider.shutdown()


# -- the four backends, with real servers ------------------------------------------------------------------------------


async def _get(client: Any) -> None:
    await client.get("key")


async def _select(engine: Any) -> None:
    async with engine.connect() as connection:
        await connection.scalar(text("SELECT 1"))


async def _list(client: Any) -> None:
    await client.list_buckets()


async def _chat(client: Any) -> None:
    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])


def _redis(server: ValkeyServer) -> Any:
    return switchgear_redis.RedisSettings(url=server.url)


def _s3(server: SeaweedServer) -> Any:
    return switchgear_s3.S3Settings(
        endpoint_url=server.endpoint, region_name="us-east-1",
        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
    )  # fmt: skip


def _openai(server: OpenAIServer) -> Any:
    return switchgear_openai.OpenAISettings(base_url=server.base_url, api_key="key")


class Case(NamedTuple):
    """A backend, a call of its client, and what the conventions and its instrumentation make of it."""

    backend: Backend[Any, Any]
    server: type[Any]
    settings: Callable[[Any], Any]
    call: Callable[[Any], Awaitable[None]]
    metric: str
    attributes: dict[str, str]
    instrumentor: type[Any]


CASES = {
    "redis": Case(
        switchgear_redis.BACKEND, ValkeyServer, _redis, _get, DB,
        {"db.system.name": "redis", "db.operation.name": "GET"}, RedisInstrumentor,
    ),
    "s3": Case(
        switchgear_s3.BACKEND, SeaweedServer, _s3, _list, HTTP,
        {"http.request.method": "GET"}, BotocoreInstrumentor,
    ),
    "openai": Case(
        switchgear_openai.BACKEND, OpenAIServer, _openai, _chat, GEN_AI,
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m"},
        OpenAIInstrumentor,
    ),
}  # fmt: skip


@on_asyncio
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_calls_are_timed_as_the_convention_says(exported: Exported, case: Case) -> None:
    """Under its name, with the server's address; and while an instrumentation of the same client is active, not."""
    try:
        async with case.server() as server, case.backend.connect(case.settings(server)) as client:
            guarded = exported.gear.guard(client, case.backend, name="it")
            await case.call(guarded)
            address = {"server.address": "127.0.0.1", "server.port": server.port}
            expected = tuple(sorted((case.attributes | address).items()))
            assert exported.counted(case.metric) == {expected: 1}
            with active(case.instrumentor):
                assert exported.counted(case.metric) == {}
            assert exported.counted(case.metric) == {expected: 1}
            assert exported.counted("switchgear.breaker.call_duration")
    except ServerUnavailable as exc:
        pytest.skip(str(exc))


@on_asyncio
async def test_statements_are_timed_as_the_convention_says(exported: Exported) -> None:
    """By the dialect; what is no statement (connecting, tidying up) is none. A file has no address."""
    engine = switchgear_db.guard(create_async_engine("sqlite+aiosqlite://"), exported.gear, name="it")
    await _select(engine)
    expected = {(("db.operation.name", "SELECT"), ("db.system.name", "sqlite")): 1}
    assert exported.counted(DB) == expected
    with active(SQLAlchemyInstrumentor):
        assert exported.counted(DB) == {}
    assert exported.counted(DB) == expected
    await engine.dispose()


@contextmanager
def active(instrumentor: type[Any]) -> Iterator[None]:
    """While inside, an instrumentation of upstream is active."""
    instrumentor().instrument(skip_dep_check=True)
    try:
        yield
    finally:
        instrumentor().uninstrument()


@on_asyncio
async def test_a_client_that_is_instrumented_alone(exported: Exported) -> None:
    """Upstream marks it; another one of the same backend is counted by us."""
    clients = {name: Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0)) for name in ("theirs", "ours")}
    for name, client in clients.items():
        switchgear_redis.guard(client, exported.gear, name=name)
    RedisInstrumentor.instrument_client(clients["theirs"])
    for client in clients.values():
        with pytest.raises(RedisError):
            await client.get("key")
    [(attributes, calls)] = exported.counted(DB).items()
    assert calls == 1
    assert ("error.type", "failure") in attributes


def test_streams_of_tokens_are_left_out() -> None:
    """They are timed to their head, and the convention means their end."""
    attributes = switchgear_openai.BACKEND.convention.attributes  # type: ignore[union-attr]
    client = SimpleNamespace(base_url=SimpleNamespace(host="api.openai.com", port=None, scheme="https"))
    told = attributes(client, "openai.chat.completions", "write", "m")  # type: ignore[arg-type]
    assert (told["server.port"], told["gen_ai.request.model"]) == (443, "m")
    for operation, operation_class in (("openai.chat.completions", "stream"), ("openai.files", "write")):
        assert attributes(client, operation, operation_class, "m") == {}  # type: ignore[arg-type]


# -- what holds for all of them ----------------------------------------------------------------------------------------


def toy(exported: Exported, convention: Convention[Client], *names: str) -> None:
    backend = replace(backend_of(probe=False), convention=convention)
    for name in names:
        exported.gear.guard(Client(), backend, name=name)


def call(exported: Exported, name: str, verdict: Verdict = Verdict.SUCCESS, domain: str = "") -> None:
    permit = exported.gear.service(name).admit(GET, domain)
    if verdict is Verdict.SUCCESS:
        permit.succeed()
    else:
        permit.fail(Said(verdict))


def _of(_client: Client, operation: str, _class: str, domain: str) -> Mapping[str, str]:
    return {"db.operation.name": operation, "db.system.name": domain or "toy"}


def test_errors_have_their_verdict(exported: Exported) -> None:
    """And what says nothing about the backend is of another kind; a success has none."""
    toy(exported, Convention(duration=DB, attributes=_of), "it")
    for verdict in (Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.EXHAUSTED, Verdict.IGNORED):
        call(exported, "it", verdict, domain=verdict.name)
    errors = {dict(attributes).get("error.type") for attributes in exported.counted(DB)}
    assert errors == {None, "failure", "throttled", "exhausted", "_OTHER"}


def test_services_of_the_same_attributes_are_one(exported: Exported) -> None:
    """A collector would take two points of the same attributes for one, and lose the other."""
    toy(exported, Convention(duration=DB, attributes=_of), "it", "other")
    call(exported, "it")
    call(exported, "other")
    assert exported.counted(DB) == {(("db.operation.name", "toy.get"), ("db.system.name", "toy")): 2}


def test_their_number_is_bounded(exported: Exported) -> None:
    """Domains come from calls. Beyond 200 series the rest shares one, and nothing more is kept of them."""
    toy(exported, Convention(duration=DB, attributes=_of), "it")
    conventions = exported.observer._conventions
    assert conventions is not None
    for number in range(5000):
        conventions.on_outcome("it", str(number), "toy.get", "read", Verdict.SUCCESS, 0.1)
    counted = exported.counted(DB)
    assert (len(counted), sum(counted.values())) == (201, 5000)
    assert len(conventions._places) == 4096


def test_a_convention_that_raises_reaches_no_call(exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of once for each kind of call, without secrets, and leaves the rest of the metrics alone."""

    def broken(*_: object) -> Mapping[str, str]:
        raise RuntimeError("password=hunter2")

    toy(exported, Convention(duration=DB, attributes=broken), "it")
    with caplog.at_level(logging.WARNING, "switchgear"):
        for _ in range(3):
            call(exported, "it")
    assert caplog.messages == [
        "The convention of <Service it (toy)> knows nothing of toy.get: RuntimeError: password=***"
    ]
    assert exported.counted(DB) == {}
    assert sum(exported.counted("switchgear.breaker.call_duration").values()) == 3


def test_backends_without_a_convention(exported: Exported) -> None:
    """Have our own metrics alone."""
    exported.gear.guard(Client(), backend_of(probe=False), name="it")
    call(exported, "it")
    assert [exported.counted(metric) for metric in (DB, HTTP, GEN_AI)] == [{}, {}, {}]
