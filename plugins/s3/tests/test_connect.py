"""Clients made from settings, and what can be asked of them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from plugins.s3.tests.support import QUICK, Log, outcome, until
from plugins.s3.tests.wire import Answer, Wire, error
from switchgear import ConfigurationError, State, Switchgear
from switchgear.testing import SeaweedServer
from switchgear_s3 import BACKEND, S3Settings, guard

pytestmark = pytest.mark.anyio


def settings(endpoint: str, **more: Any) -> S3Settings:
    own = {"region_name": "us-east-1", "aws_access_key_id": "switchgear", "aws_secret_access_key": "secret"}
    return S3Settings(endpoint_url=endpoint, **{**own, **more})


@pytest.fixture
async def made(seaweed: SeaweedServer) -> AsyncIterator[Any]:
    """A client of the real server, made by the plugin."""
    own = S3Settings(
        endpoint_url=seaweed.endpoint,
        region_name="us-east-1",
        aws_access_key_id=seaweed.access_key,
        aws_secret_access_key=seaweed.secret_key,
    )
    async with BACKEND.connect(own) as client:
        yield client


@pytest.fixture
def deaf() -> Iterator[str]:
    """The endpoint of a server that takes connections and then neither reads nor answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_client_of_settings_works(made: Any, bucket: str) -> None:
    """It is aioboto3's own, transfers and all."""
    assert type(made).__name__ == "S3"
    await made.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert await (await made.get_object(Bucket=bucket, Key="a"))["Body"].read() == b"1"
    assert hasattr(made, "upload_fileobj")


async def test_it_is_closed_on_leaving(wire: Wire) -> None:
    """After the context no connection is left open."""
    async with BACKEND.connect(settings(wire.endpoint)) as client:
        await client.head_bucket(Bucket="bucket")
        assert wire.connections == 1
    await until(lambda: wire.connections == 0)


async def test_it_tries_once(wire: Wire) -> None:
    """Its own retries are off: they would multiply with the pipeline's."""
    wire.answer = error(503, "ServiceUnavailable")
    async with BACKEND.connect(settings(wire.endpoint)) as client:
        with pytest.raises(ClientError):
            await client.head_bucket(Bucket="bucket")
    assert len(wire.requests) == 1


@pytest.mark.parametrize("size", [1, 1000, 500_000])
async def test_an_upload_to_a_hanging_server_ends(deaf: str, size: int) -> None:
    """The SDK asks for leave before it uploads, and aiohttp would wait for it for ever."""
    async with BACKEND.connect(settings(deaf, read_timeout=0.2, min_upload_rate=2_000_000)) as client:
        started = time.monotonic()
        with pytest.raises(ReadTimeoutError):
            await client.put_object(Bucket="bucket", Key="k", Body=b"x" * size)
        assert time.monotonic() - started < 5


async def test_every_call_to_a_hanging_server_ends(deaf: str) -> None:
    """Whatever it is that hangs, the read timeout ends it."""
    async with BACKEND.connect(settings(deaf, read_timeout=0.2)) as client:
        tried = await asyncio.gather(
            outcome(client.list_buckets()),
            outcome(client.get_object(Bucket="bucket", Key="k")),
            outcome(client.upload_part(Bucket="bucket", Key="k", PartNumber=1, UploadId="u", Body=bytearray(1000))),
            outcome(client.complete_multipart_upload(Bucket="bucket", Key="k", UploadId="u")),
            outcome(client.copy_object(Bucket="bucket", Key="k", CopySource="b/k")),
        )
    assert set(tried) == {"ReadTimeoutError"}


async def test_a_slow_answer_to_a_copy_is_not_cut(wire: Wire) -> None:
    """The end that uploads have is none for a server that keeps a copy's connection alive while it works."""
    wire.answer = Answer(200, b" " * 10 + b"<CopyObjectResult/>")
    async with BACKEND.connect(settings(wire.endpoint, read_timeout=0.5, min_upload_rate=1e12)) as client:
        await client.copy_object(Bucket="bucket", Key="k", CopySource="b/k")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"endpoint_url": "not a url"}, "Invalid endpoint"),
        ({"profile_name": "no-such-profile"}, "no-such-profile"),
        ({"aws_access_key_id": "only-half"}, "aws_secret_access_key"),
    ],
)
async def test_settings_that_the_sdk_refuses(wrong: dict[str, Any], message: str) -> None:
    """Wrong settings are a configuration error that says what the SDK says of them."""
    with pytest.raises(ConfigurationError, match=message):
        async with BACKEND.connect(S3Settings(**{"region_name": "us-east-1", **wrong})):
            pass


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "max_pool_connections", "min_upload_rate"])
def test_limits_must_be_finite_and_above_0(name: str) -> None:
    """A limit that limits nothing is a configuration error that names its key."""
    values: tuple[Any, ...] = (0, float("inf"), float("nan"), -1)
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            S3Settings(**{name: value})
        assert caught.value.key == name


