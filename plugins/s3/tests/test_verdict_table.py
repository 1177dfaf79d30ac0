"""Every row of the table of errors, produced by a real server or, where none can be made to, at the wire: the verdict,
what the breaker does, and that the caller gets the SDK's own exception, untouched.
"""

from __future__ import annotations

import asyncio
import io
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import aioboto3
import anyio
import botocore.exceptions as boto
import pytest
from aiobotocore.config import AioConfig
from aiohttp import StreamReader
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.exceptions import ClientError

from plugins.s3.tests.conftest import ClientFactory
from plugins.s3.tests.support import Log
from plugins.s3.tests.wire import Answer, Request, Wire, error
from switchgear import BreakerConfig, CallNotPermitted, State, Switchgear
from switchgear.testing import FaultProxy, SeaweedServer, Timeout
from switchgear_s3 import guard
from tests.certificates import expired

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MIB = 1 << 20
ONCE = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=2, read_timeout=10)
#: Opens at the first failure, and stays open.
TOUCHY = BreakerConfig(consecutive_failures=1, wait_duration_in_open=60, ramp=None, probe_with="traffic")

Call = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Below:
    """What the SDK itself raised, below the guard."""

    exceptions: list[tuple[Exception, BaseException | None, BaseException | None, list[str]]] = field(
        default_factory=list[Any]
    )

    def watched(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(call)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return await call(*args, **kwargs)
            except Exception as exc:
                self.exceptions.append((exc, exc.__cause__, exc.__context__, frames(exc)))
                raise

        return watched

    def assert_untouched(self, caught: BaseException) -> None:
        """The same object, with the same cause and context, and each frame that it had; or, of a body, what the SDK
        made of that outside of the guard.
        """
        raised, cause, context, had = self.exceptions[-1]
        assert raised in {caught, caught.__cause__, caught.__context__}
        assert (raised.__cause__, raised.__context__) == (cause, context)
        assert frames(raised)[-len(had) :] == had


def frames(exc: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]


class Table:
    """A client whose breaker opens at the first failure, and what the SDK raised."""

    def __init__(self, client: Any, gear: Switchgear, log: Log, below: Below) -> None:
        self._gear, self._log, self._below = gear, log, below
        client._make_api_call = below.watched(client._make_api_call)
        self.client = guard(client, gear, name="files", breaker=TOUCHY)

    async def judged(self, call: Call, kind: type[Exception], verdict: str, *, everywhere: bool = False) -> Exception:
        """What a failing call raises; whether the next one is refused, and one of another bucket."""
        self._log.clear()
        with pytest.raises(kind) as caught:
            await call(self.client)
        self._below.assert_untouched(caught.value)
        assert [settled for _, settled in self._log.verdicts] == [verdict]
        group = self._gear.service("files").group
        states = {name for name, branch in group.branches.items() if branch.state is State.OPEN}
        assert states == ({"bucket"} if verdict == "FAILURE" else set())
        assert (group.state is State.OPEN) == everywhere
        assert isinstance(await raised(call(self.client)), CallNotPermitted) == (verdict == "FAILURE")
        assert isinstance(await raised(self.client.head_bucket(Bucket="another")), CallNotPermitted) == everywhere
        assert group.snapshots()[0].in_flight == 0
        return caught.value


async def raised(call: Awaitable[Any]) -> Exception | None:
    try:
        await call
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is what the test asks for
        return exc
    return None


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Below:
    below = Below()
    for name in ("read", "readany", "readchunk"):
        monkeypatch.setattr(StreamReader, name, below.watched(getattr(StreamReader, name)))
    return below


async def listed(client: Any) -> Any:
    return await client.list_objects_v2(Bucket="bucket")


async def copied(client: Any) -> Any:
    return await client.copy_object(Bucket="bucket", Key="k", CopySource="bucket/other")


async def completed(client: Any) -> Any:
    return await client.complete_multipart_upload(Bucket="bucket", Key="k", UploadId="u")


async def read(client: Any) -> Any:
    async with (await client.get_object(Bucket="bucket", Key="k"))["Body"] as body:
        return await body.read()


async def read_by_sdk(client: Any) -> Any:
    body = (await client.get_object(Bucket="bucket", Key="k"))["Body"]
    try:
        return await body.read()
    finally:
        body.close()


# -- answers -----------------------------------------------------------------------------------------------------------

ANSWERS = {
    "FAILURE": "500 InternalError, 502 BadGateway, 503 ServiceUnavailable, 504 GatewayTimeout, 507 StorageFull, "
    "400 RequestTimeout, 400 RequestTimeoutException, 408 RequestTimeout",
    "THROTTLED": "503 SlowDown, 429 TooManyRequests, 400 Throttling, 400 ThrottlingException, "
    "503 RequestLimitExceeded, 503 BandwidthLimitExceeded, 400 PriorRequestNotComplete, 503 ErrTooManyRequest",
    "SUCCESS": "404 NoSuchKey, 404 NoSuchBucket, 409 BucketAlreadyOwnedByYou, 409 OperationAborted, "
    "412 PreconditionFailed, 416 InvalidRange, 400 InvalidArgument, 501 NotImplemented, 405 MethodNotAllowed",
    "IGNORED": "403 AccessDenied, 403 InvalidAccessKeyId, 403 SignatureDoesNotMatch, 403 RequestTimeTooSkewed, "
    "400 ExpiredToken, 400 AuthorizationHeaderMalformed, 401 Unauthorized, 407 ProxyAuthenticationRequired",
}


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        pytest.param(int(answer.split()[0]), answer.split()[1], verdict, id=answer.replace(" ", "-"))
        for verdict, answers in ANSWERS.items()
        for answer in answers.split(", ")
    ],
)
async def test_an_answer(
    status: int, code: str, verdict: str, connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """Each status and code that S3 and its like answer with, as the SDK's ClientError."""
    wire.answer = error(status, code)
    table = Table(await connect(wire.endpoint), gear, log, below)
    caught = await table.judged(listed, ClientError, verdict)
    assert isinstance(caught, ClientError)
    assert caught.response.get("Error", {}).get("Code") == code


@pytest.mark.parametrize("header", [{"retry_after": "7"}, {"x_amz_retry_after": "7000"}], ids=str)
async def test_an_answer_that_names_a_time(
    header: dict[str, str], connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """Open for as long as it says, for this bucket alone; the exception has the headers as they came."""
    wire.answer = error(503, "SlowDown", **header)
    table = Table(await connect(wire.endpoint), gear, log, below)
    with pytest.raises(ClientError) as caught:
        await listed(table.client)
    below.assert_untouched(caught.value)
    assert log.verdicts == [("s3.list_objects_v2", "THROTTLED")]
    refusal = await raised(listed(table.client))
    assert isinstance(refusal, CallNotPermitted)
    assert refusal.retry_after == pytest.approx(7, abs=0.5)
    assert not isinstance(await raised(table.client.head_bucket(Bucket="another")), CallNotPermitted)


@pytest.mark.parametrize("call", [copied, completed])
async def test_an_error_inside_a_200(
    call: Call, connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """A copy and the completion of an upload begin to answer before they know."""
    wire.answer = Answer(200, error(500, "InternalError").body)
    table = Table(await connect(wire.endpoint), gear, log, below)
    await table.judged(call, ClientError, "FAILURE")


async def test_nothing_but_garbage(
    connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """A proxy's page with a status of 200."""
    wire.answer = Answer(200, b"<html>what is this")
    table = Table(await connect(wire.endpoint), gear, log, below)
    await table.judged(listed, ClientError, "FAILURE")


# -- connections -------------------------------------------------------------------------------------------------------


async def test_refused(connect: ClientFactory, gear: Switchgear, log: Log, below: Below) -> None:
    """Nobody listens: said of all buckets."""
    async with Wire() as wire:
        endpoint = wire.endpoint
    table = Table(await connect(endpoint), gear, log, below)
    await table.judged(listed, boto.EndpointConnectionError, "FAILURE", everywhere=True)


async def test_killed(seaweed: SeaweedServer, connect: ClientFactory, gear: Switchgear, log: Log, below: Below) -> None:
    """The real server, gone between two calls of one client."""
    table = Table(await connect(), gear, log, below)
    await table.client.list_buckets()
    await seaweed.kill()
    try:
        await table.judged(listed, boto.EndpointConnectionError, "FAILURE", everywhere=True)
    finally:
        await seaweed.restart()


async def test_unreachable(connect: ClientFactory, gear: Switchgear, log: Log, below: Below, wire: Wire) -> None:
    """A host that answers no knock."""
    async with FaultProxy("127.0.0.1", int(wire.endpoint.rpartition(":")[2])) as proxy:
        await proxy.blackhole()
        client = await connect(f"http://127.0.0.1:{proxy.port}", connect_timeout=0.2)
        table = Table(client, gear, log, below)
        await table.judged(listed, boto.ConnectTimeoutError, "FAILURE", everywhere=True)


async def test_no_such_host(connect: ClientFactory, gear: Switchgear, log: Log, below: Below) -> None:
    """A name may be one bucket's own, so it is said of that bucket."""
    table = Table(await connect("http://no-such-host.invalid"), gear, log, below)
    await table.judged(listed, boto.EndpointConnectionError, "FAILURE")


async def test_no_tls(connect: ClientFactory, gear: Switchgear, log: Log, below: Below) -> None:
    """A handshake that fails."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is no TLS\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = await connect(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        table = Table(client, gear, log, below)
        await table.judged(listed, boto.SSLError, "FAILURE")


async def test_an_expired_certificate(
    session: aioboto3.Session, gear: Switchgear, log: Log, below: Below, tmp_path: Path
) -> None:
    """By an authority that the client trusts, for this very host, and no longer valid. It may be one bucket's own."""
    server, trusted = expired(tmp_path)
    async with Wire(tls=server) as wire:
        made: Any = session.client("s3", endpoint_url=wire.endpoint, verify=trusted, config=ONCE)
        async with made as client:
            table = Table(client, gear, log, below)
            caught = await table.judged(listed, boto.SSLError, "FAILURE")
    assert "certificate has expired" in str(caught)
    assert wire.requests == []


async def test_no_proxy(
    session: aioboto3.Session, seaweed: SeaweedServer, gear: Switchgear, log: Log, below: Below
) -> None:
    """The proxy that is to lead to the service refuses: to all buckets of it."""
    config = AioConfig(proxies={"http": "http://127.0.0.1:9"}).merge(ONCE)  # the discard port: nothing listens there
    made: Any = session.client("s3", endpoint_url=seaweed.endpoint, config=config)
    async with made as client:
        table = Table(client, gear, log, below)
        await table.judged(listed, boto.ProxyConnectionError, "FAILURE", everywhere=True)


async def test_no_answer(connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below) -> None:
    """Whoever takes the call and is silent: said of this bucket alone."""
    async with FaultProxy("127.0.0.1", wire.port) as proxy:
        proxy.add(Timeout())
        client = await connect(f"http://127.0.0.1:{proxy.port}", read_timeout=0.3)
        table = Table(client, gear, log, below)
        await table.judged(listed, boto.ReadTimeoutError, "FAILURE")


BROKEN: dict[str, tuple[Answer, type[Exception]]] = {
    "closed": (Answer(body=b"<ListBucketResult>", stop_after=0), boto.HTTPClientError),
    "cut in the answer": (Answer(body=b"<ListBucketResult>", stop_after=5), boto.HTTPClientError),
    "reset in the answer": (Answer(body=b"<ListBucketResult>", stop_after=5, stop="reset"), boto.BotoCoreError),
    "silence": (Answer(body=b"<ListBucketResult>", stop_after=5, stop="stall"), boto.HTTPClientError),
}


@pytest.mark.parametrize("row", BROKEN)
async def test_a_broken_connection(
    row: str, connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """It stood, and then there was no answer, or half of one: a failure of this bucket."""
    wire.answer, kind = BROKEN[row]
    table = Table(await connect(wire.endpoint, read_timeout=0.3), gear, log, below)
    await table.judged(listed, kind, "FAILURE")


# -- bodies ------------------------------------------------------------------------------------------------------------

OBJECT = b"x" * 500_000
BODIES: dict[str, Answer] = {
    "cut": Answer(body=OBJECT, stop_after=250_000),
    "reset": Answer(body=OBJECT, stop_after=250_000, stop="reset"),
    "stalled": Answer(body=OBJECT, stop_after=250_000, stop="stall"),
}


@pytest.mark.parametrize("call", [read, read_by_sdk])
@pytest.mark.parametrize("row", BODIES)
async def test_half_a_body(
    row: str, call: Call, connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """The head was good; the failure is known where the body ends, and is settled there, once."""
    wire.answer = BODIES[row]
    table = Table(await connect(wire.endpoint, read_timeout=0.3), gear, log, below)
    await table.judged(call, Exception, "FAILURE")


async def test_another_body_than_was_stored(
    connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below
) -> None:
    """All bytes, and their checksum is another's."""
    wire.answer = Answer(body=b"bytes", headers={"x-amz-checksum-crc32": "AAAAAA=="})
    client = guard(await connect(wire.endpoint), gear, name="files", breaker=TOUCHY)
    with pytest.raises(boto.FlexibleChecksumError) as caught:
        await read_by_sdk(client)
    assert caught.value.__cause__ is None
    assert log.verdicts == [("s3.get_object", "FAILURE")]
    assert isinstance(await raised(listed(client)), CallNotPermitted)


@pytest.mark.filterwarnings("ignore:Sending a large body directly")  # aiohttp's opinion of aioboto3
async def test_a_part_that_fails_leaves_no_upload_behind(
    connect: ClientFactory, wire: Wire, gear: Switchgear, below: Below
) -> None:
    """One part of several: the caller has its error, and what was begun is given up, though the breaker has opened."""

    def answer(request: Request) -> Answer:
        if request.method == "POST" and request.path.endswith("?uploads"):
            return Answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        failing = request.method == "PUT" and "partNumber=2" in request.path
        return error(500, "InternalError") if failing else Answer(headers={"ETag": '"e"'})

    wire.answer = answer
    client = guard(await connect(wire.endpoint), gear, name="files", breaker=TOUCHY)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=1)
    with pytest.raises((ClientError, boto.BotoCoreError)):
        await client.upload_fileobj(io.BytesIO(bytes(16 * MIB)), "bucket", "k", Config=config)
    assert gear.breaker("files", "bucket").state is State.OPEN
    assert [request.path for request in wire.requests if request.method == "DELETE"] == ["/bucket/k?uploadId=u"]


# -- on this side ------------------------------------------------------------------------------------------------------


async def test_what_was_never_sent(
    seaweed: SeaweedServer, connect: ClientFactory, gear: Switchgear, log: Log, below: Below
) -> None:
    """Wrong parameters: no attempt, no verdict."""
    table = Table(await connect(), gear, log, below)
    with pytest.raises(boto.ParamValidationError) as caught:
        await table.client.get_object(Bucket="bucket")
    below.assert_untouched(caught.value)
    assert log.verdicts == []


async def test_no_credentials(
    seaweed: SeaweedServer, gear: Switchgear, log: Log, below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to sign with: it opens nothing."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with aioboto3.Session(region_name="us-east-1").client("s3", endpoint_url=seaweed.endpoint) as client:
        table = Table(client, gear, log, below)
        with pytest.raises(boto.NoCredentialsError) as caught:
            await listed(table.client)
        below.assert_untouched(caught.value)
    assert {verdict for _, verdict in log.verdicts} <= {"IGNORED"}
    assert gear.service("files").group.state is State.CLOSED


async def test_cancelled(connect: ClientFactory, wire: Wire, gear: Switchgear, log: Log, below: Below) -> None:
    """Before the answer, and in the body: the permit is back, and nothing is said."""
    wire.answer = Answer(body=OBJECT, stop_after=0, stop="stall")
    table = Table(await connect(wire.endpoint), gear, log, below)
    for call in (listed, read):
        with anyio.move_on_after(0.1) as patience:
            await call(table.client)
        assert patience.cancelled_caught
    assert [verdict for _, verdict in log.verdicts] == ["IGNORED", "IGNORED"]
    assert {snapshot.in_flight for snapshot in gear.service("files").group.snapshots()} == {0}
