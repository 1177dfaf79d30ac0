"""The scorecard of behaviours, by their names: generators."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Generator

import anyio
import pytest
from anyio.lowlevel import checkpoint

from switchgear import (
    CallNotPermitted,
    State,
    Verdict,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Said,
    breaker_of,
    half_open,
)
from tests.tasks import DEADLINE

pytestmark = pytest.mark.anyio


async def test_async_generators_guarded() -> None:
    """Success at the end, failure where it fails, nothing when the consumer leaves; once open it is not begun."""
    breaker = breaker_of()
    begun = 0

    @breaker
    async def rows(error: Exception | None = None) -> AsyncGenerator[int, None]:
        nonlocal begun
        begun += 1
        yield 1
        await checkpoint()
        yield 2
        if error is not None:
            raise error

    assert [row async for row in rows()] == [1, 2]
    left = rows()
    assert await anext(left) == 1
    await left.aclose()
    seen: list[int] = []
    for _ in range(3):
        with pytest.raises(Said):
            seen += [row async for row in rows(Said(Verdict.FAILURE))]
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["SUCCESS"], snapshot.verdicts["IGNORED"], snapshot.verdicts["FAILURE"]) == (1, 1, 3)
    assert (snapshot.state, snapshot.in_flight, begun) == (State.OPEN, 0, 5)
    with pytest.raises(CallNotPermitted):
        await anext(rows())
    assert begun == 5


async def test_async_generators_take_what_is_sent_and_thrown() -> None:
    """A guarded generator is one still: `asend` and `athrow` reach its body."""
    breaker = breaker_of()
    got: list[str] = []

    @breaker
    async def echo() -> AsyncGenerator[str, str]:
        try:
            got.append((yield "ready"))
            yield "sent"
        except KeyError:
            yield "thrown"

    stream = echo()
    assert [await anext(stream), await stream.asend("hello"), await stream.athrow(KeyError())] == [
        "ready",
        "sent",
        "thrown",
    ]
    assert got == ["hello"]
    assert [item async for item in stream] == []
    assert breaker.snapshot().verdicts["SUCCESS"] == 1


def test_generators_guarded() -> None:
    """Plain generators likewise, with what is sent, thrown and returned."""
    breaker = breaker_of()

    @breaker
    def echo() -> Generator[str, str, int]:
        try:
            sent = yield "ready"
            yield sent
        except KeyError:
            yield "thrown"
        return 7

    def whole() -> Generator[str, str, int]:
        return (yield from echo())

    stream = whole()
    assert [next(stream), stream.send("hello"), stream.throw(KeyError())] == ["ready", "hello", "thrown"]
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == 7
    left = echo()
    next(left)
    left.close()
    verdicts = breaker.snapshot().verdicts
    assert (verdicts["SUCCESS"], verdicts["IGNORED"]) == (1, 1)


@pytest.mark.filterwarnings("ignore:Async generator .* garbage collected:ResourceWarning")  # trio says, rightly, aclose
async def test_abandoned_stream_returns_its_permit() -> None:
    """A consumer drops its stream without closing it: the probe's place is free again when the loop has cleaned up.
    A stream that was never begun has taken none.
    """
    breaker = half_open(VirtualClock(), permitted_calls_in_half_open=1)

    @breaker
    async def rows() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    idle = rows()
    assert breaker.snapshot().probes == (0, 0)
    stream = rows()
    await anext(stream)
    assert breaker.snapshot().probes == (0, 1)
    del stream
    gc.collect()
    with anyio.fail_after(DEADLINE):
        while breaker.snapshot().probes != (0, 0):
            await checkpoint()
    assert (breaker.state, breaker.snapshot().verdicts["IGNORED"]) == (State.HALF_OPEN, 1)
    await idle.aclose()
