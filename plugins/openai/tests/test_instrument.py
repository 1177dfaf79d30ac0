"""Clients that an application makes for itself are guarded: each kind, once, as the service that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from plugins.openai.tests.support import KEY, MODEL, TLS, Witness, chat, connection, outcome
from switchgear import instrument
from switchgear.spi import Verdict
from switchgear.testing import OpenAIServer
from switchgear_openai import BACKEND, OpenAISettings

pytestmark = pytest.mark.anyio

SUCCESS = Verdict.SUCCESS


@pytest.fixture
def gear(witness: Witness) -> Iterator[Any]:
    """Whose services are all clients that are made from now on."""
    with instrument(witness.gear, plugins=["openai"]):
        yield witness.gear


async def test_a_client_and_its_copies_are_covered(llm: OpenAIServer, gear: Any, witness: Witness) -> None:
    """One service, named after the address: the copies share its connections, also one with another address."""
    async with connection(llm.base_url) as client:
        assert await chat(client)
        assert await chat(client.with_options(max_retries=1))
        await outcome(chat(client.with_options(base_url="http://127.0.0.1:1/v1")))
    assert list(gear.services) == [f"openai-127.0.0.1:{llm.port}"]
    assert [verdict.name for verdict in witness.verdicts] == ["SUCCESS", "SUCCESS", "FAILURE"]


async def test_a_copy_keeps_what_is_known_of_the_limits(llm: OpenAIServer, gear: Any) -> None:
    """with_options() on each call, as its documentation has it, makes a client each time, and no guard."""
    async with connection(llm.base_url) as client:
        guard = client._client._transport._switchgear  # type: ignore[attr-defined]
        client.with_options(timeout=1)
        assert client._client._transport._switchgear is guard  # type: ignore[attr-defined]


async def test_azure_and_subclasses_are_covered(gear: Any) -> None:
    """Whatever is an AsyncOpenAI."""

    class Sub(openai.AsyncOpenAI):
        pass

    http = [openai.DefaultAsyncHttpx2Client(verify=TLS) for _ in range(2)]
    azure = openai.AsyncAzureOpenAI(
        api_key=KEY, api_version="2024-06-01", azure_endpoint="https://shop.openai.azure.com", http_client=http[0]
    )
    sub = Sub(api_key=KEY, base_url="http://user:hush@127.0.0.1:1/v1", http_client=http[1])
    assert list(gear.services) == ["openai-shop.openai.azure.com", "openai-127.0.0.1:1"]
    for client in (azure, sub):
        await client.close()


async def test_the_synchronous_client_is_left_alone_and_named(
    llm: OpenAIServer, gear: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It works as it did, and the log says once that it is not guarded, and what to use instead."""
    for _ in range(2):
        with openai.OpenAI(
            base_url=llm.base_url, api_key=KEY, http_client=openai.DefaultHttpx2Client(verify=TLS)
        ) as client:
            answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
            assert answer.choices[0].message.content
    assert gear.services == {}
    told = [record.getMessage() for record in caplog.records if record.name == "switchgear"]
    assert len(told) == 1
    assert "not guarded" in told[0]
    assert "Make an AsyncOpenAI" in told[0]


async def test_who_guards_by_hand_takes_over(llm: OpenAIServer, gear: Any, witness: Witness) -> None:
    """With its copies: calls are counted by the service that the application meant, and by that alone."""
    async with connection(llm.base_url) as client:
        copy = client.with_options(max_retries=1)
        own = Witness()
        own.guard(client)
        assert await chat(client)
        assert await chat(copy)
        assert (witness.verdicts, own.verdicts) == ([], [SUCCESS, SUCCESS])


async def test_clients_on_guarded_connections_join_them(llm: OpenAIServer, gear: Any, witness: Witness) -> None:
    """An http_client that was guarded by hand with another client is that one's service's."""
    async with connection(llm.base_url) as client:
        own = Witness()
        own.guard(client)
        other = connection(llm.base_url, http_client=client._client)
        assert await chat(other)
        assert (witness.verdicts, own.verdicts) == ([], [SUCCESS])


@pytest.mark.parametrize(
    ("base_url", "environ", "address"),
    [
        ("http://127.0.0.1:8080/v1", "", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1", "http://another/v1", "127.0.0.1:8080"),
        ("https://user:hush@host/v1", "", "host"),
        ("https://host:443/v1", "", "host"),
        ("http://[::1]:8080/v1", "", "[::1]:8080"),
        (None, "http://host:81/v1", "host:81"),
        (None, "", "api.openai.com"),
    ],
)
async def test_a_configured_service_is_found_by_its_address(
    base_url: str | None, environ: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the settings as for a client that is made of them, also where the SDK reads its environment."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    if environ:
        monkeypatch.setenv("OPENAI_BASE_URL", environ)
    settings = OpenAISettings(api_key=KEY, base_url=base_url)
    assert BACKEND.instrument is not None
    assert BACKEND.instrument.address_in(settings) == address
    async with BACKEND.connect(settings) as client:
        assert BACKEND.instrument.address(client) == address
