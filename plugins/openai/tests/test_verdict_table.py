"""Every row of the table of errors, produced by a server: the verdict, what the breaker does, and that the caller gets
the SDK's own exception, made of what came from the network, untouched.
"""

from __future__ import annotations

import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import openai
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from plugins.openai.tests.support import ANYIO, MODEL, TLS, Witness, chat, connection, stream
from switchgear import BreakerConfig, CallNotPermitted, Verdict
from switchgear.testing import FaultProxy, OpenAIServer
from tests.certificates import expired

pytestmark = ANYIO

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
EVERYWHERE, EXHAUSTED = FAILURE.everywhere(), Verdict.EXHAUSTED.everywhere()

#: Opens at the first failure, and stays open.
TOUCHY = BreakerConfig(consecutive_failures=1, wait_duration_in_open=60, ramp=None)

Call = Callable[[openai.AsyncOpenAI], Awaitable[Any]]


@dataclass(frozen=True)
class Below:
    """What came from the network, below the guard."""

    exceptions: list[tuple[Exception, BaseException | None, list[str]]] = field(default_factory=list[Any])
    responses: list[httpx2.Response] = field(default_factory=list[Any])

    def watch(self, client: openai.AsyncOpenAI) -> None:
        transport: Any = client._client._transport
        send = transport.handle_async_request

        async def watched(request: httpx2.Request) -> httpx2.Response:
            with self._noting():
                response: httpx2.Response = await send(request)
            self.responses.append(response)
            response.stream = _Watched(response.stream, self)
            return response

        transport.handle_async_request = watched

    def _noting(self) -> _Noting:
        return _Noting(self)

    def assert_untouched(self, caught: Exception) -> None:
        """What the SDK says is of this answer; or was raised by this exception, which has its cause and its frames."""
        if isinstance(caught, openai.APIStatusError):
            assert caught.response is self.responses[-1]
            return
        if not self.exceptions:  # raised by the SDK, of what it has read
            return
        raised, cause, had = self.exceptions[-1]
        assert caught is raised or caught.__cause__ is raised
        assert raised.__cause__ is cause
        assert frames(raised)[-len(had) :] == had


class _Noting:
    def __init__(self, below: Below) -> None:
        self._below = below

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, exc: BaseException | None, _tb: object) -> None:
        if isinstance(exc, Exception):
            self._below.exceptions.append((exc, exc.__cause__, frames(exc)))


class _Watched(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, below: Below) -> None:
        self._inner, self._below = inner, below

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _Noting(self._below):
            async for piece in self._inner:
                yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def frames(exc: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]


@pytest.fixture
def touchy() -> Witness:
    return Witness(TOUCHY)


async def caught_of(call: Awaitable[Any]) -> Exception | None:
    try:
        await call
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is what the test asks for
        return exc
    return None


async def judged(
    client: openai.AsyncOpenAI, call: Call, kind: type[Exception] | None, verdict: Verdict, witness: Witness
) -> Exception | None:
    """What a failing call raises (None: nothing at all); whether the next one is refused, and one of another model."""
    below = Below()
    below.watch(client)
    witness.guard(client)
    caught = await caught_of(call(client))
    assert type(caught) is (kind or type(None)), repr(caught)
    if caught is not None:
        below.assert_untouched(caught)
    assert witness.verdicts == [verdict]
    opened = verdict.name in {"FAILURE", "EXHAUSTED"} or verdict.retry_after is not None
    assert (witness.state() == "OPEN") == opened
    assert (witness.main == "OPEN") == verdict.service_wide
    assert isinstance(await caught_of(call(client)), CallNotPermitted) == opened
    other = await caught_of(chat(client, "another"))
    assert isinstance(other, CallNotPermitted) == verdict.service_wide
    assert {one.in_flight for one in witness.gear.service("llm").group.snapshots()} == {0}
    return caught


# -- answers -----------------------------------------------------------------------------------------------------------

