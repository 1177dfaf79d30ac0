"""Only type-checked, never run: a decorated function keeps its signature, and mistakes in calling it are found.

Each `type: ignore` is itself a test: with nothing to ignore, it would be an error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, assert_type

from switchgear import (
    CallNotPermitted,
    CircuitBreaker,
    Degraded,
    Permit,
    Pipeline,
    Retry,
    State,
    Timeout,
    circuit,
    default_pipeline,
    degraded,
    remaining,
    retry,
)

breaker = CircuitBreaker("b")


@breaker
async def fetch(symbol: str, *, retries: int = 0) -> float:
    return float(symbol) + retries


@circuit("quotes", failure_rate_threshold=0.5)
def lookup(symbol: str) -> bytes:
    return symbol.encode()


@breaker
async def stream(size: int) -> AsyncGenerator[str, bytes]:
    _ = yield str(size)


@breaker
def pages(size: int) -> Generator[str, bytes, int]:
    _ = yield str(size)
    return size


class Client:
    @breaker
    async def get(self, key: str) -> bytes:
        return key.encode()


async def uses() -> None:
    assert_type(await fetch("1", retries=2), float)
    pending: Coroutine[Any, Any, float] = fetch("1")
    await pending
    assert_type(lookup("a"), bytes)
    assert_type(await Client().get("a"), bytes)
    assert_type(await breaker.call(fetch, "1", retries=2), float)
    async for item in stream(1):
        assert_type(item, str)
    assert_type(pages(1), Generator[str, bytes, int])

    await fetch(1)  # type: ignore[arg-type]
    await fetch("1", tries=2)  # type: ignore[call-arg]
    lookup()  # type: ignore[call-arg]
    stream("1")  # type: ignore[arg-type]
    await Client().get(1)  # type: ignore[arg-type]
    await breaker.call(fetch, 1)  # type: ignore[arg-type]
    await breaker.call(lookup, "a")  # type: ignore[arg-type]
    circuit("quotes", failure_rate=0.5)  # type: ignore[call-arg]

    with breaker.permit() as permit:
        assert_type(permit, Permit)
    async with breaker.permit() as permit:
        assert_type(permit, Permit)
    try:
        await fetch("1")
    except CallNotPermitted as refusal:
        assert_type(refusal.retry_after, float | None)
        assert_type(refusal.state, State)


#: What takes a function of the undecorated type takes the decorated one.
looks_up: Callable[[str], bytes] = lookup


@Pipeline(Retry(), Timeout(1.0), idempotent=True)
async def fetch_again(symbol: str, *, tries: int = 0) -> float:
    return float(symbol) + tries


@retry(on=OSError, attempts=3)
def read(path: str) -> bytes:
    return path.encode()


async def pipelines() -> None:
    assert_type(await fetch_again("1", tries=2), float)
    assert_type(read("a"), bytes)
    assert_type(await Pipeline(Retry()).call(fetch, "1", retries=2), float)
    assert_type(await default_pipeline(breaker).call(fetch, "1"), float)
    assert_type(await retry(on=(OSError, ValueError)).call(fetch, "1"), float)
    retry(on=lambda exc: str(exc) == "busy", on_result=lambda result: result is None)
    with degraded() as answers:
        assert_type(answers, list[Degraded])
    assert_type(remaining(), float)

    await fetch_again(1)  # type: ignore[arg-type]
    read()  # type: ignore[call-arg]
    await Pipeline(Retry()).call(fetch, 1)  # type: ignore[arg-type]
    await Pipeline(Retry()).call(lookup, "a")  # type: ignore[arg-type]
    retry(on=KeyboardInterrupt)  # type: ignore[arg-type]
    Retry(jitter="none")  # type: ignore[arg-type]
    Timeout({"raed": 1.0})  # type: ignore[dict-item]
    Pipeline(breaker)  # type: ignore[arg-type]
