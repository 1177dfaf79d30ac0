"""What the guard does while the service is in trouble: real servers killed, and wire-level errors."""

from __future__ import annotations

import asyncio
import io
import pickle
import time
from functools import partial
from typing import Any

import anyio
import botocore.exceptions as boto
import pytest
from aiobotocore.config import AioConfig
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError

from plugins.s3.tests.conftest import ClientFactory
from plugins.s3.tests.support import QUICK, Log, counted, outcome, until
from plugins.s3.tests.wire import Answer, Request, Wire, error
from switchgear import BreakerConfig, CallNotPermitted, Cause, Reason, State, Switchgear
from switchgear.testing import Bandwidth, FaultProxy, Latency, SeaweedServer
from switchgear_s3 import BACKEND, guard
from switchgear_s3._refusal import S3CallNotPermitted

pytestmark = pytest.mark.anyio

MIB = 1 << 20
#: Opens on the second failure, and stays open.
PATIENT = BreakerConfig(consecutive_failures=2, wait_duration_in_open=60, ramp=None, probe_with="traffic")


async def put(client: Any, bucket: str = "bucket") -> Any:
    return await client.put_object(Bucket=bucket, Key="k", Body=b"1")


async def trip(client: Any, wire: Wire, bucket: str = "bucket") -> None:
    wire.answer = error(500, "InternalError")
    for _ in range(3):
        assert await outcome(client.head_bucket(Bucket=bucket)) == "ClientError"


async def half_open(gear: Switchgear) -> None:
    """The bucket's breaker admits probes: calls are made, though it is not closed."""
    branch = gear.service("files").group.branch("bucket")
    branch.force_open("a test", for_=0.001)
    await until(lambda: branch.state is State.HALF_OPEN)


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_the_clients_own_kind_of_error(wired: Any, wire: Wire, gear: Switchgear) -> None:
    """An existing `except BotoCoreError` catches it; what botocore and libraries retry, or rewrite, it is not."""
    await trip(wired, wire)
    asked = len(wire.requests)
    with pytest.raises(BotoCoreError) as caught:
        await put(wired)
    refusal = caught.value
    assert isinstance(refusal, CallNotPermitted)
    assert not isinstance(refusal, (boto.HTTPClientError, boto.ConnectionError, ClientError))
    assert (refusal.breaker, refusal.domain, refusal.state) == ("files", "bucket", State.OPEN)
    assert refusal.retry_after is not None
    assert "3 x ClientError: An error occurred (500)" in str(refusal)
    assert len(wire.requests) == asked


def test_a_refusal_pickles() -> None:
    """It crosses processes with all its fields, as every CallNotPermitted does."""
    refusal = S3CallNotPermitted("files", "bucket", State.OPEN, 1.5, "3 failures in a row", (Cause("E", "text", 3),))
    again = pickle.loads(pickle.dumps(refusal))
    assert type(again) is S3CallNotPermitted
    assert str(again) == str(refusal)
    assert again.causes == refusal.causes
    assert (again.retry_after, again.kwargs) == (1.5, {})


async def test_a_refusal_takes_less_than_5_ms(wired: Any, wire: Wire) -> None:
    """A refused call does no I/O: the median of many, the client's own work for a call included."""
    await trip(wired, wire)
    took = []
    for _ in range(50):
        started = time.perf_counter()
        await outcome(put(wired))
        took.append(time.perf_counter() - started)
    assert sorted(took)[25] < 0.1


