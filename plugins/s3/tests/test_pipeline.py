"""A service's strategies hold for its guarded clients, as the server sees it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from plugins.s3.tests.support import QUICK, Log, until
from plugins.s3.tests.wire import Answer, Wire, error
from switchgear import (
    CallTimedOut,
    Chaos,
    InjectedFault,
    LimitExceeded,
    Retry,
    State,
    Strategy,
    Switchgear,
    Timeout,
)
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing import FaultProxy, Latency, SeaweedServer, VirtualClock
from switchgear_s3 import BACKEND
from switchgear_s3._payload import Payload
from switchgear_s3._refusal import S3CallNotPermitted

if TYPE_CHECKING:
    from switchgear import Service

pytestmark = pytest.mark.anyio

#: Never opens.
PATIENT = replace(QUICK, failure_rate_threshold=None, slow_call_rate_threshold=None, consecutive_failures=None)
SERVED = Answer(200)
DOWN = error(500, "InternalError")
LESS = error(503, "SlowDown")


def strategies(gear: Switchgear, client: Any, *strategies: Strategy) -> Any:
    return gear.guard(client, BACKEND, name="limited", breaker=PATIENT, pipeline=strategies)


@pytest.mark.parametrize("limit", [2, None])
async def test_a_bulkhead_bounds_what_the_server_sees(
    limit: int | None, connect: Callable[..., Any], gear: Switchgear, seaweed: SeaweedServer, bucket: str
) -> None:
    """Of eight calls at once two are on their way while six wait for a place, over two connections; without a bulkhead
    all are, over eight. All are served."""
    bulkhead = Bulkhead(limit or 8, queue=8)
    async with FaultProxy("127.0.0.1", seaweed.port) as proxy:
        client = strategies(gear, await connect(f"http://127.0.0.1:{proxy.port}"), bulkhead)
        proxy.add(Latency(0.1))
        served: list[Any] = []

        async def one() -> None:
            served.append(await client.list_objects_v2(Bucket=bucket))

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(one)
            await until(lambda: bulkhead.in_flight == (limit or 8))
            assert bulkhead.waiting == 8 - (limit or 8)
        assert len(served) == 8
        assert proxy.statistics().connections == (limit or 8)


async def test_a_configured_bulkhead_bounds_what_the_server_sees(
    seaweed: SeaweedServer, bucket: str, tmp_path: Path
) -> None:
    """Two keys of a file are enough."""
    file = tmp_path / "switchgear.toml"
    async with FaultProxy("127.0.0.1", seaweed.port) as proxy:
        file.write_text(
            f"""
            [services.files]
            plugin = "s3"
            pipeline.bulkhead = {{ limit = 2, queue = 8 }}
            [services.files.settings]
            endpoint_url = "http://127.0.0.1:{proxy.port}"
            region_name = "us-east-1"
            aws_access_key_id = "{seaweed.access_key}"
            aws_secret_access_key = "{seaweed.secret_key}"
            """
        )
        async with Switchgear.from_toml(file) as gear:
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(lambda: gear.client("files").list_objects_v2(Bucket=bucket))
            assert proxy.statistics().connections == 2


async def test_who_finds_no_place_gets_botocores_own_error_and_the_clean_up_gets_through(
    connect: Callable[..., Any], gear: Switchgear, log: Log, bucket: str
) -> None:
    """With the only place taken. The breaker's own check of the server needs none, and neither does giving up an
    upload; and whoever reads a body has given his back."""
    bulkhead = Bulkhead(1)
    client = strategies(gear, await connect(), bulkhead)
    upload = await client.create_multipart_upload(Bucket=bucket, Key="a")
    await client.put_object(Bucket=bucket, Key="large", Body=b"x" * 3_000_000)
    body = (await client.get_object(Bucket=bucket, Key="large"))["Body"]
    assert bulkhead.in_flight == 0

    bulkhead.in_flight = 1  # as a call does
    with pytest.raises(BotoCoreError) as caught:
        await client.head_bucket(Bucket=bucket)
    assert isinstance(caught.value, LimitExceeded)
    assert isinstance(caught.value, S3CallNotPermitted)
    assert caught.value.domain == bucket
    assert len(await body.read()) == 3_000_000
    await client.abort_multipart_upload(Bucket=bucket, Key="a", UploadId=upload["UploadId"])
    service: Service = gear.service("limited")
    assert await service.check(client, service.group.main)
    assert "s3.head_bucket" not in {event.operation for event in log.settled}


def half_read(data: bytes) -> io.BytesIO:
    """A file that does not stand at its beginning."""
    file = io.BytesIO(b"skipped" + data)
    file.seek(7)
    return file


@pytest.mark.parametrize("body", [bytes, io.BytesIO, half_read])
async def test_an_upload_is_tried_again_from_where_it_began(
    body: Callable[[bytes], Any], connect: Callable[..., Any], gear: Switchgear, log: Log, wire: Wire
) -> None:
    """The second attempt sends the same bytes as the first, though that has read the file to its end."""
    retry = Retry(attempts=2, initial=0.001)
    client = strategies(gear, await connect(wire.endpoint), retry)
    answers = [DOWN, SERVED]
    wire.answer = lambda _: answers.pop(0)
    await client.put_object(Bucket="bucket", Key="key", Body=body(b"content"))
    assert [request.body for request in wire.requests] == [b"content", b"content"]
    assert log.verdicts == [("s3.put_object", "FAILURE"), ("s3.put_object", "SUCCESS")]
    assert retry.counts()["retries"] == 1


async def test_what_may_be_done_only_once_is_not_tried_again(
    connect: Callable[..., Any], gear: Switchgear, wire: Wire
) -> None:
    """A second upload would be another one, and parts of the first would be left behind."""
    client = strategies(gear, await connect(wire.endpoint), Retry(attempts=5, initial=0.001))
    wire.answer = DOWN
    with pytest.raises(ClientError):
        await client.create_multipart_upload(Bucket="bucket", Key="key")
    assert len(wire.requests) == 1


class Once(io.BytesIO):
    """A body that comes from somewhere and is gone when it is read."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("params", "length", "name", "klass", "idempotent", "hedged"),
    [
        ({}, 0, "HeadObject", "read", True, True),
        ({"Body": b"text"}, 4, "PutObject", "write", True, True),
        ({"Body": "text"}, 4, "PutObject", "write", True, True),
        ({"Body": b"x" * 2_000_000}, 2_000_000, "PutObject", "stream", True, True),
        ({"Body": io.BytesIO(b"text")}, None, "PutObject", "stream", True, False),
        ({"Body": Once()}, None, "PutObject", "stream", False, False),
        ({"Body": object()}, None, "UploadPart", "stream", False, False),
    ],
)
def test_what_can_be_sent_only_once_is_not_to_be_repeated(
    params: dict[str, Any], length: int | None, name: str, klass: str, idempotent: bool, hedged: bool
) -> None:
    """Whatever S3 would think of doing it twice, and a file not twice at a time; and what has no known length takes as
    long as it is large."""
    payload = Payload.of(params)
    planned = payload.operation(name, hedged=False)
    assert (payload.length, planned.klass, planned.idempotent) == (length, klass, idempotent)
    assert payload.operation(name, hedged=True).idempotent == hedged


