"""The faults of the OpenAI stand-in: data that go to it by JSON, and what they make of a reply."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias, TypedDict, get_args

from switchgear.testing.servers.openai._reply import Reply, event, failure

FaultKind: TypeAlias = Literal[
    "status", "slow", "hang", "reset", "html", "malformed", "cut", "truncate", "stall", "stream_error"
]

_ERRORS = range(400, 600)  # HTTP statuses


class FaultDetails(TypedDict, total=False):
    """The fields of `Fault` that have defaults."""

    status: int
    code: str
    retry_after: float | None
    seconds: float
    after: int
    model: str | None
    count: int | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, for which model, and how often.

    Kinds, by when they strike:

    - instead of an answer: "status" (an error with `status`, `code` and a Retry-After header of `retry_after` seconds),
      "hang" (nothing until healed), "reset" (of the connection), "html" (status 200 with a web page, as from a proxy);
    - before the answer: "slow" (`seconds` of waiting);
    - within it, after `after` pieces (chunks of a stream, halves of any other answer): "cut" (the connection is reset),
      "truncate" (the answer ends: a stream in good order, but without its [DONE]), "stall" (no more until healed),
      "malformed" (broken JSON), "stream_error" (an error for a chunk, then the end; no stream: status 500).

    Attributes:
        code: OpenAI's name of the error, as "insufficient_quota"; "" for the one usual for `status`.
        model: the only model it strikes; None for all, and for requests that name none.
        count: how many requests it strikes before it is over; None until healed.
    """

    kind: FaultKind
    status: int = 500
    code: str = ""
    retry_after: float | None = None
    seconds: float = 1.0
    after: int = 1
    model: str | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"There is no fault {self.kind!r}; known are {', '.join(get_args(FaultKind))}.")
        if self.status not in _ERRORS:
            raise ValueError(f"A fault's status is an error, 400 to 599, not {self.status}.")
        if self.seconds < 0 or self.after < 0 or (self.retry_after or 0) < 0:
            raise ValueError("A fault's seconds, after and retry_after are not negative.")
        if self.count is not None and self.count < 1:
            raise ValueError(f"A fault strikes at least once, not {self.count} times.")

    def to_json(self) -> bytes:
        """For the server's control endpoint."""
        return json.dumps(asdict(self)).encode()

    def spoil(self, reply: Reply) -> Reply:
        """What the fault makes of a good reply. "reset", "hang", "slow", "cut" and "stall" are up to the connection."""
        begun = reply.pieces[: self.after]
        match self.kind:
            case "status":
                return failure(self.status, "A fault set by a test.", code=self.code, retry_after=self.retry_after)
            case "html":
                return Reply((b"<html><body>Bad gateway</body></html>",), content_type="text/html")
            case "malformed":
                return replace(reply, pieces=(*begun, event('{"id": "chatcmpl-') if reply.stream else b'{"id": '))
            case "stream_error":
                error = failure(500, "A fault set by a test.")
                last = event(b"".join(error.pieces).decode())
                return replace(reply, pieces=(*begun, last)) if reply.stream else error
            case "truncate" if reply.stream:
                return replace(reply, pieces=begun)
            case _:
                return reply


class Faults:
    """The faults in force: at most one for each model, and one for all."""

    def __init__(self) -> None:
        self._faults: dict[str | None, Fault] = {}

    def set(self, fault: Fault) -> None:
        """Puts a fault in force, in place of the one for the same model."""
        self._faults[fault.model] = fault

    def clear(self) -> None:
        """Ends all faults."""
        self._faults.clear()

    def strike(self, model: str | None) -> Fault | None:
        """The fault that this request meets, if any; a model's own goes before the one for all."""
        fault = self._faults.get(model) or self._faults.get(None)
        if fault is None or fault.count is None:
            return fault
        if fault.count > 1:
            self._faults[fault.model] = replace(fault, count=fault.count - 1)
        else:
            del self._faults[fault.model]
        return fault