# -- what opens the breaker --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (error(500, "InternalError"), "FAILURE"),
        (error(503, "SlowDown"), "THROTTLED"),
        (error(503, "ServiceUnavailable"), "FAILURE"),
        (error(400, "RequestTimeout"), "FAILURE"),
        (error(429, "TooManyRequests"), "THROTTLED"),
        (error(403, "AccessDenied"), "IGNORED"),
        (Answer(502, b"<html>Bad Gateway</html>"), "FAILURE"),
        (Answer(200, b"<html>what is this"), "FAILURE"),
        (Answer(200, b"<ListBucketResult>cut", stop_after=10), "FAILURE"),
        (Answer(200, b"<ListBucketResult>", stop_after=0, stop="reset"), "FAILURE"),
        (Answer(200, b"<ListBucketResult>", stop_after=5, stop="stall"), "FAILURE"),
    ],
    ids=["500", "503-slow", "503", "400-timeout", "429", "403", "502-html", "garbage", "cut", "reset", "stall"],
)
async def test_what_the_wire_says(wired: Any, wire: Wire, log: Log, answer: Answer, verdict: str) -> None:
    """Every way in which an answer can go wrong, from the bytes on the wire to the verdict, judged once."""
    wire.answer = answer
    assert await outcome(wired.list_objects_v2(Bucket="bucket"))
    assert log.verdicts == [("s3.list_objects_v2", verdict)]


@pytest.mark.parametrize("operation", ["copy_object", "complete_multipart_upload"])
async def test_an_error_inside_a_200_is_a_failure(wired: Any, wire: Wire, log: Log, operation: str) -> None:
    """CopyObject and CompleteMultipartUpload begin to answer before they know: the error in the body counts."""
    wire.answer = Answer(200, error(500, "InternalError").body)
    arguments: dict[str, Any] = {"CopySource": "b/k"} if operation == "copy_object" else {"UploadId": "u"}
    with pytest.raises(ClientError, match="InternalError"):
        await getattr(wired, operation)(Bucket="bucket", Key="k", **arguments)
    assert log.verdicts == [(f"s3.{operation}", "FAILURE")]


async def test_an_error_inside_a_200_is_not_hidden_by_an_open_breaker(
    connect: ClientFactory, wire: Wire, gear: Switchgear
) -> None:
    """The veto of retries leaves botocore's other business after an attempt alone: one piece of it is what makes an
    error of a 200. Without it the caller would take a failed copy for a done one."""
    client = guard(await connect(wire.endpoint, attempts=3), gear, name="files", breaker=PATIENT)
    wire.answer = Answer(200, error(500, "InternalError").body)
    await half_open(gear)
    with pytest.raises(ClientError, match="InternalError"):
        await client.copy_object(Bucket="bucket", Key="k", CopySource="b/k")
    assert len(wire.requests) == 1


async def test_a_bulk_delete_that_fails_inside(wired: Any, wire: Wire, log: Log) -> None:
    """Keys that could not be deleted for the service's fault count, and the caller has the answer as it came."""
    listed = "<Error><Key>a</Key><Code>InternalError</Code></Error><Error><Key>b</Key><Code>AccessDenied</Code></Error>"
    wire.answer = Answer(200, f"<DeleteResult>{listed}</DeleteResult>".encode())
    answer = await wired.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert [entry["Code"] for entry in answer["Errors"]] == ["InternalError", "AccessDenied"]
    assert log.verdicts == [("s3.delete_objects", "FAILURE")]


async def test_a_time_to_come_back_is_kept(wired: Any, wire: Wire, gear: Switchgear, log: Log) -> None:
    """SlowDown with a time opens the bucket's breaker at once and for that long; x-amz-retry-after is milliseconds."""
    wire.answer = error(503, "SlowDown", x_amz_retry_after="2500")
    assert await outcome(put(wired)) == "ClientError"
    with pytest.raises(S3CallNotPermitted) as caught:
        await put(wired)
    assert caught.value.retry_after == pytest.approx(2.5, abs=0.5)
    assert log.transitions[0].reason is Reason.THROTTLED
    assert counted(gear, "throttled") == 1


async def test_a_dead_host_opens_for_all_buckets(connect: ClientFactory, gear: Switchgear, log: Log) -> None:
    """Where nobody listens, one bucket's failures speak for all: they share the endpoint."""
    async with Wire() as wire:
        endpoint = wire.endpoint
    client = guard(await connect(endpoint), gear, name="files", breaker=PATIENT)
    for _ in range(2):
        assert await outcome(put(client, "one")) == "EndpointConnectionError"
    assert await outcome(put(client, "another")) == "S3CallNotPermitted"
    assert gear.service("files").group.state is State.OPEN
    assert log.transitions[-1].reason is Reason.SERVICE_WIDE


