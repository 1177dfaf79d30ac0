"""Clients that an application makes for itself are guarded: each kind, once, as the service that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aioboto3
import aiobotocore.session
import anyio
import botocore.session
import pytest

from plugins.s3.tests.conftest import ClientFactory
from plugins.s3.tests.support import QUICK, Log
from switchgear import Switchgear, instrument
from switchgear.testing import SeaweedServer
from switchgear_s3 import BACKEND, S3Settings, guard, guard_session

pytestmark = pytest.mark.anyio


@pytest.fixture
def found(gear: Switchgear) -> Iterator[Switchgear]:
    """Whose services are all clients that are made from now on."""
    with instrument(gear, plugins=["s3"]):
        yield gear


def name_of(server: SeaweedServer) -> str:
    return f"s3-{server.endpoint.removeprefix('http://')}"


async def test_clients_and_resources_are_covered(
    found: Switchgear, log: Log, session: aioboto3.Session, seaweed: SeaweedServer
) -> None:
    """Of aioboto3 and of aiobotocore: one service, named after the address."""
    async with session.client("s3", endpoint_url=seaweed.endpoint) as client:
        await client.list_buckets()
    async with session.resource("s3", endpoint_url=seaweed.endpoint) as resource:
        assert isinstance([bucket async for bucket in resource.buckets.all()], list)
    core = aiobotocore.session.get_session()
    async with core.create_client(
        "s3", endpoint_url=seaweed.endpoint, region_name="us-east-1", aws_access_key_id=seaweed.access_key,
        aws_secret_access_key=seaweed.secret_key,
    ) as client:  # fmt: skip
        await client.list_buckets()
    assert log.verdicts == [("s3.list_buckets", "SUCCESS")] * 3
    assert list(found.services) == [name_of(seaweed)]


async def test_clients_of_other_services_are_left_alone(found: Switchgear, session: aioboto3.Session) -> None:
    """They are made by the same class."""
    async with session.client("sqs", endpoint_url="http://127.0.0.1:1") as client:
        assert type(client).__name__ == "SQS"
    assert found.services == {}


async def test_who_guards_by_hand_takes_over(
    found: Switchgear, connect: ClientFactory, log: Log, seaweed: SeaweedServer
) -> None:
    """A client, or a session with all its clients: calls are counted by the service that the application meant."""
    own, heard = Switchgear(), Log()
    own.subscribe(heard)
    client = await connect()
    assert name_of(seaweed) in found.services
    assert guard(client, own, name="files", breaker=QUICK) is client
    await client.list_buckets()
    assert (log.verdicts, heard.verdicts) == ([], [("s3.list_buckets", "SUCCESS")])
    assert found.service(name_of(seaweed)).clients == []


async def test_a_session_that_is_guarded_by_hand_keeps_its_clients(
    found: Switchgear, log: Log, seaweed: SeaweedServer
) -> None:
    """Whichever of the two comes to guard a client first."""
    own, heard = Switchgear(), Log()
    own.subscribe(heard)
    session = aioboto3.Session(
        aws_access_key_id=seaweed.access_key, aws_secret_access_key=seaweed.secret_key, region_name="us-east-1"
    )
    guard_session(session, own, name="files")
    async with session.client("s3", endpoint_url=seaweed.endpoint) as client:
        await client.list_buckets()
    assert (log.verdicts, heard.verdicts) == ([], [("s3.list_buckets", "SUCCESS")])


@pytest.mark.parametrize(
    ("settings", "environ", "address"),
    [
        ({"endpoint_url": "http://127.0.0.1:9000"}, {}, "127.0.0.1:9000"),
        ({"endpoint_url": "https://minio.example"}, {"AWS_ENDPOINT_URL_S3": "http://another"}, "minio.example"),
        ({}, {"AWS_ENDPOINT_URL_S3": "http://host:1", "AWS_ENDPOINT_URL": "http://host:2"}, "host:1"),
        ({}, {"AWS_ENDPOINT_URL": "http://host:2"}, "host:2"),
        ({"region_name": "us-east-1"}, {}, "s3.us-east-1.amazonaws.com"),
        ({"region_name": "eu-west-1"}, {"AWS_DEFAULT_REGION": "us-east-1"}, "s3.eu-west-1.amazonaws.com"),
        ({}, {"AWS_DEFAULT_REGION": "eu-west-1"}, "s3.eu-west-1.amazonaws.com"),
    ],
)
async def test_a_configured_service_is_found_by_its_address(
    settings: dict[str, Any], environ: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the settings as for a client that is made of them, also where the SDK reads its environment."""
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    given = S3Settings(**{"region_name": None if "AWS_DEFAULT_REGION" in environ else "us-east-1", **settings})
    assert BACKEND.instrument is not None
    assert BACKEND.instrument.address_in(given) == address
    async with BACKEND.connect(given) as client:
        assert BACKEND.instrument.address(client) == address


async def test_a_region_that_only_files_tell_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the settings do not tell where a client will go."""
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    assert BACKEND.instrument is not None
    assert BACKEND.instrument.address_in(S3Settings()) is None


async def test_clients_that_block_are_left_alone_and_named(
    found: Switchgear, seaweed: SeaweedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """boto3's client works as it did, and the log says once that it is not guarded, and what to use instead."""
    keys: Any = {"aws_access_key_id": seaweed.access_key, "aws_secret_access_key": seaweed.secret_key}
    for _ in range(2):
        client: Any = botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=seaweed.endpoint, **keys
        )
        assert await anyio.to_thread.run_sync(client.list_buckets)
        client.close()
    assert found.services == {}
    told = [record.getMessage() for record in caplog.records if record.name == "switchgear"]
    assert len(told) == 1
    assert "not guarded" in told[0]
    assert "aioboto3.Session().client('s3')" in told[0]
