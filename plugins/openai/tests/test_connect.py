"""Clients from settings, and what the plugin can ask a server."""

from __future__ import annotations

import httpx2
import openai
import pytest

from plugins.openai.tests.support import ANYIO, KEY, chat, connection
from switchgear import ConfigurationError
from switchgear.testing import OpenAIServer
from switchgear_openai import OpenAISettings
from switchgear_openai._connect import connect, identify, probe

pytestmark = ANYIO


async def test_connect(llm: OpenAIServer) -> None:
    """A client from settings has finite timeouts and no retries of its own, serves, and is closed at the end."""
    settings = OpenAISettings(api_key=KEY, base_url=llm.base_url, timeout=7.0, connect_timeout=2.0, project="p")
    async with connect(settings) as client:
        assert type(client) is openai.AsyncOpenAI
        assert client.max_retries == 0
        assert client.timeout == httpx2.Timeout(7.0, connect=2.0)
        assert client.project == "p"
        assert await chat(client)
    assert client.is_closed()


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the SDK's own environment variables hold."""
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    async with connect(OpenAISettings()) as client:
        assert client.api_key == "from-the-environment"
        assert client.base_url.port == 9


async def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any key, the error names the setting and the variable."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"api_key.*OPENAI_API_KEY"):
        async with connect(OpenAISettings(base_url="http://127.0.0.1:9/v1")):
            pass


async def test_options(llm: OpenAIServer) -> None:
    """What the SDK's client takes and the settings have no key for; they go before those keys."""
    options = {"default_headers": {"x-team": "shop"}, "max_retries": 1, "timeout": 3.0}
    async with connect(OpenAISettings(api_key=KEY, base_url=llm.base_url, options=options)) as client:
        assert (client.max_retries, client.timeout) == (1, 3.0)
        assert client.default_headers["x-team"] == "shop"
        assert await chat(client)


async def test_an_unknown_option() -> None:
    """One that the SDK does not know is named when it is connected."""
    with pytest.raises(ConfigurationError, match=r"^options: .*no_such_option"):
        async with connect(OpenAISettings(api_key=KEY, options={"no_such_option": "hush"})):
            pass


def test_secrets_are_not_shown() -> None:
    """Settings can be printed without giving the key away, or what a URL and headers hold."""
    settings = OpenAISettings(api_key=KEY, base_url=f"http://me:{KEY}@h/v1", options={"default_headers": {"x": KEY}})
    assert KEY not in repr(settings)


async def test_probe(bare: openai.AsyncOpenAI, llm: OpenAIServer) -> None:
    """The check says that the API serves, raises when it does not, and of one model says nothing, without asking."""
    assert await probe(bare, "") is True
    before = await llm.requests()
    assert await probe(bare, "some-model") is False
    assert await llm.requests() == before
    await llm.fault("status", status=503)
    with pytest.raises(openai.InternalServerError):
        await probe(bare, "")


async def test_identify(bare: openai.AsyncOpenAI, llm: OpenAIServer) -> None:
    """A server is called what it calls itself."""
    assert await identify(bare) == f"switchgear-stand-in {llm.version}"


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"openai-version": "2020-10-01", "server": "cloudflare"}, "OpenAI API 2020-10-01"),
        ({"server": "llama.cpp"}, "llama.cpp"),
        ({}, "OpenAI-compatible API at api.test"),
    ],
)
async def test_identify_others(headers: dict[str, str], name: str) -> None:
    """OpenAI itself names the version of its interface; who says nothing is called by the address."""
    mock = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"object": "list", "data": []}, headers=headers))
    async with connection("http://api.test/v1", http_client=httpx2.AsyncClient(transport=mock)) as client:
        assert await identify(client) == name