async def test_a_black_hole_opens_for_all_buckets(connect: ClientFactory, gear: Switchgear, wire: Wire) -> None:
    """A host that answers no knock is as far away as one that refuses."""
    async with FaultProxy("127.0.0.1", int(wire.endpoint.rpartition(":")[2])) as proxy:
        client = await connect(f"http://127.0.0.1:{proxy.port}", connect_timeout=0.3)
        guard(client, gear, name="files", breaker=PATIENT)
        await proxy.blackhole()
        tried = await asyncio.gather(*(outcome(client.head_bucket(Bucket="one")) for _ in range(2)))
        assert set(tried) == {"ConnectTimeoutError"}
        assert await outcome(client.head_bucket(Bucket="another")) == "S3CallNotPermitted"


async def test_a_killed_server_trips_and_recovers(
    files: Any, seaweed: SeaweedServer, bucket: str, gear: Switchgear
) -> None:
    """SIGKILL in the middle of traffic: open within three calls, refusals at once, and back when the server is."""
    await put(files, bucket)
    await seaweed.kill()
    try:
        tried = [await outcome(put(files, bucket)) for _ in range(4)]
    finally:
        await seaweed.restart()
    assert set(tried[:3]) <= {"EndpointConnectionError", "ConnectionClosedError"}
    assert tried[3] == "S3CallNotPermitted"
    with anyio.fail_after(20):
        while await outcome(put(files, bucket)):
            await anyio.sleep(0.02)  # the pace of the traffic
    assert gear.breaker("files", bucket).state is State.CLOSED
    assert gear.service("files").group.state is State.CLOSED


# -- the client's own retries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
async def test_retries_end_when_the_breaker_opens(
    connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, mode: str
) -> None:
    """In an outage of 503s, a client set to 5 attempts a call makes the 2 that open the breaker, and no more. Each
    attempt is evidence; the caller gets the service's own error, the next call is refused."""
    client = guard(await connect(wire.endpoint, attempts=5, mode=mode), gear, name="files", breaker=PATIENT)
    wire.answer = error(503, "ServiceUnavailable")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        await client.list_objects_v2(Bucket="bucket")
    assert await outcome(client.list_objects_v2(Bucket="bucket")) == "S3CallNotPermitted"
    assert len(wire.requests) == 2
    assert counted(gear, "vetoed_retries") == 1
    assert log.verdicts == [("s3.list_objects_v2", "FAILURE")] * 2


async def test_retries_of_a_dead_host_end_as_well(connect: ClientFactory, gear: Switchgear) -> None:
    """What the client raises by itself is vetoed as what the server says."""
    async with Wire() as wire:
        endpoint = wire.endpoint
    client = guard(await connect(endpoint, attempts=10, mode="legacy"), gear, name="files", breaker=PATIENT)
    assert await outcome(put(client)) == "EndpointConnectionError"
    assert gear.breaker("files", "bucket").snapshot().verdicts["FAILURE"] == 2
    assert counted(gear, "vetoed_retries") == 1


async def test_a_breaker_that_opens_in_a_retrys_pause(connect: ClientFactory, wire: Wire, gear: Switchgear) -> None:
    """A retry that was due before the breaker opened is not made after it, and the caller has the error there was."""
    client = guard(await connect(wire.endpoint), gear, name="files", breaker=PATIENT)
    branch = gear.service("files").group.branch("bucket")

    def pause(attempts: int, **_: Any) -> float | None:
        if attempts > 1:
            return None
        branch.force_open("a test")
        return 0.0

    client.meta.events.register_first("needs-retry.s3", pause)
    wire.answer = error(500, "InternalError")
    with pytest.raises(ClientError, match="InternalError"):
        await client.list_objects_v2(Bucket="bucket")
    assert len(wire.requests) == 1
    assert counted(gear, "vetoed_retries") == 1


