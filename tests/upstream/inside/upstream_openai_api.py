"""A plugin of pytest, loaded inside openai's suite: the server that its tests of the generated methods need.

Upstream makes one from OpenAPI's document, which is not in the sdist. This one knows what to answer from the client
itself: each request says of what type its answer is to be, and that type, what such an answer looks like. What it does
not do is judge the requests: what is compared is what becomes of them with the guard and without.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import isclass
from threading import Thread
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai._base_client import BaseClient
from pydantic import BaseModel

_SCALARS: dict[Any, Any] = {
    str: "text", int: 1, float: 1.5, bool: True, bytes: "text", object: {}, Any: {}, NoneType: None,
    datetime: "2026-01-01T00:00:00Z", date: "2026-01-01",
}  # fmt: skip
#: What may be missing is missing, and lists have one item, but none from this depth on: some types hold themselves.
_DEEPEST = 8
_STREAMED = re.compile(rb'"stream": ?true|name="stream"\r\n\r\ntrue')


def sample(kind: Any, depth: int = 0) -> Any:
    """Something of the type, as JSON has it."""
    kind = getattr(kind, "__value__", kind)  # what an alias stands for
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in {Annotated, Union, UnionType}:
        return None if NoneType in arguments else sample(arguments[0], depth)
    if origin is Literal:
        return arguments[0]
    if isclass(origin) and issubclass(origin, BaseModel):
        fields = kind.model_fields.items()
        return {
            field.alias or name: sample(field.annotation, depth + 1)
            for name, field in fields
            if field.get_default(call_default_factory=True) is not None
        }
    if origin is dict:
        return {"key": sample(arguments[1], depth + 1)}
    if isclass(origin) and issubclass(origin, Sequence) and origin not in _SCALARS:
        return [sample(arguments[0], depth + 1)] if depth < _DEEPEST else []
    return _SCALARS[origin]


class Answers(BaseHTTPRequestHandler):
    """Whatever is asked, the answer is of the type that the client said last."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, lest the second wait for the first to be acknowledged
    expected: Any = object

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, content = 200, "application/json", b""
        if _STREAMED.search(body):
            kind, content = "text/event-stream", b"data: [DONE]\n\n"
        elif self.expected is NoneType:
            status = 204
        else:
            try:
                content = json.dumps(sample(self.expected)).encode()
            except KeyError:  # no type of JSON's: it takes any bytes
                kind, content = "application/octet-stream", b"bytes"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server calls it
        pass


def expect_what_is_asked_for() -> None:
    """Let the server know the type that the client is about to make of the answer."""
    client: Any = BaseClient
    original = client._maybe_override_cast_to

    def told(*args: Any) -> Any:
        Answers.expected = original(*args)
        return Answers.expected

    client._maybe_override_cast_to = told


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
Thread(target=SERVER.serve_forever, daemon=True).start()
os.environ["TEST_API_BASE_URL"] = f"http://127.0.0.1:{SERVER.server_port}"  # where the suite looks for it
expect_what_is_asked_for()
