"""Bodies settle once, when they are over, by how they ended."""

from __future__ import annotations

import base64
import gc
import io
import os
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import StreamReader
from botocore.exceptions import BotoCoreError, FlexibleChecksumError

from plugins.s3.tests.conftest import ClientFactory
from plugins.s3.tests.support import QUICK, Log, counted, until
from plugins.s3.tests.wire import Answer, Wire
from switchgear import State, Switchgear
from switchgear.testing import Bandwidth, FaultProxy, LimitData, SeaweedServer, Timeout
from switchgear_s3 import guard

pytestmark = pytest.mark.anyio

SIZE = 1_500_000  # more than aiohttp reads ahead of its reader
DATA = os.urandom(SIZE)


@pytest.fixture(scope="module")
async def large(session: Any, seaweed: SeaweedServer) -> str:
    """A bucket with an object "large"."""
    async with session.client("s3", endpoint_url=seaweed.endpoint) as client:
        await client.create_bucket(Bucket="bodies")
        await client.put_object(Bucket="bodies", Key="large", Body=io.BytesIO(DATA))
    return "bodies"


Reader = Callable[[Any], Any]


async def whole(body: Any) -> bytes:
    return bytes(await body.read())


async def in_pieces(body: Any) -> bytes:
    data = b""
    while piece := await body.read(100_000):
        data += piece
    return data


async def iterated(body: Any) -> bytes:
    return b"".join([piece async for piece in body.iter_chunks(100_000)])


async def as_context(body: Any) -> bytes:
    async with body as stream:
        return bytes(await stream.read())


async def innermost(body: Any) -> bytes:
    return b"".join([piece async for piece in body.content.iter_chunked(100_000)])


async def innermost_any(body: Any) -> bytes:
    return b"".join([piece async for piece in body.content.iter_any()])


async def innermost_chunks(body: Any) -> bytes:
    return b"".join([piece async for piece, _ in body.content.iter_chunks()])


async def exactly(body: Any) -> bytes:
    return bytes(await body.content.readexactly(SIZE))


async def broken(body: Any, read: Reader = whole) -> None:
    """Read a body that is known to break off, and close it: aiobotocore leaves that to the caller."""
    with pytest.raises((aiohttp.ClientError, BotoCoreError)):
        await read(body)
    body.close()


BY_SDK = [whole, in_pieces, iterated]
READERS = [*BY_SDK, as_context, innermost, innermost_any, innermost_chunks, exactly]


@pytest.mark.parametrize("read", READERS)
async def test_read_to_the_end_is_a_success(files: Any, large: str, log: Log, gear: Switchgear, read: Reader) -> None:
    """However a body is read, nothing is judged at its head, and all of it is one success at its end."""
    body = (await files.get_object(Bucket=large, Key="large"))["Body"]
    assert log.settled == []
    assert await read(body) == DATA
    if read in BY_SDK:
        assert log.verdicts == [("s3.get_object", "SUCCESS")]
    del body  # whoever reads the raw stream passes the SDK by, which would have verified the checksum
    await until(lambda: log.settled)
    assert log.verdicts == [("s3.get_object", "SUCCESS")]
    assert counted(gear, "bytes", direction="down") == SIZE
    assert counted(gear, "body_failures") == 0