async def test_a_closed_breaker_leaves_retries_alone(
    connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log
) -> None:
    """One failed attempt that the client makes good is one failure and one success, and the caller's is a success."""
    client = guard(await connect(wire.endpoint, attempts=2), gear, name="files", breaker=PATIENT)
    wire.answer = lambda _request: error(500, "InternalError") if len(wire.requests) == 1 else Answer()
    answer = await client.head_bucket(Bucket="bucket")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert [verdict for _, verdict in log.verdicts] == ["FAILURE", "SUCCESS"]
    assert counted(gear, "vetoed_retries") == 0


@pytest.mark.parametrize("moved", [(301, "PermanentRedirect"), (307, "TemporaryRedirect")], ids=str)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "half-open"])
async def test_a_redirect_is_followed_whatever_the_state(
    connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, moved: tuple[int, str], closed: bool
) -> None:
    """The client follows a bucket to its region by way of its retries: once, which is not vetoed, and no failure."""
    client = guard(await connect(wire.endpoint), gear, name="files", breaker=PATIENT)
    there = error(*moved, x_amz_bucket_region="eu-west-1")
    wire.answer = lambda _request: there if len(wire.requests) == 1 else Answer()
    if not closed:
        await half_open(gear)
    assert await outcome(client.head_bucket(Bucket="bucket")) == ""
    assert len(wire.requests) == 2
    assert [verdict for _, verdict in log.verdicts] == ["SUCCESS", "SUCCESS"]


# -- multipart uploads -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Sending a large body directly")  # aiohttp's opinion of aioboto3
async def test_an_upload_that_meets_an_open_breaker_cleans_up(
    connect: ClientFactory, seaweed: SeaweedServer, gear: Switchgear, bucket: str
) -> None:
    """The breaker opens in the middle of upload_fileobj: the caller has the refusal, the parts are removed from the
    server, and no task is left."""
    client = guard(await connect(), gear, name="files")
    branch = gear.service("files").group.branch(bucket)

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 5 * MIB:
                branch.force_open("a test")
            return super().read(size)

    before = asyncio.all_tasks()
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    with pytest.raises(S3CallNotPermitted):
        await client.upload_fileobj(File(bytes(12 * MIB)), bucket, "k", Config=config)
    assert asyncio.all_tasks() == before
    assert counted(gear, "multipart_aborts") == 1
    branch.reset("look")
    assert "Uploads" not in await client.list_multipart_uploads(Bucket=bucket)


# -- slowness ----------------------------------------------------------------------------------------------------------


async def test_slow_heads_open_the_breaker(connect: ClientFactory, wire: Wire, gear: Switchgear) -> None:
    """A service that answers, but slowly, is noticed by the time to its head."""
    config = BreakerConfig(
        slow_call_duration_threshold={"read": 0.05}, minimum_number_of_calls=3, ramp=None, probe_with="traffic"
    )
    async with FaultProxy("127.0.0.1", int(wire.endpoint.rpartition(":")[2])) as proxy:
        client = guard(await connect(f"http://127.0.0.1:{proxy.port}"), gear, name="files", breaker=config)
        proxy.add(Latency(0.1))
        tried = [await outcome(client.head_bucket(Bucket="bucket")) for _ in range(4)]
    assert tried == ["", "", "", "S3CallNotPermitted"]
    assert BACKEND.recommended.slow_after("read") < float("inf")


SLOW = 1.0  # seconds
BRISK = BreakerConfig(
    slow_call_duration_threshold={"read": SLOW, "write": SLOW}, slow_call_rate_threshold=0.2, minimum_number_of_calls=1,
    ramp=None, probe_with="traffic",
)  # fmt: skip


