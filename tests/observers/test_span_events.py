"""Traces, as a collector reads them: what happened to a call stands on its span, and its attempts stay inside it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from switchgear import Chaos, Fallback, Hedge, Level, LimitExceeded, Retry, Verdict
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.observers.otel import OtelObserver
from switchgear.spi import Operation
from tests.observers.boards import Board
from tests.observers.otlp import Sink, facts, sink
from tests.support import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry import trace

pytestmark = pytest.mark.anyio

ASK = Operation(name="toy.ask", idempotent=True)
OF = {"service": "it", "domain": "a", "operation": "toy.ask"}


@pytest.fixture
def collected() -> Iterator[Sink]:
    with sink() as collector:
        yield collector


@pytest.fixture
def tracer(collected: Sink) -> Iterator[trace.Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collected.url}/v1/traces")))
    yield provider.get_tracer("application")
    provider.shutdown()


def observed(*strategies: Any) -> Board:
    board = Board("it", pipeline=strategies)
    OtelObserver(board.gear, meter_provider=sdk.MeterProvider(shutdown_on_exit=False))
    return board


async def down() -> str:
    raise Said(Verdict.FAILURE)


async def test_refusals_and_transitions(tracer: trace.Tracer, collected: Sink) -> None:
    """The call that opens a breaker has the transition, with its numbers; those that are refused say by what."""
    board = observed()
    with tracer.start_as_current_span("opens"):
        board.fell(domain="a")
    with tracer.start_as_current_span("refused"):
        board.refused(domain="a")
        board.refused(domain="a")
    assert facts(collected.spans["opens"]) == [
        ("transition", {"service": "it", "domain": "a", "from": "closed", "to": "open", "reason": "failure_rate",
                        "detail": "failure rate 1.00 of 4 calls (limit 0.5)"}),
    ]  # fmt: skip
    refused = ("refused", {**OF, "operation": "toy.get", "by": "breaker", "state": "open", "retry_after": 8.0})
    assert facts(collected.spans["refused"]) == [refused, refused]


async def test_a_call_that_is_tried_again_and_answered_from_elsewhere(tracer: trace.Tracer, collected: Sink) -> None:
    """Each retry with its number and its wait, and where the answer is from."""
    board = observed(Fallback(value="instead"), Retry(attempts=3, initial=0.001, max=0.001, roll=lambda: 1.0))
    with tracer.start_as_current_span("call"):
        assert await board.service().run(ASK, "a", down) == "instead"
    assert facts(collected.spans["call"]) == [
        ("retry", {**OF, "attempt": 2, "wait": 0.001, "cause": "Said"}),
        ("retry", {**OF, "attempt": 3, "wait": 0.001, "cause": "Said"}),
        ("fallback", {**OF, "source": "value", "cause": "Said: no"}),
    ]


async def test_limits_and_chaos(tracer: trace.Tracer, collected: Sink) -> None:
    """A call that a limit refuses says which; one that went wrong on purpose says why."""
    chaos = Chaos()
    board = observed(Bulkhead(1), chaos)
    service = board.service()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run, ASK, "a", anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()
        with tracer.start_as_current_span("limited"), pytest.raises(LimitExceeded) as refusal:
            await service.run(ASK, "a", down)
        tasks.cancel_scope.cancel()
    chaos.switch_on(Chaos.Outcome("instead"), rate=1, for_=60, reason="a drill")
    with tracer.start_as_current_span("drilled"):
        await service.run(ASK, "a", down)
    assert facts(collected.spans["limited"]) == [("refused", {**OF, "by": "bulkhead", "reason": refusal.value.reason})]
    assert facts(collected.spans["drilled"]) == [("injection", {**OF, "injection": "outcome", "reason": "a drill"})]


async def test_attempts_stay_inside_the_call(tracer: trace.Tracer, collected: Sink) -> None:
    """Spans that are made in a retry, or in the task of a hedge, are children of the span that the call was made in."""
    board = observed(Retry(attempts=2, initial=0.0), Hedge(delay=0.0))
    attempts = 0

    async def attempt() -> str:
        nonlocal attempts
        attempts += 1
        with tracer.start_as_current_span(f"attempt {attempts}"):
            if attempts in {1, 3}:
                await anyio.sleep_forever()  # until the one beside it has answered, or failed
            if attempts == 2:
                raise Said(Verdict.FAILURE)
            return "answer"

    async def first_fails() -> str:
        with tracer.start_as_current_span("attempt 0"):
            raise Said(Verdict.FAILURE)

    with tracer.start_as_current_span("hedged"):
        attempts = 2
        assert await board.service().run(ASK, "a", attempt) == "answer"
    with tracer.start_as_current_span("retried"), suppress(Said):
        await board.service().run(ASK, "a", first_fails)
    spans = collected.spans
    assert [name for name, _ in facts(spans["hedged"])] == ["hedge"]
    assert [name for name, _ in facts(spans["retried"])] == ["retry"]
    assert {spans[name].parent_span_id for name in ("attempt 3", "attempt 4")} == {spans["hedged"].span_id}
    assert spans["attempt 0"].parent_span_id == spans["retried"].span_id
    assert {span.trace_id for span in (spans["attempt 3"], spans["attempt 4"])} == {spans["hedged"].trace_id}


async def test_secrets_are_no_attributes(tracer: trace.Tracer, collected: Sink) -> None:
    """Operators write reasons, and calls bring domains."""
    board = observed()
    with tracer.start_as_current_span("order"):
        board.service().group.branch("redis://user:hunter2@host").force_open("password=hunter2")
    assert "hunter2" not in str(facts(collected.spans["order"]))
    assert [name for name, _ in facts(collected.spans["order"])] == ["transition"]


async def test_levels(tracer: trace.Tracer, collected: Sink) -> None:
    """Who looks, or orders, and so changes one, has it on the span."""
    board = observed()
    board.gear.capability("shop", requires=["it"])
    with tracer.start_as_current_span("order"):
        board.gear.degradation.override("shop", Level.MINIMAL, "a trial", for_=60.0)
    assert facts(collected.spans["order"]) == [
        ("level", {"capability": "shop", "from": "full", "to": "minimal", "reason": "overridden", "detail": "a trial"}),
    ]  # fmt: skip


async def test_where_no_span_records_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a span, and in one that is not sampled."""
    monkeypatch.setattr("switchgear.observers._span_events.redact", None)  # what would be made is redacted first
    board = observed()
    board.fell(domain="a")
    board.refused(domain="a")
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("application")
    with tracer.start_as_current_span("call") as span:
        assert not span.is_recording()
        board.refused(domain="a")
    assert any(isinstance(observer, OtelObserver) for observer in board.gear.observers)
