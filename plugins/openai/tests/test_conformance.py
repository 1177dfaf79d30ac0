"""This plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest

from switchgear.testing import OpenAIServer
from switchgear.testing.conformance import Conformance, rejected, served, streamed
from switchgear_openai import OpenAISettings

# The SDK leaves the generators of a stream to the garbage collector, guarded or not, and trio says so.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '.*:ResourceWarning")


class TestConformance(Conformance):
    plugin = "openai"
    values: ClassVar = {"path": "/models", "model": "m", "messages": [{"role": "user", "content": "text"}]}

    def server(self) -> OpenAIServer:
        return OpenAIServer()

    def settings(self, server: OpenAIServer, port: int) -> OpenAISettings:
        url = f"http://127.0.0.1:{port}/v1"
        return OpenAISettings(api_key="never-shown", base_url=url, timeout=0.9, connect_timeout=0.9)

    @served
    async def embed(self, client: Any, key: str) -> Any:
        return (await client.embeddings.create(model="m", input=key)).data[0].embedding

    @served
    async def chat(self, client: Any, key: str) -> Any:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": key}])
        return answer.choices[0].message.content

    @served
    async def chat_of_a_copy(self, client: Any, key: str) -> Any:
        return await self.chat(client.with_options(default_headers={"x-test": "1"}), key)

    @rejected
    async def unknown_path(self, client: Any, key: str) -> None:
        await client.get("/nowhere", cast_to=dict)

    @streamed
    async def stream(self, client: Any, key: str) -> AsyncGenerator[Any]:
        messages = [{"role": "user", "content": f"{key} and more " * 200}]
        async with await client.chat.completions.create(model="m", messages=messages, stream=True) as chunks:
            async for chunk in chunks:
                yield chunk