@pytest.mark.parametrize("stop", ["cut", "reset"])
@pytest.mark.parametrize("read", READERS)
async def test_a_body_that_breaks_off_is_a_failure(
    wired: Any, wire: Wire, log: Log, gear: Switchgear, read: Reader, stop: str
) -> None:
    """A body that ends before its length does counts as one failure, and the client's own error is raised."""
    wire.answer = Answer(body=DATA, stop_after=SIZE // 2, stop=stop)
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    await broken(body, read)
    assert log.verdicts == [("s3.get_object", "FAILURE")]
    del body
    gc.collect()
    assert len(log.settled) == 1
    assert counted(gear, "body_failures") == 1
    assert 0 < counted(gear, "bytes", direction="down") <= SIZE // 2


async def test_a_small_body_that_breaks_off_is_a_failure(wired: Any, wire: Wire, log: Log) -> None:
    """Also where the piece there is came along with the head."""
    wire.answer = Answer(body=b"123456", stop_after=3)
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    await broken(body)
    assert log.verdicts == [("s3.get_object", "FAILURE")]


async def test_bodies_that_always_break_off_open_the_breaker(wired: Any, wire: Wire, gear: Switchgear) -> None:
    """A service that sends good heads and no whole body is not serving: good heads in between do not count."""
    wire.answer = Answer(body=DATA, stop_after=1000)
    for _ in range(3):
        body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
        await broken(body)
    assert gear.breaker("files", "bucket").state is State.OPEN


async def test_a_stalled_body_is_a_failure(wired: Any, wire: Wire, log: Log, gear: Switchgear) -> None:
    """A body that stops coming is a failure when the client's read timeout is over; what came was counted."""
    wire.answer = Answer(body=DATA, stop_after=1000, stop="stall")
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    with pytest.raises(BotoCoreError, match="Read timeout"):
        await body.read()
    body.close()
    assert log.verdicts == [("s3.get_object", "FAILURE")]
    assert counted(gear, "bytes", direction="down") == 1000


async def test_a_cancelled_read_releases(wired: Any, wire: Wire, log: Log) -> None:
    """A reader that is cancelled while it waits says nothing of the service."""
    wire.answer = Answer(body=DATA, stop_after=1000, stop="stall")
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    with anyio.move_on_after(0.1):
        await body.read()
    assert log.verdicts == [("s3.get_object", "IGNORED")]
    body.close()
    assert len(log.settled) == 1


async def test_a_body_closed_early_releases(files: Any, large: str, log: Log, gear: Switchgear) -> None:
    """Who has read enough closes the body: neither success nor failure, and what came was counted."""
    body = (await files.get_object(Bucket=large, Key="large"))["Body"]
    piece = await body.read(10)
    body.close()
    assert piece == DATA[:10]
    assert log.verdicts == [("s3.get_object", "IGNORED")]
    assert 10 <= counted(gear, "bytes", direction="down") < SIZE


async def test_a_body_left_early_releases(files: Any, large: str, log: Log) -> None:
    """Leaving the body's context before its end is closing it."""
    async with (await files.get_object(Bucket=large, Key="large"))["Body"] as stream:
        assert await stream.content.read(10) == DATA[:10]
    assert log.verdicts == [("s3.get_object", "IGNORED")]


async def test_a_dropped_body_releases_at_once(files: Any, large: str, log: Log, gear: Switchgear) -> None:
    """A body that nobody holds any more is given back without waiting for a garbage collection."""
    gc.disable()
    try:
        answer = await files.get_object(Bucket=large, Key="large")
        response = answer["Body"].__wrapped__
        assert log.settled == []
        del answer
        assert log.verdicts == [("s3.get_object", "IGNORED")]
    finally:
        gc.enable()
    response.close()  # aiohttp would keep the connection until the client is closed, guard or no guard
    assert gear.breaker("files", large).snapshot().in_flight == 0


async def test_a_slow_reader_is_no_slow_call(files: Any, large: str, log: Log) -> None:
    """The latency of a streamed call ends at its head: what the reader does with the body takes as long as it likes."""
    body = (await files.get_object(Bucket=large, Key="large"))["Body"]
    await anyio.sleep(0.3)  # not a wait for anything: this is the slow reader
    await body.read()
    assert log.settled[0].duration < 0.3


async def test_gaps_are_measured_apart_from_the_whole(
    connect: ClientFactory, wire: Wire, log: Log, gear: Switchgear
) -> None:
    """What the reader waits for, piece by piece; neither the time to the head nor what the reader does in between."""
    async with FaultProxy("127.0.0.1", wire.port) as proxy:
        proxy.add(Bandwidth(SIZE / 0.5))
        wire.answer = Answer(body=DATA)
        client = guard(await connect(f"http://127.0.0.1:{proxy.port}"), gear, name="files", breaker=QUICK)
        body = (await client.get_object(Bucket="bucket", Key="k"))["Body"]
        pieces = [piece async for piece in body.iter_chunks(100_000)]
    gaps = gear.service("files").histograms()["chunk_gap", ()]
    assert sum(gaps.counts) >= len(pieces) > 1
    assert gaps.sum > 0.2
    assert len(log.settled) == 1


async def test_an_empty_body(files: Any, bucket: str, log: Log) -> None:
    """An object of no bytes is served with its head, whether or not anybody reads it."""
    await files.put_object(Bucket=bucket, Key="empty", Body=b"")
    log.clear()
    body = (await files.get_object(Bucket=bucket, Key="empty"))["Body"]
    assert await body.read() == b""
    del body
    gc.collect()
    assert log.verdicts == [("s3.get_object", "SUCCESS")]


async def test_the_watched_stream_passes_for_its_own_kind(files: Any, large: str) -> None:
    """Who decides by type how to send a stream on, as aiohttp does, is none the wiser; what is not about reading is the
    stream's own."""
    body = (await files.get_object(Bucket=large, Key="large"))["Body"]
    assert isinstance(body.content, StreamReader)
    assert body.content.total_bytes > 0
    assert not body.content.is_eof()
    body.close()


def checksummed(data: bytes, of: bytes) -> Answer:
    crc = base64.b64encode(zlib.crc32(of).to_bytes(4, "big")).decode()
    return Answer(body=data, headers={"x-amz-checksum-crc32": crc})


@pytest.mark.parametrize("size", [100, SIZE])
async def test_a_wrong_checksum_is_a_failure(wired: Any, wire: Wire, log: Log, size: int) -> None:
    """Bytes that all arrive and are not those that were stored have not been served."""
    wire.answer = checksummed(DATA[:size], of=b"something else")
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    assert log.settled == []
    with pytest.raises(FlexibleChecksumError):
        await body.read()
    assert log.verdicts == [("s3.get_object", "FAILURE")]


@pytest.mark.parametrize("size", [100, SIZE])
@pytest.mark.parametrize("read", BY_SDK)
async def test_a_right_checksum_is_a_success(wired: Any, wire: Wire, log: Log, size: int, read: Reader) -> None:
    """With a checksum the success is known when the SDK has verified it, and is judged then."""
    wire.answer = checksummed(DATA[:size], of=DATA[:size])
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    assert log.settled == []
    assert await read(body) == DATA[:size]
    assert log.verdicts == [("s3.get_object", "SUCCESS")]


async def test_an_unverified_checksum_is_not_held_against_anyone(wired: Any, wire: Wire, log: Log) -> None:
    """Who reads the raw stream to its end has been served, though the SDK never gets to see the checksum."""
    wire.answer = checksummed(DATA, of=DATA)
    body = (await wired.get_object(Bucket="bucket", Key="k"))["Body"]
    assert await innermost(body) == DATA
    del body
    await until(lambda: log.settled)
    assert log.verdicts == [("s3.get_object", "SUCCESS")]


@pytest.fixture
async def proxied(
    connect: ClientFactory, seaweed: SeaweedServer, gear: Switchgear, log: Log
) -> AsyncIterator[tuple[Any, FaultProxy]]:
    """A guarded client of the real server, behind a network that can be bad."""
    async with FaultProxy("127.0.0.1", seaweed.port) as proxy:
        client = await connect(f"http://127.0.0.1:{proxy.port}", read_timeout=1)
        yield guard(client, gear, name="files", breaker=QUICK), proxy


@pytest.mark.parametrize("toxic", [LimitData(SIZE // 2), LimitData(SIZE // 2, reset=True), Timeout()], ids=str)
async def test_a_bad_network_in_the_middle_of_a_body(
    proxied: tuple[Any, FaultProxy], large: str, log: Log, toxic: Any
) -> None:
    """The real server's body, cut, reset or stalled on its way: a failure each time, whoever is at fault."""
    client, proxy = proxied
    if isinstance(toxic, Timeout):
        body = (await client.get_object(Bucket=large, Key="large"))["Body"]
        proxy.add(toxic)
    else:
        proxy.add(toxic)
        body = (await client.get_object(Bucket=large, Key="large"))["Body"]
    await broken(body)
    await until(lambda: log.settled)
    assert log.verdicts == [("s3.get_object", "FAILURE")]
