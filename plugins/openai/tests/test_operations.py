"""Requests: which operation, on which domain."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from switchgear_openai._operations import LARGEST_BODY, OPERATIONS, call_of

HOME = b"api.example.com"


def post(path: str, body: object, host: str = "api.example.com", **headers: str) -> httpx2.Request:
    return httpx2.Request("POST", f"https://{host}{path}", json=body, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "name", "klass"),
    [
        ("POST", "/v1/chat/completions", "openai.chat.completions", "write"),
        ("POST", "/v1/completions", "openai.completions", "write"),
        ("POST", "/v1/responses", "openai.responses", "write"),
        ("POST", "/openai/deployments/mine/chat/completions", "openai.chat.completions", "write"),
        ("POST", "/gateway/embeddings", "openai.embeddings", "read"),
        ("POST", "/v1/audio/speech", "openai.audio.speech", "write"),
        ("GET", "/v1/models", "openai.models", "admin"),
        ("GET", "/v1/models/gpt", "openai.models", "admin"),
        ("GET", "/v1/files/file-1/content", "openai.files", "read"),
        ("DELETE", "/v1/files/file-1", "openai.files", "write"),
        ("GET", "/v1/responses/resp_1", "openai.responses", "read"),
        ("POST", "/v1/responses/resp_1/cancel", "openai.responses", "write"),
        ("GET", "/v1/something/new/42", "openai.request", "read"),
    ],
)
def test_operation(method: str, path: str, name: str, klass: str) -> None:
    """The path names the operation, wherever the API is mounted; what is unknown shares one name."""
    operation = call_of(httpx2.Request(method, f"https://api.example.com{path}"), HOME).operation
    assert (operation.name, operation.klass) == (name, klass)


def test_stream() -> None:
    """A call whose body the caller reads at his own pace is of the class stream, under the same name."""
    streamed = call_of(post("/v1/chat/completions", {"model": "m", "stream": True}), HOME)
    assert (streamed.operation.name, streamed.operation.klass) == ("openai.chat.completions", "stream")
    assert (streamed.streamed, streamed.read_by_sdk) == (True, False)
    raw = call_of(post("/v1/embeddings", {"model": "m"}, **{"x-stainless-raw-response": "stream"}), HOME)
    assert (raw.operation.klass, raw.streamed, raw.read_by_sdk) == ("stream", False, False)
    plain = call_of(post("/v1/chat/completions", {"model": "m", "stream": False}), HOME)
    assert (plain.operation.klass, plain.streamed, plain.read_by_sdk) == ("write", False, True)


@pytest.mark.parametrize(
    ("request_", "domain"),
    [
        (post("/v1/chat/completions", {"messages": [{"model": "inner"}], "model": "gpt"}), "gpt"),
        (post("/v1/chat/completions", {"messages": []}), ""),
        (post("/v1/chat/completions", {"model": 7}), ""),
        (post("/v1/chat/completions", {"model": "m" * 201}), ""),
        (post("/v1/chat/completions", ["model"]), ""),
        (post("/v1/chat/completions", {"model": "gpt", "x": "y" * LARGEST_BODY}), ""),
        (httpx2.Request("GET", "https://api.example.com/v1/models"), ""),
        (httpx2.Request("POST", "https://api.example.com/v1/files", files={"file": b"x"}), ""),
        (
            httpx2.Request(
                "POST", "https://api.example.com/v1", content=b"{", headers={"content-type": "application/json"}
            ),
            "",
        ),
        (post("/v1/chat/completions", {"model": "gpt"}, host="eu.example.com:8443"), "eu.example.com:8443/gpt"),
        (httpx2.Request("GET", "https://eu.example.com/v1/models"), "eu.example.com"),
    ],
)
def test_domain(request_: httpx2.Request, domain: str) -> None:
    """The domain is the model of a JSON body of at most 1 MiB, after the host where that is not the client's."""
    call = call_of(request_, HOME)
    assert (call.domain, call.home) == (domain, request_.url.host == "api.example.com")


def test_body_that_can_be_read_once_is_left_alone() -> None:
    """A streamed request body is not consumed to find a model in it."""

    async def chunks() -> AsyncIterator[bytes]:
        yield json.dumps({"model": "gpt"}).encode()

    headers = {"content-type": "application/json", "content-length": "16"}
    assert (
        call_of(httpx2.Request("POST", "https://api.example.com/v1/x", content=chunks(), headers=headers), HOME).domain
        == ""
    )


def test_listing() -> None:
    """The listed operations have names of their own."""
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
