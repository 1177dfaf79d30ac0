"""What a guard adds to a call through a real client to a real server on loopback: `python -m benchmarks.guards`.

Batches of the bare and the guarded client take turns on one event loop, so that a busy moment of the machine hits both.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

from sqlalchemy import text

import switchgear_db
import switchgear_openai
import switchgear_redis
import switchgear_s3
from benchmarks.measure import interleave
from switchgear import Switchgear
from switchgear.spi import Backend
from switchgear.testing import OpenAIServer, PostgresServer, SeaweedServer, ValkeyServer

Ask = Callable[[Any], Awaitable[object]]


async def _get(client: Any) -> object:
    return await client.get("key")


async def _select(engine: Any) -> object:
    async with engine.connect() as connection:
        return await connection.scalar(text("SELECT 1"))


async def _get_object(client: Any) -> object:
    return await (await client.get_object(Bucket="bucket", Key="key"))["Body"].read()


async def _chat(client: Any) -> object:
    return await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])


async def _fill(client: Any) -> None:
    await client.create_bucket(Bucket="bucket")
    await client.put_object(Bucket="bucket", Key="key", Body=b"x" * 1000)


async def _nothing(_client: Any) -> None:
    """The server is as it should be."""


def _s3(server: Any) -> Any:
    return switchgear_s3.S3Settings(
        endpoint_url=server.endpoint, region_name="us-east-1",
        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
    )  # fmt: skip


# what -> backend, server, settings, how to prepare it, the call, calls in a batch
CASES: dict[str, tuple[Backend[Any, Any], type, Callable[[Any], Any], Ask, Ask, int]] = {
    "redis GET": (
        switchgear_redis.BACKEND,
        ValkeyServer,
        lambda server: switchgear_redis.RedisSettings(url=server.url),
        lambda client: client.set("key", "value"),
        _get,
        500,
    ),
    "SELECT 1": (
        switchgear_db.BACKEND,
        PostgresServer,
        lambda server: switchgear_db.DbSettings(url=server.url("asyncpg")),
        _nothing,
        _select,
        150,
    ),
    "S3 get 1 kB": (switchgear_s3.BACKEND, SeaweedServer, _s3, _fill, _get_object, 40),
    "chat": (
        switchgear_openai.BACKEND,
        OpenAIServer,
        lambda server: switchgear_openai.OpenAISettings(base_url=server.base_url, api_key="key"),
        _nothing,
        _chat,
        40,
    ),
}


@asynccontextmanager
async def _pair(what: str) -> AsyncIterator[tuple[Any, Any]]:
    """A server with two clients of it: bare and guarded."""
    backend, server_class, settings, prepare, _, _ = CASES[what]
    async with server_class() as server:
        given = settings(server)
        async with backend.connect(given) as bare, backend.connect(given) as client:
            # It watches as ever, and a stall of this machine does not open it.
            breaker = replace(backend.recommended, slow_call_rate_threshold=None)
            await prepare(bare)
            yield bare, Switchgear().guard(client, backend, name="service", breaker=breaker)


def measure(what: str, rounds: int) -> tuple[float, float, float]:
    """Microseconds of a bare and of a guarded call (the least), and the median of their ratios."""
    _, _, _, _, ask, calls = CASES[what]
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        pair = _pair(what)
        bare, guarded = loop.run_until_complete(pair.__aenter__())

        async def batch(client: Any) -> float:
            started = perf_counter()
            for _ in range(calls):
                await ask(client)
            return (perf_counter() - started) / calls * 1e6

        runs = {
            "bare": lambda: loop.run_until_complete(batch(bare)),
            "guarded": lambda: loop.run_until_complete(batch(guarded)),
        }
        try:
            figures = interleave(runs, rounds=rounds, against=("bare",))
        finally:
            loop.run_until_complete(pair.__aexit__(None, None, None))
    return figures["bare"].least, figures["guarded"].least, figures["guarded"].ratios["bare"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *CASES], help="which calls (default: all)")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds of each (default 30)")
    options = parser.parse_args()
    for what in options.what or CASES:
        bare, guarded, ratio = measure(what, options.rounds)
        print(f"{what:12} bare {bare:8.1f} us, guarded {guarded:8.1f} us: {ratio:.3f} x", flush=True)


if __name__ == "__main__":
    main()
