"""Of ten buckets one is broken: its branch opens, the other nine serve every call."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import anyio
import pytest

from plugins.s3.tests.support import QUICK, Log, outcome
from plugins.s3.tests.wire import Answer, Request, Wire, error
from switchgear import State, Switchgear
from switchgear_s3 import guard

if TYPE_CHECKING:
    from plugins.s3.tests.conftest import ClientFactory
    from switchgear.testing import SeaweedServer

pytestmark = pytest.mark.anyio

ROUNDS = 20
SOON = replace(QUICK, consecutive_failures=2)
STAYS = replace(SOON, wait_duration_in_open=60)
PATIENCE = 4.0  # seconds without a byte: more than a busy machine takes for a sound answer


def lose(server: SeaweedServer, bucket: str) -> None:
    """Delete the volumes that a bucket's objects are in, and no other's. Their names and sizes are kept elsewhere."""
    master = HTTPConnection("127.0.0.1", server._http["master.port"])
    master.request("POST", f"/col/delete?collection={bucket}")
    assert master.getresponse().status < 300
    master.close()


async def test_one_bucket_of_ten_has_lost_its_data(
    connect: ClientFactory, seaweed: SeaweedServer, gear: Switchgear, log: Log
) -> None:
    """On a real server, which first hangs in search of them and then answers 500. What is in the nine others is served
    at each of the rounds, in parallel; once it is back, so is what was in the tenth."""
    buckets = [f"ten-{secrets.token_hex(4)}" for _ in range(10)]
    operator = await connect()
    for bucket in buckets:
        await operator.create_bucket(Bucket=bucket)
        await operator.put_object(Bucket=bucket, Key="k", Body=bucket.encode())
    client = guard(await connect(read_timeout=PATIENCE), gear, name="files", breaker=SOON)

    async def read(bucket: str) -> bytes:
        body: bytes = await (await client.get_object(Bucket=bucket, Key="k"))["Body"].read()
        assert body == bucket.encode()
        return body

    lost, *sound = buckets
    lose(seaweed, lost)
    branches = gear.service("files").group
    ends: dict[str, list[str]] = {bucket: [] for bucket in buckets}
    for _ in range(ROUNDS):
        for bucket, end in zip(buckets, await asyncio.gather(*(outcome(read(b)) for b in buckets)), strict=True):
            ends[bucket].append(end)
    assert {bucket: ends[bucket] for bucket in sound} == {bucket: [""] * ROUNDS for bucket in sound}
    assert "" not in ends[lost]
    assert "S3CallNotPermitted" in ends[lost]
    assert set(ends[lost]) <= {"S3CallNotPermitted", "ClientError", "ReadTimeoutError"}
    assert {event.domain for event in log.transitions} == {lost}
    assert {branches.branch(bucket).state for bucket in sound} == {State.CLOSED}
    assert branches.main.state is State.CLOSED
    await operator.put_object(Bucket=lost, Key="k", Body=lost.encode())
    with anyio.fail_after(60):
        while await outcome(read(lost)):
            await anyio.sleep(0.02)  # the pace of the traffic
    assert branches.branch(lost).state is State.CLOSED


@pytest.mark.parametrize(
    "broken",
    [
        error(500, "InternalError"),
        error(503, "ServiceUnavailable"),
        error(503, "SlowDown", retry_after="60"),
        Answer(body=b"0123456789", stop_after=5, stop="stall"),
        Answer(body=b"0123456789", stop_after=5, stop="reset"),
    ],
    ids=["500", "503", "slow-down", "stall", "reset"],
)
async def test_one_bucket_of_ten_is_broken(
    broken: Answer, connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log
) -> None:
    """In each of the ways that a server has to fail. The broken one is asked no more once its branch is open."""
    buckets = [f"bucket-{number}" for number in range(10)]

    def answer(request: Request) -> Answer:
        return broken if request.bucket == "bucket-3" else Answer(body=request.bucket.encode())

    client = guard(await connect(wire.endpoint, read_timeout=PATIENCE), gear, name="files", breaker=STAYS)

    async def read(bucket: str) -> None:
        async with (await client.get_object(Bucket=bucket, Key="k"))["Body"] as body:
            assert await body.read() == bucket.encode()

    wire.answer = answer
    ends: dict[str, str] = {}
    for _ in range(ROUNDS):
        ends = dict(zip(buckets, await asyncio.gather(*(outcome(read(bucket)) for bucket in buckets)), strict=True))
        assert {bucket: end for bucket, end in ends.items() if end}.keys() == {"bucket-3"}, ends
    assert ends["bucket-3"] == "S3CallNotPermitted"
    assert sum(request.bucket == "bucket-3" for request in wire.requests) <= 2
    assert {event.domain for event in log.transitions} == {"bucket-3"}
    assert gear.service("files").group.main.state is State.CLOSED
