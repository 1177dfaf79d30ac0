"""What a request is: which operation, on which domain."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple, cast

from switchgear.spi import Operation, OperationClass
from switchgear_openai._headers import fields_of

#: What a model makes, and whether it may be made twice: that costs money but changes nothing, save where the API keeps
#: the result (responses). "write", since it takes as long as the work does, unlike a "read".
_GENERATIONS = {
    "chat/completions": True,
    "completions": True,
    "responses": False,
    "images/generations": True,
    "images/edits": True,
    "images/variations": True,
    "audio/speech": True,
    "audio/transcriptions": True,
    "audio/translations": True,
}
_READS = ("embeddings", "moderations")
#: The rest of the API, by the first part of the path that is one of these; anything else is openai.request.
_RESOURCES = frozenset({
    "assistants", "audio", "batches", "chat", "containers", "conversations", "evals", "files", "fine_tuning", "images",
    "responses", "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip

#: A larger body is sent unread: its model is not worth the time.
LARGEST_BODY = 2**20
_LONGEST_MODEL = 200


@cache
def _operation(name: str, klass: OperationClass, idempotent: bool) -> Operation:
    return Operation(name=f"openai.{name}", klass=klass, idempotent=idempotent)


_BY_PATH = {
    **{path: _operation(path.replace("/", "."), "write", repeatable) for path, repeatable in _GENERATIONS.items()},
    **{path: _operation(path, "read", True) for path in _READS},
}

MODELS = _operation("models", "admin", True)
OPERATIONS = (*_BY_PATH.values(), MODELS)


class Call(NamedTuple):
    """One request, as the breaker sees it."""

    operation: Operation
    domain: str
    #: It went to the client's own address, so that a dead address is the whole service's.
    home: bool
    #: A stream of events was asked for.
    streamed: bool
    #: The SDK reads the body itself, and tries again when that fails; otherwise the caller does, at his own pace.
    read_by_sdk: bool
    #: JSON was asked for, and not a file.
    expects_json: bool


def call_of(request: Any, home: bytes) -> Call:
    """Reads a request of httpx or httpx2. `home` is the host and port that the client was made for.

    The domain is the model, as the JSON body names it, or "" where none is named. A client's copy may have another
    base_url and share the connections: there, it is host/model.
    """
    headers = fields_of(request.headers)
    body = _json_of(request, headers)
    model = body.get("model")
    domain = model if isinstance(model, str) and len(model) <= _LONGEST_MODEL else ""
    address: bytes = request.url.netloc
    if address != home:
        domain = f"{address.decode('ascii')}/{domain}".rstrip("/")
    streamed = body.get("stream") is True
    by_caller = streamed or headers.get(b"x-stainless-raw-response") == b"stream"
    operation = _operation_of(request.method, request.url.path)
    if by_caller:
        operation = _operation(operation.name.removeprefix("openai."), "stream", operation.idempotent)
    return Call(operation, domain, address == home, streamed, not by_caller, b"json" in headers.get(b"accept", b""))


def _operation_of(method: str, path: str) -> Operation:
    parts = path.strip("/").split("/")
    if method == "POST":
        found = _BY_PATH.get("/".join(parts[-2:])) or _BY_PATH.get(parts[-1])
        if found is not None:
            return found
    if "models" in parts:
        return MODELS
    name = next((part for part in parts if part in _RESOURCES), "request")
    return _operation(name, "read" if method == "GET" else "write", method == "GET")


def _json_of(request: Any, headers: dict[bytes, bytes]) -> dict[str, object]:
    if not headers.get(b"content-type", b"").startswith(b"application/json"):
        return {}
    if not 0 < int(headers.get(b"content-length", b"0")) <= LARGEST_BODY:
        return {}
    try:
        body = json.loads(request.content)
    except (ValueError, RuntimeError):  # not JSON after all; RuntimeError: a stream, to be read only once
        return {}
    return cast("dict[str, object]", body) if isinstance(body, dict) else {}
