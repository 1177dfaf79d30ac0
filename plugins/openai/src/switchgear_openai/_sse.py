"""What the bytes of a stream of server-sent events say.

The SDK raises nothing when a stream just stops, and a bare JSONDecodeError for a broken chunk; only the bytes tell. Not
seen: a chunk that is broken inside but closes all its braces, and what follows an event of more than 1 MiB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from switchgear_openai._classify import BadAnswer, names_of, verdict_of_error
from switchgear_openai._watch import SERVED, Finding, Watch, bad, mapping

_LARGEST_EVENT = 2**20

#: An event worth parsing: the others are pieces of text, and nearly all are others.
_TELLING = re.compile(
    rb'"finish_reason":\s*"|"type":\s*"(?:response\.(?:completed|failed|incomplete)|error)"|"usage":\s*\{|"error":\s*[{"]'
)
_FINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})

BROKEN = bad("a chunk of the stream makes no sense")
TRUNCATED = bad("the stream ended without [DONE] or a finish_reason", truncated=True)


class EventWatch(Watch):
    """Server-sent events. With `must_finish`, a stream without [DONE], finish_reason or final event was cut short."""

    def __init__(self, encoding: bytes = b"", *, must_finish: bool = True) -> None:
        super().__init__(encoding)
        self._must_finish = must_finish
        self._finished = False
        self._rest = b""

    def dropped(self) -> Finding | None:
        return SERVED if self._finished else None

    def _read(self, data: bytes) -> Finding | None:
        text = self._rest + data
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        *events, self._rest = text.split(b"\n\n")
        for event in events:
            if (finding := self._event(event)) is not None:
                return finding
        if len(self._rest) > _LARGEST_EVENT:
            self._decode = None
        return None

    def _ended(self) -> Finding:
        # A server may leave out the blank line after its last event.
        last = self._event(self._rest) if self._rest else None
        if last is not None and last is not BROKEN:
            return last
        return SERVED if self._finished or not self._must_finish else TRUNCATED

    def _event(self, event: bytes) -> Finding | None:
        if event.startswith(b"data:") and b"\n" not in event:
            data = event[5:].strip()
        else:
            data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
            if not data:
                return None
        self.begun = True  # comments, which keep the connection alive, do not get here
        if data.startswith(b"[DONE]"):
            return SERVED
        try:
            if _TELLING.search(data):
                return self._told(json.loads(data))
            # A whole object closes as many braces as it opens. Only a brace in a text makes them differ; only then it
            # is parsed.
            if not data.endswith(b"}") or data.count(b"{") != data.count(b"}"):
                json.loads(data)
        except (ValueError, TypeError, AttributeError):  # no JSON, or of a shape that this API does not have
            return BROKEN
        return None

    def _told(self, event: Mapping[str, Any]) -> Finding | None:
        response = mapping(event.get("response"))
        self.usage = mapping(event.get("usage") or response.get("usage") or self.usage)
        error = event.get("error") or response.get("error") or (event if event.get("type") == "error" else None)
        if error is not None:
            names = names_of(error)
            return Finding(verdict_of_error(names), BadAnswer(" ".join(("error in the stream", *names[:1]))))
        self._finished |= any(choice.get("finish_reason") for choice in event.get("choices") or ())
        return SERVED if event.get("type") in _FINAL else None