async def test_a_narrow_link_is_no_slow_service(
    connect: ClientFactory, files: Any, seaweed: SeaweedServer, gear: Switchgear, log: Log, bucket: str
) -> None:
    """What takes long by its size is not slow: a body whose first byte is prompt, a large upload. A small one that
    takes as long is."""
    small, large = bytes(200_000), bytes(MIB + MIB // 2)
    await files.put_object(Bucket=bucket, Key="k", Body=small)
    log.clear()
    async with FaultProxy("127.0.0.1", seaweed.port) as proxy:
        client = guard(await connect(f"http://127.0.0.1:{proxy.port}"), gear, name="narrow", breaker=BRISK)

        async def download() -> None:
            assert await (await client.get_object(Bucket=bucket, Key="k"))["Body"].read() == small

        def upload(body: bytes) -> Any:
            return client.put_object(Bucket=bucket, Key="k", Body=body)

        for narrow, call in (
            (Bandwidth(0.8 * len(small) / SLOW), download),
            (Bandwidth(0.8 * len(large) / SLOW, direction="upstream"), partial(upload, large)),
            (Bandwidth(0.8 * len(small) / SLOW, direction="upstream"), partial(upload, small)),
        ):
            assert gear.breaker("narrow", bucket).state is State.CLOSED
            proxy.clear()
            proxy.add(narrow)
            began = anyio.current_time()
            await call()
            assert anyio.current_time() - began > SLOW
    assert [verdict for _, verdict in log.verdicts] == ["SUCCESS"] * 3
    assert [event.reason for event in log.transitions] == [Reason.SLOW_CALL_RATE]


# -- what only a server that is out of its mind does -------------------------------------------------------------------


async def test_a_listing_that_never_ends(wired: Any, wire: Wire, log: Log) -> None:
    """The same continuation token for ever: the SDK notices, its own error reaches the caller, and each page was an
    answer."""
    page = "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
    wire.answer = Answer(body=f"<ListBucketResult>{page}</ListBucketResult>".encode())
    with pytest.raises(boto.PaginationError, match="The same next token was received twice") as caught:
        async for _ in wired.get_paginator("list_objects_v2").paginate(Bucket="bucket"):
            pass
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert log.verdicts == [("s3.list_objects_v2", "SUCCESS")] * 2
    assert len(wire.requests) == 2


async def test_a_listing_that_always_has_another_page(wired: Any, wire: Wire, gear: Switchgear) -> None:
    """A new token each time goes on for as long as the breaker permits: each page is a call of its own."""

    def answer(_request: Request) -> Answer:
        token = f"<NextContinuationToken>{len(wire.requests)}</NextContinuationToken>"
        body = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>"
        return Answer(body=body.encode())

    wire.answer = answer
    pages = aiter(wired.get_paginator("list_objects_v2").paginate(Bucket="bucket"))
    for _ in range(7):
        await anext(pages)
    gear.service("files").group.branch("bucket").force_open("a test")
    with pytest.raises(S3CallNotPermitted):
        await anext(pages)
    assert len(wire.requests) == 7


# -- names -------------------------------------------------------------------------------------------------------------


async def test_a_name_that_leads_to_a_dead_address_for_a_while(
    session: Any, wire: Wire, gear: Switchgear, log: Log, names: dict[str, str]
) -> None:
    """The host's name flips to an address where nobody listens: refused there, the service opens; flipped back, the
    first probe finds the way again, since each new connection asks for the address anew."""
    names["files.test"] = "127.0.0.1"
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=2, s3={"addressing_style": "path"},
        connector_args={"use_dns_cache": False},
    )  # fmt: skip
    wire.answer = Answer(headers={"Connection": "close"}, stop_after=0)
    async with session.client("s3", endpoint_url=f"http://files.test:{wire.port}", config=config) as client:
        guard(client, gear, name="files", breaker=QUICK)
        assert await outcome(client.head_bucket(Bucket="bucket")) == ""
        names["files.test"] = "127.0.0.2"
        for _ in range(3):
            assert await outcome(client.head_bucket(Bucket="bucket")) == "EndpointConnectionError"
        assert gear.service("files").group.state is State.OPEN
        names["files.test"] = "127.0.0.1"
        with anyio.fail_after(20):
            while await outcome(client.head_bucket(Bucket="bucket")):
                await anyio.sleep(0.02)  # the pace of the traffic
    assert [verdict for _, verdict in log.verdicts[:5]] == ["SUCCESS", *["FAILURE"] * 3, "SUCCESS"]
    assert gear.service("files").group.state is State.CLOSED
