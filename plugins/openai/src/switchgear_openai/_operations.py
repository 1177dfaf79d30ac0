"""What a request is: which operation, on which domain."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    address: bytes = request.url.netloc
    streamed = body.get("stream") is True
    by_caller = streamed or headers.get(b"x-stainless-raw-response") == b"stream"
    operation = _operation_of(request.method, request.url.path, by_caller)
    domain = _domain_of(body, address, home)
    return Call(operation, domain, address == home, streamed, not by_caller, b"json" in headers.get(b"accept", b""))


def planned_of(options: Any, streamed: bool, address: bytes, home: bytes) -> tuple[Operation, str]:
    """The operation and the domain of a request that the SDK has yet to make, from what it calls its options. What is
    read from files can be read only once, so it is not to be repeated.
    """
    given: dict[str, object] = dict(options.headers or {})  # what is not given is false
    headers = {name.lower(): value for name, value in given.items()}
    by_caller = streamed or headers.get("x-stainless-raw-response") == "stream"
    operation = _operation_of(options.method.upper(), options.url.partition("?")[0], by_caller)
    if options.files or options.content is not None:
        operation = _operation(operation.name.removeprefix("openai."), operation.klass, False)
    return operation, _domain_of(options.json_data, address, home)


def socket_of(resource: str, model: object, address: bytes, home: bytes) -> tuple[Operation, Operation, str]:
    """The opening of a WebSocket and its session as operations, and their domain: the model, where it is known before
    the first event."""
    connect, session = (_operation(f"{resource}.{what}", "read", True) for what in ("connect", "session"))
    return connect, session, _domain_of({"model": model}, address, home)


def _domain_of(body: object, address: bytes, home: bytes) -> str:
    model = cast("Mapping[str, object]", body).get("model") if isinstance(body, Mapping) else None
    domain = model if isinstance(model, str) and len(model) <= _LONGEST_MODEL else ""
    return domain if address == home else f"{address.decode('ascii')}/{domain}".rstrip("/")


def _operation_of(method: str, path: str, by_caller: bool) -> Operation:
    """The operation at a path. `by_caller`: who asked reads the answer himself, piece by piece."""
    operation = _whole_operation_of(method, path)
    if by_caller:
        return _operation(operation.name.removeprefix("openai."), "stream", operation.idempotent)
    return operation


def _whole_operation_of(method: str, path: str) -> Operation:
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
