"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from switchgear.testing import SeaweedServer
from switchgear.testing.conformance import Conformance, rejected, served, streamed
from switchgear_s3 import S3Settings

_MADE_UP: dict[str, Any] = {"integer": 1, "long": 1, "boolean": True, "list": [], "map": {}, "blob": b"1"}


class TestConformance(Conformance):
    plugin = "s3"
    event_loops = ("asyncio",)
    unguarded: ClassVar = {"abort_multipart_upload": "what was begun is tidied up, whatever the service is like"}

    def server(self) -> SeaweedServer:
        return SeaweedServer()

    def settings(self, server: SeaweedServer, port: int) -> S3Settings:
        keys: Any = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        keys["endpoint_url"] = f"http://127.0.0.1:{port}"
        # A server that writes to a busy disk may take more than the second that the kit asks for.
        return S3Settings(region_name="eu-1", connect_timeout=0.9, read_timeout=2.0, **keys)

    async def prepare(self, client: Any) -> None:
        await client.create_bucket(Bucket="bucket")
        await client.put_object(Bucket="bucket", Key="large", Body=bytes(1_000_000))

    def made_up(self, client: Any, method: str, parameter: Any) -> Any:
        operation = client.meta.method_to_api_mapping.get(method)
        if operation is None:
            return super().made_up(client, method, parameter)
        positional = parameter.kind is parameter.VAR_POSITIONAL
        return [] if positional else _of(client.meta.service_model.operation_model(operation).input_shape)

    @served
    async def put(self, client: Any, key: str) -> Any:
        return (await client.put_object(Bucket="bucket", Key=key, Body=b"body"))["ETag"]

    @rejected
    async def missing(self, client: Any, key: str) -> None:
        await client.get_object(Bucket="bucket", Key=key)

    @streamed
    async def read(self, client: Any, key: str) -> AsyncGenerator[bytes]:
        answer = await client.get_object(Bucket="bucket", Key="large")
        async with answer["Body"]:
            async for chunk in answer["Body"].iter_chunks(10_000):
                yield chunk


def _of(shape: Any) -> Any:
    if not shape or shape.type_name == "structure":
        return {name: _of(shape.members[name]) for name in getattr(shape, "required_members", ())}
    return _MADE_UP.get(shape.type_name, "bucket")
