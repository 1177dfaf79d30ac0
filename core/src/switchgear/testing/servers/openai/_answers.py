"""What the OpenAI stand-in says when nothing is wrong: a function of the request."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import uuid
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from switchgear.testing.servers.openai._reply import Reply, event, failure, plain

Json: TypeAlias = dict[str, Any]

_MODELS = ("stand-in-large", "stand-in-small", "stand-in-embedding")  # listed; any other name will do too
_DIMENSIONS = 8


def answer(method: str, path: str, request: Json) -> Reply:
    """The good answer to an API request, or OpenAI's error for a bad one."""
    if (method, path) == ("GET", "/v1/models"):
        models = [{"id": model, "object": "model", "created": 0, "owned_by": "switchgear"} for model in _MODELS]
        return plain({"object": "list", "data": models})
    serve = {"/v1/chat/completions": _chat, "/v1/embeddings": _embeddings}.get(path)
    if method != "POST" or serve is None:
        return failure(404, f"Unknown request URL: {method} {path}")
    if not isinstance(request.get("model"), str):
        return failure(400, "You must provide a model parameter.", param="model")
    return serve(request)


def parse(body: bytes) -> Json:
    """The request's JSON object; an empty one for anything else."""
    try:
        request: object = json.loads(body or b"{}")
    except ValueError:
        return {}
    return cast("Json", request) if isinstance(request, dict) else {}


def _chat(request: Json) -> Reply:
    try:
        prompts = [str(message["content"]) for message in request["messages"]]
        last = prompts[-1]
    except (KeyError, IndexError, TypeError):
        return failure(400, "messages must be a list of objects with a content, at least one.", param="messages")
    tokens = [f"{word} " for word in f"You said: {last}".split()]
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or len(tokens)
    said = tokens[:limit]
    finish = "stop" if len(said) == len(tokens) else "length"
    asked = sum(len(prompt.split()) for prompt in prompts)
    usage = {"prompt_tokens": asked, "completion_tokens": len(said), "total_tokens": asked + len(said)}
    head: Json = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": _now(), "model": request["model"]}
    if request.get("stream"):
        options: Json = request.get("stream_options") or {}
        return _chunks(head, said, finish, usage if options.get("include_usage") else None)
    message = {"role": "assistant", "content": "".join(said).rstrip(), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return plain({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


def _chunks(head: Json, said: list[str], finish: str, usage: Json | None) -> Reply:
    deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": token} for token in said), {}]
    finishes = [*(None for _ in deltas[1:]), finish]
    chunks: list[Json] = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in zip(deltas, finishes, strict=True)
    ]
    if usage is not None:
        chunks.append({"choices": [], "usage": usage})
    events = [event(json.dumps({**head, "object": "chat.completion.chunk", **chunk})) for chunk in chunks]
    return Reply((*events, event("[DONE]")), stream=True, content_type="text/event-stream")


def _embeddings(request: Json) -> Reply:
    given: object = request.get("input")
    texts = [str(text) for text in cast("list[object]", given if isinstance(given, list) else [given])]
    if given is None or not texts:
        return failure(400, "input must not be empty.", param="input")
    pack = _base64 if request.get("encoding_format") == "base64" else list[float]
    data = [
        {"object": "embedding", "index": index, "embedding": pack(_vector(text))} for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return plain({"object": "list", "data": data, "model": request["model"], "usage": usage})


def _vector(text: str) -> list[float]:
    """A unit vector: the same for the same text, another one for another."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:_DIMENSIONS]]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
