"""The faults of the OpenAI stand-in, as data that go to it by JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, TypedDict, get_args

FaultKind: TypeAlias = Literal[
    "status", "slow", "hang", "reset", "html", "malformed", "cut", "truncate", "stall", "stream_error"
]


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
      "hang" (nothing until healed), "reset" (the connection is reset), "html" (status 200 with a web page, as a proxy would);
    - before it: "slow" (`seconds` of waiting, then the good answer);
    - within it, after `after` pieces (a stream's chunks; halves of a plain answer): "cut" (the connection is reset),
      "truncate" (the answer ends: a stream in good order, but without its [DONE]), "stall" (nothing more until healed),
      "malformed" (broken JSON), "stream_error" (an error as a chunk, then the end; a plain answer becomes status 500).

    Attributes:
        code: OpenAI's name of the error: "rate_limit_exceeded", "insufficient_quota"; "" for the one usual for `status`.
        model: the only model it strikes; None for all, and for requests without a model.
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
        if not 400 <= self.status <= 599:
            raise ValueError(f"A fault's status is an error, 400 to 599, not {self.status}.")
        if self.seconds < 0 or self.after < 0 or (self.retry_after or 0) < 0:
            raise ValueError("A fault's seconds, after and retry_after are not negative.")
        if self.count is not None and self.count < 1:
            raise ValueError(f"A fault strikes at least once, not {self.count} times.")

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Faults:
    """The faults in force: at most one for each model, and one for all."""

    def __init__(self) -> None:
        self._faults: dict[str | None, Fault] = {}
        self._left: dict[str | None, int | None] = {}

    def set(self, fault: Fault) -> None:
        self._faults[fault.model] = fault
        self._left[fault.model] = fault.count

    def clear(self) -> None:
        self._faults.clear()

    def strike(self, model: str | None) -> Fault | None:
        """The fault that this request meets, if any; a model's own goes before the one for all."""
        fault = self._faults.get(model) or self._faults.get(None)
        if fault is None or (left := self._left[fault.model]) is None:
            return fault
        self._left[fault.model] = left - 1
        if left == 1:
            del self._faults[fault.model]
        return fault