BY_STATUS: dict[int, type[Exception]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
ANSWERS: dict[Verdict, str] = {
    SUCCESS: "400 context_length_exceeded, 400 content_filter, 404 model_not_found, 413 x, 415 x, 422 x",
    IGNORED: "401 invalid_api_key, 403 x, 407 x, 409 x",
    FAILURE: "408 x, 500 server_error, 502 x, 503 x, 504 x, 529 x",
    THROTTLED: "429 rate_limit_exceeded, 503 engine_overloaded, 503 slow_down",
    EXHAUSTED: "429 insufficient_quota, 429 billing_not_active, 400 billing_hard_limit_reached, 402 x",
}


@pytest.mark.parametrize("call", [chat, stream])
@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        pytest.param(int(status), code if code != "x" else "", verdict, id=f"{status}-{code}")
        for verdict, answers in ANSWERS.items()
        for status, code in map(str.split, answers.split(", "))
    ],
)
async def test_an_answer(
    status: int, code: str, verdict: Verdict, call: Call, llm: OpenAIServer, touchy: Witness
) -> None:
    """Each status and code, asked for plainly and as a stream: the SDK's error, with the very response."""
    kind = BY_STATUS.get(status) or (openai.InternalServerError if status >= 500 else openai.APIStatusError)
    details: dict[str, Any] = {"code": code} if code else {}
    await llm.fault("status", status=status, model=MODEL, **details)
    async with connection(llm.base_url) as client:
        await judged(client, call, kind, verdict, touchy)


async def test_an_answer_that_names_a_time(llm: OpenAIServer, touchy: Witness) -> None:
    """Open for so long, for this model alone."""
    await llm.fault("status", status=429, retry_after=7, model=MODEL)
    async with connection(llm.base_url) as client:
        await judged(client, chat, openai.RateLimitError, THROTTLED.after(7.0), touchy)


# -- what breaks in an answer ------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, dict[str, Any], Call, type[Exception] | None, Verdict]] = {
    "reset": ("reset", {}, chat, openai.APIConnectionError, FAILURE),
    "silence": ("hang", {}, chat, openai.APITimeoutError, FAILURE),
    "cut": ("cut", {"after": 1}, chat, openai.APIConnectionError, FAILURE),
    "half": ("truncate", {"after": 1}, chat, openai.APIConnectionError, FAILURE),
    "stalled": ("stall", {"after": 1}, chat, openai.APITimeoutError, FAILURE),
    "a stream is cut": ("cut", {"after": 2}, stream, openai.APIConnectionError, FAILURE),
    "a stream stalls": ("stall", {"after": 2}, stream, openai.APITimeoutError, FAILURE),
    "a stream just ends": ("truncate", {"after": 3}, stream, None, FAILURE),
    "an error in a stream": ("stream_error", {"after": 2}, stream, openai.APIError, FAILURE),
    "a web page for a stream": ("html", {}, stream, None, FAILURE),
}


@pytest.mark.parametrize("row", BROKEN)
async def test_a_broken_answer(row: str, llm: OpenAIServer, touchy: Witness) -> None:
    """Before it begins, within it, and where it ends too early; also where the SDK raises nothing."""
    fault, details, call, kind, verdict = BROKEN[row]
    await llm.fault(fault, model=MODEL, **details)  # type: ignore[arg-type]
    async with connection(llm.base_url, timeout=0.3) as client:
        await judged(client, call, kind, verdict, touchy)


@pytest.mark.parametrize("call", [chat, stream])
async def test_broken_json(call: Call, llm: OpenAIServer, touchy: Witness) -> None:
    """Json's own error comes through the SDK to the caller."""
    await llm.fault("malformed", after=2 if call is stream else 0, model=MODEL)
    async with connection(llm.base_url) as client:
        touchy.guard(client)
        caught = await caught_of(call(client))
        assert type(caught).__name__ == "JSONDecodeError"
        assert touchy.verdicts == [FAILURE]
        assert isinstance(await caught_of(call(client)), CallNotPermitted)


