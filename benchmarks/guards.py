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
from typing import Any, NamedTuple

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


async def _get_a_hundred(client: Any) -> object:
    async with client.pipeline(transaction=False) as pipeline:
        for _ in range(100):
            pipeline.get("key")
        return await pipeline.execute()


async def _select(engine: Any) -> object:
    async with engine.connect() as connection:
        return await connection.scalar(text("SELECT 1"))


async def _transact(engine: Any) -> object:
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO benchmark VALUES (1)"))
        return await connection.execute(text("DELETE FROM benchmark"))


async def _get_small(client: Any) -> object:
    return await (await client.get_object(Bucket="bucket", Key="small"))["Body"].read()


async def _get_large(client: Any) -> object:
    return await (await client.get_object(Bucket="bucket", Key="large"))["Body"].read()


async def _chat(client: Any) -> object:
    return await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])


async def _stream(client: Any) -> object:
    said = {"role": "user", "content": "word " * 1000}  # the server says it again, word by word
    return [chunk async for chunk in await client.chat.completions.create(model="m", messages=[said], stream=True)]


async def _fill(client: Any) -> None:
    await client.create_bucket(Bucket="bucket")
    await client.put_object(Bucket="bucket", Key="small", Body=b"x" * 1000)
    await client.put_object(Bucket="bucket", Key="large", Body=b"x" * 8 * 2**20)


async def _table(engine: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE benchmark (value INTEGER)"))


async def _nothing(_client: Any) -> None:
    """The server is as it should be."""


def _s3(server: Any) -> Any:
    return switchgear_s3.S3Settings(
        endpoint_url=server.endpoint, region_name="us-east-1",
        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
    )  # fmt: skip


class Side(NamedTuple):
    """A backend, and how its server is made ready."""

    backend: Backend[Any, Any]
    server: type
    settings: Callable[[Any], Any]
    prepare: Ask


_REDIS = Side(
    switchgear_redis.BACKEND,
    ValkeyServer,
    lambda server: switchgear_redis.RedisSettings(url=server.url),
    lambda client: client.set("key", "value"),
)
_DB = Side(
    switchgear_db.BACKEND,
    PostgresServer,
    lambda server: switchgear_db.DbSettings(url=server.url("asyncpg")),
    _table,
)
_S3 = Side(switchgear_s3.BACKEND, SeaweedServer, _s3, _fill)
_OPENAI = Side(
    switchgear_openai.BACKEND,
    OpenAIServer,
    lambda server: switchgear_openai.OpenAISettings(base_url=server.base_url, api_key="key"),
    _nothing,
)
# what -> with which backend, the call, calls in a batch (of some hundredths of a second), the goal
CASES: dict[str, tuple[Side, Ask, int, float]] = {
    "redis GET": (_REDIS, _get, 100, 1.02),
    "redis pipeline of 100": (_REDIS, _get_a_hundred, 10, 1.05),
    "S3 get of 1 kB": (_S3, _get_small, 10, 1.02),
    "S3 get of 8 MB": (_S3, _get_large, 1, 1.02),
    "chat completion": (_OPENAI, _chat, 10, 1.02),
    "stream of 1,000 chunks": (_OPENAI, _stream, 1, 1.05),
    "SELECT 1": (_DB, _select, 30, 1.02),
    "transaction": (_DB, _transact, 20, 1.02),
}


@asynccontextmanager
async def _pair(what: str) -> AsyncIterator[tuple[Any, Any]]:
    """A server with two clients of it: bare and guarded."""
    side = CASES[what][0]
    backend = side.backend
    async with side.server() as server:
        given = side.settings(server)
        async with backend.connect(given) as bare, backend.connect(given) as client:
            # It watches as ever, and a stall of this machine does not open it.
            breaker = replace(backend.recommended, slow_call_rate_threshold=None)
            await side.prepare(bare)
            yield bare, Switchgear().guard(client, backend, name="service", breaker=breaker)


def measure(what: str, rounds: int) -> tuple[float, float, float]:
    """Microseconds of a bare and of a guarded call, medians over rounds, and the median of the rounds' ratios: where
    the machine's own speed changes from round to round, that is the steadier one.
    """
    _, ask, calls, _ = CASES[what]
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
    return figures["bare"].median, figures["guarded"].median, figures["guarded"].ratios["bare"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *CASES], help="which calls (default: all)")
    parser.add_argument("--rounds", type=int, default=100, help="interleaved rounds of each (default 100)")
    options = parser.parse_args()
    print("| call | bare, us | guarded, us | x bare | by round | goal |\n|---|---|---|---|---|---|")
    for what in options.what or CASES:
        bare, guarded, by_round = measure(what, options.rounds)
        ratios = f"{guarded / bare:.3f} | {by_round:.3f}"
        print(f"| {what} | {bare:,.0f} | {guarded:,.0f} | {ratios} | {CASES[what][3]} |", flush=True)


if __name__ == "__main__":
    main()
