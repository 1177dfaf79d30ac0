"""What the bytes of a good answer (2xx) say, read as they pass: no I/O, and nothing is held back or changed.

The SDK itself raises nothing when a stream just stops, and a bare JSONDecodeError for broken JSON; only the bytes tell.
The checks are cheap on purpose. Not seen: JSON that is broken inside but closes all its braces, bodies in an encoding
other than gzip and deflate, and what follows in a stream after an event of more than 1 MiB.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from switchgear.spi import Verdict
from switchgear_openai._classify import BadAnswer, names_of, verdict_of_error
from switchgear_openai._encoding import decoder

_LARGEST_EVENT = 2**20
_TAIL = 4096  # bytes of a document's end that are kept: `usage` stands there
#: How a document ends that begins so. Markup is none, however it ends.
_CLOSING = {b"{": b"}", b"[": b"]", b"<": b"\0"}

#: An event worth parsing: the others are pieces of text, and nearly all are others.
_TELLING = re.compile(
    rb'"finish_reason":\s*"|"type":\s*"(?:response\.(?:completed|failed|incomplete)|error)"|"usage":\s*\{|"error":\s*[{"]'
)
_DECODER = json.JSONDecoder()
_USAGE = re.compile(rb'"usage":\s*(?=\{)')
_FINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})


class Finding(NamedTuple):
    """The verdict on an answer, and the cause to remember."""

    verdict: Verdict
    cause: BadAnswer | None = None
    truncated: bool = False


SERVED = Finding(Verdict.SUCCESS)


def bad(problem: str, *, truncated: bool = False) -> Finding:
    return Finding(Verdict.FAILURE, BadAnswer(problem), truncated)


class Watch:
    """Follows one body; this one sees nothing in it, and takes its end for a good one.

    Attributes:
        begun: the answer's first piece is here.
        usage: what the answer says about tokens, {} until it does.
    """

    def __init__(self, encoding: bytes = b"") -> None:
        self.begun = False
        self.usage: Mapping[str, Any] = {}
        self._decode = decoder(encoding)

    def feed(self, chunk: bytes) -> Finding | None:
        """The next piece, as it came over the wire. What it settles, if anything: the rest is then no more evidence."""
        if self._decode is None:
            self.begun = True
            return None
        try:
            return self._read(self._decode(chunk))
        except zlib.error:
            self._decode = None  # httpx will say so; it is not for the watch to judge
            return None

    def end(self) -> Finding:
        """The body has ended in good order."""
        return SERVED if self._decode is None else self._ended()

    def dropped(self) -> Finding | None:
        """The reader has left before the end. None: that says nothing."""
        return None

    def tokens(self) -> dict[str, int]:
        """Tokens by kind, from either of the API's two forms of usage."""
        usage = self.usage
        details = _mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
        kinds = {
            "prompt": usage.get("prompt_tokens", usage.get("input_tokens")),
            "completion": usage.get("completion_tokens", usage.get("output_tokens")),
            "cached": details.get("cached_tokens"),
        }
        return {kind: amount for kind, amount in kinds.items() if isinstance(amount, int) and amount}

    def _read(self, _data: bytes) -> Finding | None:
        self.begun = True
        return None

    def _ended(self) -> Finding:
        return SERVED


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
        # A server may leave out [DONE], or the blank line after the last event.
        if self._finished or not self._must_finish or b"[DONE]" in self._rest or _TELLING.search(self._rest):
            return SERVED
        return bad("the stream ended without [DONE] or a finish_reason", truncated=True)

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
            return bad("a chunk of the stream makes no sense")
        return None

    def _told(self, event: Mapping[str, Any]) -> Finding | None:
        response = _mapping(event.get("response"))
        self.usage = _mapping(event.get("usage") or response.get("usage") or self.usage)
        error = event.get("error") or response.get("error") or (event if event.get("type") == "error" else None)
        if error is not None:
            names = names_of(error)
            return Finding(verdict_of_error(names), BadAnswer(" ".join(("error in the stream", *names[:1]))))
        self._finished |= any(choice.get("finish_reason") for choice in event.get("choices") or ())
        return SERVED if event.get("type") in _FINAL else None


class DocumentWatch(Watch):
    """One JSON document, of which both ends are kept."""

    def __init__(self, encoding: bytes = b"") -> None:
        super().__init__(encoding)
        self._head = b""
        self._tail = b""

    def _read(self, data: bytes) -> Finding | None:
        self._head = self._head or data.lstrip()[:1]
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        return None

    def _ended(self) -> Finding:
        tail = self._tail.rstrip()
        if not tail or not tail.endswith(_CLOSING.get(self._head, b"")):
            return bad("the answer is not whole JSON" if tail else "the answer is empty")
        for match in _USAGE.finditer(tail):
            with suppress(ValueError):  # a part of some text that looks like it
                self.usage, _ = _DECODER.raw_decode(tail[match.end() :].decode())
        return SERVED


class WebPageWatch(Watch):
    """A web page where an answer was expected: a proxy's or a login page."""

    def _ended(self) -> Finding:
        return bad("a web page instead of an answer")


def _mapping(value: object) -> Mapping[str, Any]:
    """The value, or an empty one in place of what is none: a compatible server may send anything."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