# -- connections -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def refused() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"


@asynccontextmanager
async def unreachable() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with FaultProxy("127.0.0.1", listening.getsockname()[1]) as proxy:
            await proxy.blackhole()
            yield f"http://127.0.0.1:{proxy.port}/v1"


@asynccontextmanager
async def without_tls() -> AsyncIterator[str]:
    """A handshake that fails."""

    async def hang_up(connected: Any) -> None:
        async with connected:
            await connected.send(b"this is no TLS\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = dict(listener.extra_attributes)[SocketAttribute.local_port]()
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, hang_up)
        yield f"https://127.0.0.1:{port}/v1"
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def nowhere() -> AsyncIterator[str]:
    yield "http://no-such-host.invalid/v1"


CONNECTIONS: dict[str, tuple[Any, type[Exception], Verdict]] = {
    "refused": (refused, openai.APIConnectionError, EVERYWHERE),
    "unreachable": (unreachable, openai.APITimeoutError, EVERYWHERE),
    "no TLS": (without_tls, openai.APIConnectionError, EVERYWHERE),
    "no such host": (nowhere, openai.APIConnectionError, EVERYWHERE),
}


async def test_an_expired_certificate(touchy: Witness, tmp_path: Path) -> None:
    """By an authority that the client trusts, for this very host, and no longer valid: said of all models."""
    context, trusted = expired(tmp_path)
    trusting = ssl.create_default_context(cafile=trusted)

    async def shake_hands(connected: SocketStream) -> None:
        async with connected:
            with suppress(ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                await TLSStream.wrap(connected, server_side=True, ssl_context=context)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    url = f"https://127.0.0.1:{dict(listener.extra_attributes)[SocketAttribute.local_port]()}/v1"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, shake_hands)
        async with connection(url, http_client=openai.DefaultAsyncHttpx2Client(verify=trusting)) as client:
            caught = await judged(client, chat, openai.APIConnectionError, EVERYWHERE, touchy)
        tasks.cancel_scope.cancel()
    assert any("certificate has expired" in str(exc) for exc in chain(caught))


def chain(exc: BaseException | None) -> Iterator[BaseException]:
    """It, and what it was made of."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


@pytest.mark.parametrize("row", CONNECTIONS)
async def test_no_connection(row: str, touchy: Witness) -> None:
    """It does not come about: said of all models."""
    address, kind, verdict = CONNECTIONS[row]
    async with address() as url, connection(url, timeout=openai.Timeout(5.0, connect=1.0)) as client:
        await judged(client, chat, kind, verdict, touchy)


# -- on this side ------------------------------------------------------------------------------------------------------


async def test_an_empty_pool(llm: OpenAIServer, touchy: Witness) -> None:
    """Ours: the API was not asked."""
    limits = httpx2.Limits(max_connections=1)
    http = openai.DefaultAsyncHttpx2Client(verify=TLS, limits=limits, timeout=httpx2.Timeout(5.0, pool=0.1))
    async with connection(llm.base_url, http_client=http, timeout=openai.Timeout(5.0, pool=0.1)) as client:
        touchy.guard(client)
        async with client.chat.completions.with_streaming_response.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
        ):
            caught = await caught_of(chat(client))
        assert isinstance(caught, openai.APITimeoutError)
        assert isinstance(caught.__cause__, httpx2.PoolTimeout)
        assert touchy.verdicts[0] == IGNORED
        assert touchy.state() == "CLOSED"


async def test_cancelled(llm: OpenAIServer, touchy: Witness) -> None:
    """The permit is back, and nothing is said."""
    await llm.fault("hang")
    async with connection(llm.base_url) as client:
        touchy.guard(client)
        with anyio.move_on_after(0.1) as patience:
            await chat(client)
        assert patience.cancelled_caught
    assert touchy.verdicts == [IGNORED]
    assert {one.in_flight for one in touchy.gear.service("llm").group.snapshots()} == {0}
