"""What the kit cannot know of HTTP: statuses, hosts, and who asked."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import httpx
import pytest

import switchgear_httpx
from switchgear import CallNotPermitted, CallTimedOut, ConfigurationError, Retry, Switchgear, Timeout
from switchgear.testing import Events

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def client_of(gear: Switchgear, answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return switchgear_httpx.guard(httpx.AsyncClient(transport=httpx.MockTransport(answer)), gear, name="partners")


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, "SUCCESS"),
        (302, {"location": "/elsewhere"}, "SUCCESS"),
        (404, {}, "SUCCESS"),
        (401, {}, "SUCCESS"),
        (501, {}, "SUCCESS"),
        (500, {}, "FAILURE"),
        (503, {}, "FAILURE"),
        (503, {"retry-after": "2"}, "THROTTLED"),
        (429, {}, "THROTTLED"),
    ],
)
async def test_a_status_is_judged_and_the_answer_is_the_callers(
    gear: Switchgear, events: Events, status: int, headers: dict[str, str], verdict: str
) -> None:
    """Whatever the verdict, the caller gets what the host said."""
    async with client_of(gear, lambda _: httpx.Response(status, headers=headers, text="said")) as client:
        answer = await client.get("https://a.example/")
    assert (answer.status_code, answer.text) == (status, "said")
    assert events.verdicts == [("httpx.get", verdict)]


@pytest.mark.parametrize(
    ("after", "seconds"), [("7", 7), ("Mon, 23 Nov 2026 10:01:00 GMT", 60), ("tomorrow", None), ("-1", 0)]
)
async def test_a_host_says_when_to_come_back(
    gear: Switchgear, events: Events, after: str, seconds: float | None
) -> None:
    """In seconds, or as a moment by its own clock; what is neither is no wait."""
    headers = {"retry-after": after, "date": "Mon, 23 Nov 2026 10:00:00 GMT"}
    async with client_of(gear, lambda _: httpx.Response(429, headers=headers)) as client:
        await client.get("https://a.example/")
    assert events.settled[0].verdict.retry_after == seconds


async def test_each_host_has_its_breaker(gear: Switchgear) -> None:
    """One that fails is refused, by an error that names its request, also where another one leads to it."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "good.example":
            return httpx.Response(307, headers={"location": "https://bad.example/"})
        return httpx.Response(500)

    async with client_of(gear, answer) as client:
        for _ in range(5):
            await client.get("https://bad.example/")
        with pytest.raises(httpx.ConnectError) as refused:
            await client.get("https://bad.example/")
        assert isinstance(refused.value, CallNotPermitted)
        assert refused.value.domain == "https://bad.example"
        assert refused.value.request.url == "https://bad.example/"
        assert (await client.get("https://good.example/")).status_code == 307
        with pytest.raises(CallNotPermitted):
            await client.get("https://good.example/", follow_redirects=True)


class Pieces(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield b"piece"


async def test_an_answer_that_nobody_closes_gives_its_permit_back(gear: Switchgear, events: Events) -> None:
    """When it is forgotten."""
    async with client_of(gear, lambda _: httpx.Response(200, stream=Pieces())) as client:
        request = client.build_request("GET", "https://a.example/")
        await client.send(request, stream=True)
        gc.collect()
    assert events.verdicts == [("httpx.get", "IGNORED")]


async def test_a_limit_of_ours_is_one_of_httpxs_errors(gear: Switchgear, events: Events) -> None:
    """And a failure of the host, which has not answered; retries of the pipeline repeat what has no body."""
    asked: list[str] = []

    async def never(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        await anyio.sleep_forever()
        raise AssertionError

    transport = httpx.MockTransport(never)
    pipeline = [Retry(attempts=2, initial=0.0), Timeout(0.01)]
    async with httpx.AsyncClient(transport=transport) as client:
        gear.guard(client, switchgear_httpx.BACKEND, name="partners", pipeline=pipeline)
        for method in ("GET", "POST"):
            with pytest.raises(httpx.TimeoutException) as raised:
                await client.request(method, "https://a.example/")
            assert isinstance(raised.value, CallTimedOut)
            assert raised.value.request.method == method
    assert asked == ["GET", "GET", "POST"]
    assert {verdict for _, verdict in events.verdicts} == {"FAILURE"}


def test_one_service_guards_a_client(gear: Switchgear) -> None:
    """An outage must not be counted twice."""
    client = client_of(gear, lambda _: httpx.Response(200))
    with pytest.raises(ConfigurationError, match="guarded already"):
        switchgear_httpx.guard(client, gear, name="others")


async def test_credentials_in_the_url_are_refused() -> None:
    """They would be shown wherever the host is."""
    settings = switchgear_httpx.HttpxSettings(base_url="https://me:secret@a.example/")
    with pytest.raises(ConfigurationError, match="headers") as refused:
        async with switchgear_httpx.BACKEND.connect(settings):
            pass
    assert "secret" not in str(refused.value)
