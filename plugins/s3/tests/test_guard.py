"""A guarded client is the client that it was: against a real S3."""

from __future__ import annotations

import copy
import io
import os
import pickle
import urllib.request
from typing import Any

import aioboto3
import anyio
import botocore.session
import pytest
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.exceptions import ClientError

from plugins.s3.tests.conftest import ClientFactory
from plugins.s3.tests.support import QUICK, Log, counted
from switchgear import ConfigurationError, State, Switchgear
from switchgear.testing import SeaweedServer
from switchgear_s3 import guard, guard_session
from switchgear_s3._refusal import S3CallNotPermitted

pytestmark = pytest.mark.anyio

MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


async def test_the_same_object_comes_back(connect: ClientFactory, gear: Switchgear) -> None:
    """Guarding is done in place: the client keeps its identity and type, and what its class had."""
    client = await connect()
    kind = type(client)
    guarded = guard(client, gear, name="files")
    assert guarded is client
    assert type(guarded) is kind
    assert type(guarded).__name__ == "S3"
    assert guarded.meta.service_model.service_name == "s3"
    assert issubclass(guarded.exceptions.NoSuchKey, ClientError)


async def test_copies_of_a_client(files: Any, connect: ClientFactory, bucket: str, log: Log) -> None:
    """As the client it is, shown, copied and pickled: a copy is guarded, deep ones and pickles there are none."""
    bare = await connect()

    def seen(client: Any) -> list[str]:
        ends = []
        for make in (repr, copy.copy, copy.deepcopy, pickle.dumps):
            try:
                ends.append(type(make(client)).__name__)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it has to be the same
                ends.append(f"{type(exc).__name__}: {exc}")
        return ends

    assert seen(files) == seen(bare)
    assert dir(files) == dir(bare)
    assert repr(files).partition(" at ")[0] == repr(bare).partition(" at ")[0]
    await copy.copy(files).head_bucket(Bucket=bucket)
    assert log.verdicts == [("s3.head_bucket", "SUCCESS")]


async def test_what_is_made_of_a_client_is_refused(
    files: Any, seaweed: SeaweedServer, bucket: str, gear: Switchgear, log: Log
) -> None:
    """With the breaker open: pages, waiters, transfers both ways, copies, and a resource's collections and objects."""
    gear.service("files").group.force_open("a test")

    async def pages() -> None:
        async for _ in files.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            pass

    session = aioboto3.Session(
        aws_access_key_id=seaweed.access_key, aws_secret_access_key=seaweed.secret_key, region_name="us-east-1"
    )
    guarded = guard_session(session, gear, name="files")
    async with guarded.resource("s3", endpoint_url=seaweed.endpoint) as resource:

        async def collection() -> None:
            async for _ in (await resource.Bucket(bucket)).objects.all():
                pass

        async def loaded() -> None:
            await (await resource.Object(bucket, "k")).load()

        for call in (
            pages(),
            collection(),
            loaded(),
            files.get_waiter("object_exists").wait(Bucket=bucket, Key="k"),
            files.upload_fileobj(io.BytesIO(b"x"), bucket, "k"),
            files.download_fileobj(bucket, "k", io.BytesIO()),
            files.copy({"Bucket": bucket, "Key": "k"}, bucket, "l"),
        ):
            with pytest.raises(S3CallNotPermitted):
                await call
    assert log.settled == []


async def test_the_daily_operations(files: Any, bucket: str, log: Log, gear: Switchgear) -> None:
    """Put, get, head, list, copy and delete give the service's own answers, each judged once, as its bucket's."""
    await files.put_object(Bucket=bucket, Key="a", Body=b"hello", Metadata={"m": "1"})
    got = await files.get_object(Bucket=bucket, Key="a")
    assert await got["Body"].read() == b"hello"
    assert (await files.head_object(Bucket=bucket, Key="a"))["Metadata"] == {"m": "1"}
    await files.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    listed = await files.list_objects_v2(Bucket=bucket)
    assert [entry["Key"] for entry in listed["Contents"]] == ["a", "b"]
    await files.delete_object(Bucket=bucket, Key="a")
    deleted = await files.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}]})
    assert deleted["Deleted"] == [{"Key": "b"}]
    expected = "put_object get_object head_object copy_object list_objects_v2 delete_object delete_objects"
    assert log.verdicts == [(f"s3.{name}", "SUCCESS") for name in expected.split(" ")]
    assert {event.domain for event in log.settled} == {bucket}


