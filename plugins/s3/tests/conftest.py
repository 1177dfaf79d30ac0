"""A real S3 (SeaweedFS) for all tests of this plugin, clients of it, and a log of every verdict."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import aioboto3
import pytest
from aiobotocore.config import AioConfig

from plugins.s3.tests.support import QUICK, Log
from plugins.s3.tests.wire import Wire
from switchgear import Switchgear
from switchgear.testing import SeaweedServer
from switchgear_s3 import guard

ClientFactory = Callable[..., Any]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # aioboto3 runs on nothing else


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedServer]:
    with SeaweedServer() as server:
        yield server


@pytest.fixture(scope="session")
def session(seaweed: SeaweedServer) -> aioboto3.Session:
    """One for all clients: reading S3's model takes longer than most tests."""
    return aioboto3.Session(
        aws_access_key_id=seaweed.access_key, aws_secret_access_key=seaweed.secret_key, region_name="us-east-1"
    )


@pytest.fixture
async def connect(session: aioboto3.Session, seaweed: SeaweedServer) -> AsyncIterator[ClientFactory]:
    """Makes unguarded clients, as an application would, and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def connect(
            endpoint: str = seaweed.endpoint, *, attempts: int = 1, mode: Any = "standard", **timeouts: Any
        ) -> Any:
            timeouts = {"connect_timeout": 2, "read_timeout": 10, **timeouts}
            config = AioConfig(retries={"total_max_attempts": attempts, "mode": mode}, **timeouts)
            made: AbstractAsyncContextManager[Any] = session.client(
                "s3", endpoint_url=endpoint, config=config, verify=False
            )
            return await stack.enter_async_context(made)

        yield connect


@pytest.fixture
def gear() -> Switchgear:
    return Switchgear()


@pytest.fixture
def log(gear: Switchgear) -> Iterator[Log]:
    """Everything that the breakers of `gear` do."""
    log = Log()
    unsubscribe = gear.subscribe(log)
    yield log
    unsubscribe()


@pytest.fixture
async def files(connect: ClientFactory, gear: Switchgear, log: Log) -> Any:
    """A guarded client of the real server."""
    return guard(await connect(), gear, name="files", breaker=QUICK)


@pytest.fixture
async def bucket(files: Any, log: Log) -> str:
    name = f"bucket-{secrets.token_hex(4)}"
    await files.create_bucket(Bucket=name)
    log.clear()
    return name


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with Wire() as wire:
        yield wire


@pytest.fixture
async def wired(connect: ClientFactory, gear: Switchgear, log: Log, wire: Wire) -> Any:
    """A guarded client of the made-up server."""
    return guard(await connect(wire.endpoint, read_timeout=0.5), gear, name="files", breaker=QUICK)