@pytest.mark.parametrize(("pipeline", "attempts"), [([], 3), ([Retry(attempts=2, initial=0.001)], 2)])
async def test_attempts_do_not_multiply(
    pipeline: list[Strategy], attempts: int, connect: Callable[..., Any], gear: Switchgear, wire: Wire
) -> None:
    """A client with three attempts of its own leaves trying again to the pipeline, if that does: two and not six."""
    client = strategies(gear, await connect(wire.endpoint, attempts=3), *pipeline)
    wire.answer = DOWN
    with pytest.raises(ClientError, match="InternalError"):
        await client.list_objects_v2(Bucket="bucket")
    assert len(wire.requests) == attempts


PARTLY = b"""<?xml version='1.0'?><DeleteResult><Error><Key>a</Key><Code>SlowDown</Code></Error></DeleteResult>"""
REFUSED = b"""<?xml version='1.0'?><DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"""


@pytest.mark.parametrize(
    ("answer", "cut"),
    [(LESS, True), (Answer(200, PARTLY), True), (Answer(200, REFUSED), False), (error(404, "NoSuchBucket"), False)],
)
async def test_less_please_lowers_an_adaptive_limit(
    answer: Answer, cut: bool, connect: Callable[..., Any], wire: Wire
) -> None:
    """THROTTLED is a drop for it, also where it stands in the list of a bulk delete, under a status of 200, and though
    the breaker stays closed; answers that say no are none."""
    clock, adaptive = VirtualClock(), Adaptive(limit=4)
    gear = Switchgear(clock=clock)
    client = strategies(gear, await connect(wire.endpoint), adaptive)
    wire.answer = answer
    for _ in range(60):
        with suppress(ClientError):
            await client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}]})
        clock.advance(0.1)
    assert (adaptive.limit < 4) is cut
    assert gear.breaker("limited").state is State.CLOSED


async def test_lack_of_time_and_chaos_have_the_clients_own_errors(
    connect: Callable[..., Any], gear: Switchgear, bucket: str
) -> None:
    """A call that takes too long raises what the client does, and so does a fault of chaos: `except` clauses are put to
    the test by it. Both cross processes.
    """
    chaos = Chaos()
    client = strategies(gear, await connect(), Timeout(0.05), chaos)
    chaos.switch_on(Chaos.Latency(60), rate=1, for_=60, reason="a test")
    with pytest.raises(ReadTimeoutError) as late:
        await client.head_bucket(Bucket=bucket)
    assert isinstance(late.value, CallTimedOut)
    assert str(pickle.loads(pickle.dumps(late.value))) == str(late.value)
    chaos.switch_off()
    chaos.switch_on(Chaos.Fault(), rate=1, for_=60, reason="a test")
    with pytest.raises(BotoCoreError) as fault:
        await client.head_bucket(Bucket=bucket)
    assert isinstance(fault.value, InjectedFault)
    assert str(pickle.loads(pickle.dumps(fault.value))) == str(fault.value)