async def test_operations_without_a_bucket_are_of_the_service(files: Any, bucket: str, log: Log) -> None:
    """ListBuckets concerns no bucket, so its domain is the service's own."""
    assert bucket in {entry["Name"] for entry in (await files.list_buckets())["Buckets"]}
    assert [event.domain for event in log.settled] == [""]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda c, b: c.get_object(Bucket=b, Key="nothing"), "NoSuchKey"),
        (lambda c, b: c.head_object(Bucket=b, Key="nothing"), "404"),
        (lambda c, b: c.get_object(Bucket="no-such-bucket", Key="k"), "NoSuchBucket"),
        (lambda c, b: c.put_object(Bucket=b, Key="taken", Body=b"2", IfNoneMatch="*"), "PreconditionFailed"),
        (lambda c, b: c.get_object(Bucket=b, Key="taken", Range="bytes=99-"), "InvalidRange"),
        (lambda c, b: c.get_object(Bucket=b, Key="taken", IfNoneMatch='"c4ca4238a0b923820dcc509a6f75849b"'), "304"),
    ],
    ids=["NoSuchKey", "404", "NoSuchBucket", "412", "416", "304"],
)
async def test_a_no_is_an_answer(files: Any, bucket: str, log: Log, call: Any, code: str) -> None:
    """404, 412, 416 and 304 reach the caller as the client's own errors, and count as the service serving."""
    await files.put_object(Bucket=bucket, Key="taken", Body=b"1")
    log.clear()
    for _ in range(4):  # more than it takes failures to open
        with pytest.raises(ClientError) as caught:
            await call(files, bucket)
        assert f"({code})" in str(caught.value)
    assert [verdict for _, verdict in log.verdicts] == ["SUCCESS"] * 4


async def test_wrong_credentials_say_nothing_of_the_service(
    seaweed: SeaweedServer, gear: Switchgear, log: Log, bucket: str
) -> None:
    """A 403 is our fault, not the bucket's: the breaker stays closed and learns nothing."""
    session = aioboto3.Session(aws_access_key_id="nobody", aws_secret_access_key="x", region_name="us-east-1")
    async with session.client("s3", endpoint_url=seaweed.endpoint) as client:
        guard(client, gear, name="files")
        for _ in range(4):
            with pytest.raises(ClientError, match="InvalidAccessKeyId"):
                await client.list_objects_v2(Bucket=bucket)
    assert [verdict for _, verdict in log.verdicts] == ["IGNORED"] * 4
    assert gear.breaker("files", bucket).state is State.CLOSED


async def test_sizes_and_uploads_are_counted(files: Any, bucket: str, gear: Switchgear) -> None:
    """Of what is put at once and got; of uploads, those that nobody has ended yet, and those that the server has not
    heard of do not count."""
    service = gear.service("files")
    for size in (5, 2000):
        await files.put_object(Bucket=bucket, Key="k", Body=bytes(size))
    await (await files.get_object(Bucket=bucket, Key="k", Range="bytes=0-99"))["Body"].read()
    histograms = service.histograms()
    assert histograms["object_size", (("direction", "up"),)].sum == 2005
    assert histograms["object_size", (("direction", "down"),)].sum == 100
    uploads = [(await files.create_multipart_upload(Bucket=bucket, Key="k"))["UploadId"] for _ in range(3)]
    assert service.gauges()["uploads_in_progress"] == 3
    await files.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=uploads[0])
    part = await files.upload_part(Bucket=bucket, Key="k", UploadId=uploads[1], PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await files.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=uploads[1], MultipartUpload=parts)
    with pytest.raises(ClientError):
        await files.complete_multipart_upload(Bucket=bucket, Key="k", UploadId="none", MultipartUpload=parts)
    assert service.gauges()["uploads_in_progress"] == 1
    assert counted(gear, "multipart_parts") == 1


