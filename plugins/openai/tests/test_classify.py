"""The tables: what a status, a name or an exception says about the API."""

from __future__ import annotations

import ssl

import anyio
import httpx
import httpx2
import openai
import pytest

from switchgear.spi import Verdict
from switchgear_openai._classify import classify, names_of, verdict_of_error, verdict_of_status

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
EVERYWHERE = Verdict.FAILURE.everywhere()
EXHAUSTED = Verdict.EXHAUSTED.everywhere()


@pytest.mark.parametrize(
    ("status", "names", "verdict"),
    [
        (400, ("context_length_exceeded",), Verdict.SUCCESS),
        (404, ("model_not_found",), Verdict.SUCCESS),
        (413, (), Verdict.SUCCESS),
        (422, (), Verdict.SUCCESS),
        (401, ("invalid_api_key",), Verdict.IGNORED),
        (403, (), Verdict.IGNORED),
        (407, (), Verdict.IGNORED),
        (409, (), Verdict.IGNORED),
        (408, (), Verdict.FAILURE),
        (429, ("rate_limit_exceeded", "requests"), Verdict.THROTTLED),
        (429, ("insufficient_quota",), EXHAUSTED),
        (429, ("billing_not_active",), EXHAUSTED),
        (400, ("billing_hard_limit_reached",), EXHAUSTED),
        (402, (), EXHAUSTED),
        (500, ("server_error",), Verdict.FAILURE),
        (502, (), Verdict.FAILURE),
        (503, (), Verdict.FAILURE),
        (503, ("engine_overloaded",), Verdict.THROTTLED),
        (503, ("slow_down",), Verdict.THROTTLED),
        (500, ("slow_down",), Verdict.FAILURE),
        (529, (), Verdict.FAILURE),
    ],
)
def test_status(status: int, names: tuple[str, ...], verdict: Verdict) -> None:
    """Each error status has one verdict; names tell quota from rate limit and overload from outage."""
    assert verdict_of_status(status, names) == verdict


def test_only_throttling_has_a_wait() -> None:
    """The wait that the API asks for goes with THROTTLED; a used-up quota does not come back after a Retry-After."""
    assert verdict_of_status(429, (), 7.0) == Verdict.THROTTLED.after(7.0)
    assert verdict_of_status(503, ("slow_down",), 7.0) == Verdict.THROTTLED.after(7.0)
    assert verdict_of_status(429, ("insufficient_quota",), 7.0) == EXHAUSTED
    assert verdict_of_status(503, (), 7.0) == Verdict.FAILURE


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ({"type": "server_error", "code": None}, Verdict.FAILURE),
        ({"code": "rate_limit_exceeded"}, Verdict.THROTTLED),
        ({"type": "insufficient_quota"}, EXHAUSTED),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, Verdict.SUCCESS),
        ({"code": "never_heard_of"}, Verdict.FAILURE),
        ({"code": 429}, Verdict.THROTTLED),
        ({"code": "502"}, Verdict.FAILURE),
        ({"code": 400}, Verdict.SUCCESS),
        ("something broke", Verdict.FAILURE),
        (None, Verdict.FAILURE),
    ],
)
def test_error_in_a_stream(error: object, verdict: Verdict) -> None:
    """An error event is judged by its code or type, or by a status in their place; what is unknown is bad."""
    assert verdict_of_error(names_of(error)) == verdict


@pytest.mark.parametrize("family", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("ConnectError", EVERYWHERE),
        ("ConnectTimeout", EVERYWHERE),
        ("ProxyError", EVERYWHERE),
        ("ReadTimeout", Verdict.FAILURE),
        ("WriteTimeout", Verdict.FAILURE),
        ("ReadError", Verdict.FAILURE),
        ("WriteError", Verdict.FAILURE),
        ("RemoteProtocolError", Verdict.FAILURE),
        ("DecodingError", Verdict.FAILURE),
        ("PoolTimeout", Verdict.IGNORED),
        ("LocalProtocolError", Verdict.IGNORED),
        ("UnsupportedProtocol", Verdict.IGNORED),
    ],
)
def test_transport_error(family: object, name: str, verdict: Verdict) -> None:
    """Both httpx families are judged alike: a dead address speaks for all models, our own pool for nothing."""
    assert classify(getattr(family, name)("text")) == verdict


@pytest.mark.parametrize(
    "exc", [OSError("reset"), ssl.SSLError("eof"), anyio.EndOfStream(), ValueError("not JSON"), KeyError()]
)
def test_unmapped_error(exc: Exception) -> None:
    """What httpx leaks unmapped, and what nobody knows, is a failure."""
    assert classify(exc) == Verdict.FAILURE


def _status_error(cls: type[openai.APIStatusError], status: int, code: str, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, request=REQUEST, headers={"-".join(k.split("_")): v for k, v in headers.items()})
    return cls("text", response=response, body={"code": code, "type": None})


def test_sdk_errors() -> None:
    """The SDK's own errors are judged as what they stand for, so that a breaker round a whole call agrees."""
    connection = openai.APIConnectionError(request=REQUEST)
    connection.__cause__ = httpx2.ConnectError("refused")
    assert classify(connection) == EVERYWHERE
    assert classify(openai.APIConnectionError(request=REQUEST)) == Verdict.FAILURE
    assert classify(openai.APITimeoutError(request=REQUEST)) == Verdict.FAILURE
    assert classify(openai.APIError("text", REQUEST, body={"code": "rate_limit_exceeded"})) == Verdict.THROTTLED
    assert classify(_status_error(openai.InternalServerError, 500, "x")) == Verdict.FAILURE
    assert classify(_status_error(openai.BadRequestError, 400, "x")) == Verdict.SUCCESS
    assert classify(_status_error(openai.AuthenticationError, 401, "x")) == Verdict.IGNORED
    assert classify(_status_error(openai.RateLimitError, 429, "insufficient_quota")) == EXHAUSTED
    assert classify(_status_error(openai.RateLimitError, 429, "x", retry_after="3")) == Verdict.THROTTLED.after(3.0)
    assert classify(openai.ContentFilterFinishReasonError()) == Verdict.SUCCESS


def test_names_are_not_enough() -> None:
    """An exception of the application that is named like one of httpx's is not taken for it."""
    assert classify(type("PoolTimeout", (Exception,), {"__module__": "myapp.pools"})()) == Verdict.FAILURE
