"""What the OpenAI stand-in says when nothing is wrong: a pure function of the request."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
import uuid
from dataclasses import dataclass
from typing import Any

MODELS = ("stand-in-large", "stand-in-small", "stand-in-embedding")
_DIMENSIONS = 8
_USUAL_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded", 500: "server_error", 503: "overloaded"}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in pieces, so that faults can strike between them. `stream`: server-sent events, one to a piece."""

    pieces: tuple[bytes, ...]
    status: int = 200
    stream: bool = False
    content_type: str = "application/json"
    retry_after: float | None = None


def plain(data: object, status: int = 200, retry_after: float | None = None) -> Reply:
    text = json.dumps(data).encode()
    half = len(text) // 2
    return Reply((text[:half], text[half:]), status, retry_after=retry_after)


def failure(status: int, message: str, *, code: str = "", param: str | None = None, retry_after: float | None = None) -> Reply:
    kind = "insufficient_quota" if code == "insufficient_quota" else _TYPES.get(status, "server_error")
    error = {"message": message, "type": kind, "param": param, "code": code or _USUAL_CODES.get(status)}
    return plain({"error": error}, status, retry_after)


def reply_to(method: str, path: str, body: bytes) -> Reply:
    """The good answer to an API request, or OpenAI's error for a bad one."""
    if (method, path) == ("GET", "/v1/models"):
        listed = [{"id": model, "object": "model", "created": 0, "owned_by": "switchgear"} for model in MODELS]
        return plain({"object": "list", "data": listed})
    answer = {"/v1/chat/completions": _chat, "/v1/embeddings": _embeddings}.get(path)
    if method != "POST" or answer is None:
        return failure(404, f"Unknown request URL: {method} {path}")
    request = parse(body)
    if not isinstance(request.get("model"), str):
        return failure(400, "You must provide a model parameter.", param="model")
    return answer(request)


def parse(body: bytes) -> dict[str, Any]:
    """The request's JSON object; an empty one for anything else."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _chat(request: dict[str, Any]) -> Reply:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return failure(400, "messages must be a non-empty list of objects.", param="messages")
    # A word with the blank after it stands for a token.
    words = [f"{word} " for word in f"You said: {messages[-1].get('content')}".split()]
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or len(words)
    said, finish = words[:limit], "length" if limit < len(words) else "stop"
    prompt = sum(len(str(message.get("content")).split()) for message in messages)
    usage = {"prompt_tokens": prompt, "completion_tokens": len(said), "total_tokens": prompt + len(said)}
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": request["model"]}
    if not request.get("stream"):
        message = {"role": "assistant", "content": "".join(said).rstrip(), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return plain({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in said), chunk({}, finish)]
    if (request.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    events = (*(event(json.dumps(part)) for part in chunks), event("[DONE]"))
    return Reply(events, stream=True, content_type="text/event-stream")


def _embeddings(request: dict[str, Any]) -> Reply:
    given = request.get("input")
    texts = given if isinstance(given, list) else [given]
    if not texts or given is None:
        return failure(400, "input must not be empty.", param="input")
    as_text = request.get("encoding_format") == "base64"
    vectors = [_vector(str(text)) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_text else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(str(text).split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return plain({"object": "list", "data": data, "model": request["model"], "usage": usage})


def event(data: str) -> bytes:
    """One server-sent event."""
    return f"data: {data}\n\n".encode()


def _vector(text: str) -> list[float]:
    """The same unit vector for the same text, another one for another."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:_DIMENSIONS]]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