@pytest.mark.filterwarnings("ignore:Sending a large body directly")  # aiohttp's opinion of aioboto3
async def test_transfers(files: Any, bucket: str, log: Log, gear: Switchgear) -> None:
    """upload_fileobj and download_fileobj, in parts, and copy: bytes intact, every part guarded and counted."""
    data = os.urandom(11 * MIB)
    await files.upload_fileobj(io.BytesIO(data), bucket, "large", Config=PARTS)
    back = io.BytesIO()
    await files.download_fileobj(bucket, "large", back, Config=PARTS)
    assert back.getvalue() == data
    names = [operation for operation, _ in log.verdicts]
    assert names.count("s3.upload_part") == names.count("s3.get_object") == 3
    assert counted(gear, "multipart_parts") == 3
    sizes = gear.service("files").histograms()
    assert sizes["object_size", (("direction", "down"),)].sum == len(data)
    assert ("object_size", (("direction", "up"),)) not in sizes  # that of the parts is none
    assert {verdict for _, verdict in log.verdicts} == {"SUCCESS"}
    up, down = counted(gear, "bytes", direction="up"), counted(gear, "bytes", direction="down")
    assert len(data) <= up <= len(data) + 10_000  # the list of parts and the answers to all this are bytes as well
    assert len(data) <= down <= len(data) + 10_000
    await files.copy({"Bucket": bucket, "Key": "large"}, bucket, "copied")
    assert (await files.head_object(Bucket=bucket, Key="copied"))["ContentLength"] == len(data)


async def test_paginators_and_waiters(files: Any, bucket: str, log: Log) -> None:
    """Each page and each look of a waiter is a guarded call."""
    for i in range(5):
        await files.put_object(Bucket=bucket, Key=str(i), Body=b"")
    log.clear()
    pages = files.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [[entry["Key"] for entry in page["Contents"]] async for page in pages] == [["0", "1"], ["2", "3"], ["4"]]
    await files.get_waiter("object_exists").wait(Bucket=bucket, Key="4")
    assert log.verdicts == [("s3.list_objects_v2", "SUCCESS")] * 3 + [("s3.head_object", "SUCCESS")]


async def test_a_presigned_url_needs_no_permit(files: Any, bucket: str, log: Log, gear: Switchgear) -> None:
    """Signing does no I/O, so it works while the breaker is open; the URL is the service's business."""
    await files.put_object(Bucket=bucket, Key="a", Body=b"signed")
    gear.service("files").group.force_open("a test")
    log.clear()
    url = await files.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
    body = await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(url).read())
    assert body == b"signed"
    assert not log.settled
    assert not log.refused


async def test_a_session_guards_all_that_it_makes(
    seaweed: SeaweedServer, bucket: str, gear: Switchgear, log: Log
) -> None:
    """Clients and resources of a guarded session are guarded, whoever makes them, and share one service."""
    session = aioboto3.Session(
        aws_access_key_id=seaweed.access_key, aws_secret_access_key=seaweed.secret_key, region_name="us-east-1"
    )
    assert guard_session(session, gear, name="files") is session
    assert guard_session(session, gear, name="files") is session  # and that is not twice as much
    async with session.client("s3", endpoint_url=seaweed.endpoint) as client:
        assert type(client).__name__ == "S3"
        await client.put_object(Bucket=bucket, Key="a", Body=b"1")
    async with session.resource("s3", endpoint_url=seaweed.endpoint) as resource:
        held = await resource.Bucket(bucket)
        assert [entry.key async for entry in held.objects.all()] == ["a"]
        entry = await resource.Object(bucket, "a")
        assert await (await entry.get())["Body"].read() == b"1"
        await entry.delete()
    assert log.verdicts == [
        (f"s3.{name}", "SUCCESS") for name in ("put_object", "list_objects", "get_object", "delete_object")
    ]


