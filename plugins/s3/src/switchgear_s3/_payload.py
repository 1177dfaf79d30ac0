"""What an operation is going to send, and whether that can be sent once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from io import IOBase
from typing import Any, NamedTuple, cast

from switchgear.spi import Operation
from switchgear_s3._operations import LARGE, operation

_BYTES = (bytes, bytearray, memoryview, str)


class Payload(NamedTuple):
    """The body of one operation: its bytes, where that is known, and how to begin it anew, where that is possible."""

    length: int | None
    rewind: Callable[[], object] | None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Payload:
        """What the parameters of an operation say of it."""
        body: Any = params.get("Body")
        if body is None:
            return cls(0, int)
        if isinstance(body, _BYTES):
            return cls(len(cast("bytes", body)), int)
        if isinstance(body, IOBase) and body.seekable():
            return cls(None, partial(body.seek, body.tell()))  # from where it stands
        return cls(None, None)

    def operation(self, api_name: str, *, hedged: bool) -> Operation:
        """The operation that sends it: none to be repeated if it can be sent only once, or `hedged`, twice at a time,
        which a file cannot be."""
        known = operation(api_name, large=self.length is None or self.length > LARGE)
        once = self.rewind is None or (hedged and self.length is None)
        return replace(known, idempotent=False) if once else known
