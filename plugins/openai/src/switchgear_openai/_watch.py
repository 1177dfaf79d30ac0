"""What the bytes of a good answer (2xx) say, read as they pass: no I/O, and nothing is held back or changed.

The SDK leaves it to the caller to find out that an answer is no JSON. The checks are cheap on purpose: JSON that is
broken inside but closes in the end, and bodies in an encoding other than gzip and deflate, pass for good ones.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from switchgear.spi import Verdict
from switchgear_openai._classify import BadAnswer
from switchgear_openai._encoding import decoder

#: The kinds of tokens that are told apart.
TOKENS = ("prompt", "completion", "cached")

_TAIL = 4096  # bytes of a document's end that are kept: `usage` stands there
#: How a document ends that begins so. Markup is none, however it ends.
_CLOSING = {b"{": b"}", b"[": b"]", b"<": b"\0"}
_USAGE = re.compile(rb'"usage":\s*(?=\{)')
_DECODER = json.JSONDecoder()


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
        details = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
        amounts = (
            usage.get("prompt_tokens", usage.get("input_tokens")),
            usage.get("completion_tokens", usage.get("output_tokens")),
            details.get("cached_tokens"),
        )
        return {
            kind: amount for kind, amount in zip(TOKENS, amounts, strict=True) if isinstance(amount, int) and amount
        }

    def _read(self, _data: bytes) -> Finding | None:
        self.begun = True
        return None

    def _ended(self) -> Finding:
        return SERVED


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


def mapping(value: object) -> Mapping[str, Any]:
    """The value, or an empty one in place of what is none: a compatible server may send anything."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