async def test_a_session_leaves_other_services_alone(session: aioboto3.Session, gear: Switchgear) -> None:
    """Only S3 clients are guarded."""
    other = aioboto3.Session(region_name="us-east-1")
    guard_session(other, gear, name="files")
    async with other.client("sqs", aws_access_key_id="a", aws_secret_access_key="b"):
        pass
    assert gear.services == {}


async def test_guarding_again_changes_nothing(files: Any, bucket: str, gear: Switchgear, log: Log) -> None:
    """The same client under the same name is guarded once: each call is one call."""
    assert guard(files, gear, name="files") is files
    await files.list_objects_v2(Bucket=bucket)
    assert len(log.settled) == 1


async def test_one_client_is_one_service(files: Any, gear: Switchgear) -> None:
    """A second name for a guarded client would count every outage twice, and is refused."""
    with pytest.raises(ConfigurationError, match="guarded already, as the service 'files'"):
        guard(files, gear, name="other")


async def test_two_clients_may_be_one_service(
    files: Any, connect: ClientFactory, bucket: str, gear: Switchgear
) -> None:
    """Clients guarded under one name share the breakers."""
    second = guard(await connect(), gear, name="files")
    gear.service("files").group.branch(bucket).force_open("a test")
    for client in (files, second):
        with pytest.raises(Exception, match="Call not permitted"):
            await client.list_objects_v2(Bucket=bucket)


async def test_an_unknown_waist_is_refused_loudly(
    connect: ClientFactory, gear: Switchgear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the client is not built as it is known to be, guarding fails and names the versions."""
    client = await connect()

    async def renamed_parameters(self: Any, what: Any) -> None: ...

    monkeypatch.setattr(type(client._endpoint), "_do_get_response", renamed_parameters)
    with pytest.raises(ConfigurationError, match=r"aiobotocore \d+\.\d+.* is an unsupported version.*switchgear-s3 \d"):
        guard(client, gear, name="files")
    assert gear.services == {}


async def test_clients_of_another_kind_are_refused(session: aioboto3.Session, gear: Switchgear) -> None:
    """boto3's blocking client, another service's client, and something else altogether: each is told what it is."""
    blocking = botocore.session.get_session().create_client("s3", region_name="us-east-1")
    with pytest.raises(ConfigurationError, match="of boto3 and blocks"):
        guard(blocking, gear, name="files")
    async with session.client("sqs") as queue:
        with pytest.raises(ConfigurationError, match="SQS is no S3 client"):
            guard(queue, gear, name="files")
    with pytest.raises(ConfigurationError, match="str is no S3 client"):
        guard("s3", gear, name="files")


async def test_a_cancelled_call_releases_its_permit(
    files: Any, bucket: str, seaweed: SeaweedServer, log: Log, gear: Switchgear
) -> None:
    """A call that its caller gives up says nothing of the service, and leaves no permit behind."""
    gear.service("files").group.branch(bucket)
    await seaweed.hang()
    try:
        with anyio.move_on_after(0.1) as scope:
            await files.list_objects_v2(Bucket=bucket)
    finally:
        await seaweed.resume()
    assert scope.cancelled_caught
    assert log.verdicts == [("s3.list_objects_v2", "IGNORED")]
    assert gear.service("files").group.branch(bucket).snapshot().in_flight == 0


async def test_wrong_parameters_do_not_reach_the_breaker(files: Any, bucket: str, log: Log) -> None:
    """What the client refuses before it sends anything takes no permit."""
    with pytest.raises(Exception, match="Missing required parameter"):
        await files.get_object(Bucket=bucket)
    assert log.settled == []


async def test_the_configuration_given_is_the_one_used(connect: ClientFactory, gear: Switchgear) -> None:
    """`breaker` replaces what the plugin recommends."""
    guard(await connect(), gear, name="own", breaker=QUICK)
    guard(await connect(), gear, name="default")
    assert gear.service("own").group.config is QUICK
    assert gear.service("default").group.config.slow_after("read") == 5.0