async def test_a_profile_is_found_where_the_sdk_looks(
    seaweed: SeaweedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its credentials and its region, by its name or by the environment's; the settings need say nothing."""
    (tmp_path / "config").write_text("[profile shop]\nregion = eu-west-1\n")
    (tmp_path / "credentials").write_text(
        f"[shop]\naws_access_key_id = {seaweed.access_key}\naws_secret_access_key = {seaweed.secret_key}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    async with BACKEND.connect(S3Settings(endpoint_url=seaweed.endpoint, profile_name="shop")) as client:
        await client.list_buckets()
        assert client.meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweed.endpoint)
    async with BACKEND.connect(S3Settings()) as client:
        await client.list_buckets()
        assert client.meta.endpoint_url == seaweed.endpoint


async def test_options_are_those_of_the_sdk() -> None:
    """What its client and its Config take and the settings have no key for; they go before those keys."""
    own = settings(
        "https://127.0.0.1:1",
        options={"verify": False, "region_name": "eu-west-1"},
        config={"user_agent_extra": "shop", "read_timeout": 7, "s3": {"payload_signing_enabled": True}},
        addressing_style="path",
    )
    async with BACKEND.connect(own) as client:
        assert client.meta.region_name == "eu-west-1"
        assert (client.meta.config.user_agent_extra, client.meta.config.read_timeout) == ("shop", 7)
        assert client.meta.config.s3 == {"addressing_style": "path", "payload_signing_enabled": True}


@pytest.mark.parametrize("wrong", ["options", "config"])
async def test_an_option_that_nobody_knows_is_named(wrong: str) -> None:
    """When it is connected, in the words of the SDK."""
    with pytest.raises(ConfigurationError, match="no_such_option"):
        async with BACKEND.connect(settings("http://h", **{wrong: {"no_such_option": "hush"}})):
            pass


def test_secrets_stay_out_of_sight() -> None:
    """Settings can be logged: what is secret in them is not shown."""
    secret: dict[str, Any] = {"proxies": {"http": "http://me:hush@proxy"}}
    shown = repr(
        S3Settings(
            aws_access_key_id="AK", aws_secret_access_key="hush",
            aws_session_token="hush", options={"aws_session_token": "hush"}, config=secret,
        )
    )  # fmt: skip
    assert "AK" in shown
    assert "hush" not in shown


# -- probe, identify, gauges -------------------------------------------------------------------------------------------


async def test_identify_names_the_server(made: Any, seaweed: SeaweedServer) -> None:
    """What the server says of itself in a header, at the cost of one small request."""
    name = await BACKEND.identify(made)  # type: ignore[misc]
    assert name.startswith("SeaweedFS")
    assert seaweed.version in name


async def test_identify_of_one_who_may_not_list(wire: Wire) -> None:
    """An answer of 403 has the header as well."""
    wire.answer = error(403, "AccessDenied", Server="AmazonS3")
    async with BACKEND.connect(settings(wire.endpoint)) as client:
        assert await BACKEND.identify(client) == "AmazonS3"  # type: ignore[misc]


async def test_probe_asks_for_what_it_probes(wire: Wire) -> None:
    """One small request: of a bucket its head, of the service one bucket's name."""
    async with BACKEND.connect(settings(wire.endpoint)) as client:
        assert await BACKEND.probe(client, "bucket")  # type: ignore[misc]
        assert await BACKEND.probe(client, "")  # type: ignore[misc]
    assert [(request.method, request.path) for request in wire.requests] == [
        ("HEAD", "/bucket"),
        ("GET", "/?max-buckets=1"),
    ]


async def test_a_probe_closes_the_breaker_of_an_idle_service(
    connect: Any, wire: Wire, log: Log, gear: Switchgear
) -> None:
    """Without a single call of the application, an entered gear finds out that the service is back."""
    client = guard(await connect(wire.endpoint), gear, name="files", breaker=replace(QUICK, probe_with="health"))
    wire.answer = error(500, "InternalError")
    async with gear:
        for _ in range(3):
            await outcome(client.head_bucket(Bucket="bucket"))
        assert gear.breaker("files", "bucket").state is State.OPEN
        wire.answer = Answer()
        with anyio.fail_after(5):
            while gear.breaker("files", "bucket").state is not State.CLOSED:
                await anyio.sleep(0.01)
    assert ("s3.probe", "SUCCESS") in log.verdicts


async def test_a_probe_that_is_told_no(connect: Any, wire: Wire, gear: Switchgear) -> None:
    """No such bucket: the service lives. No access: it cannot be told."""
    assert BACKEND.probe is not None
    client = await connect(wire.endpoint)
    for status, verdict in ((404, "SUCCESS"), (403, "IGNORED"), (500, "FAILURE")):
        wire.answer = error(status, str(status))
        with pytest.raises(ClientError) as caught:
            await BACKEND.probe(client, "bucket")
        assert BACKEND.classify(caught.value).name == verdict


async def test_gauges_show_the_pool(files: Any, bucket: str) -> None:
    """Connections in use, idle and allowed, without I/O, before and after the first request."""
    assert BACKEND.gauges is not None
    await files.put_object(Bucket=bucket, Key="a", Body=b"x" * 3_000_000)
    body = (await files.get_object(Bucket=bucket, Key="a"))["Body"]
    used = BACKEND.gauges(files)
    assert used["pool_in_use"] == 1
    assert used["pool_max"] == 10
    await body.read()
    assert BACKEND.gauges(files) == {**used, "pool_in_use": 0, "pool_idle": used["pool_idle"] + 1}
    assert set(used) == {metric.name for metric in BACKEND.metrics if metric.kind == "gauge"}


async def test_gauges_of_an_unused_or_closed_client(session: Any) -> None:
    """Nothing is in use, and asking is no error."""
    assert BACKEND.gauges is not None
    async with session.client("s3") as client:
        assert BACKEND.gauges(client)["pool_in_use"] == 0
    assert BACKEND.gauges(client)["pool_idle"] == 0
