"""What the headers of an answer say about limits: how long to wait, and how much is left."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

KINDS = ("requests", "tokens")

#: Seconds. A gateway's mistake must not keep a model shut for a day; one that does rest till tomorrow is asked hourly.
_LONGEST = 3600.0

_REMAINING = {kind: f"x-ratelimit-remaining-{kind}".encode() for kind in KINDS}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds until the API will serve again, as it says itself; None where it does not.

    `retry-after-ms` goes before `retry-after` (seconds or a date), as in the SDK; without either, the reset of the
    limit that has nothing left.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        wait = _number(headers.get(name, ""))
        if wait is not None:
            return _bounded(wait * unit)
    if "retry-after" in headers:
        return _bounded(_until(headers["retry-after"], headers.get("date", "")))
    used_up = [kind for kind in KINDS if _number(headers.get(f"x-ratelimit-remaining-{kind}", "")) == 0]
    return _bounded(max((_duration(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in used_up), default=0))


def remaining_of(headers: Mapping[bytes, bytes]) -> dict[str, float]:
    """How many requests and tokens are left, by kind, where the answer says so."""
    said = {kind: headers[name] for kind, name in _REMAINING.items() if name in headers}
    return {kind: number for kind, text in said.items() if (number := _number(text)) is not None}


def _number(text: str | bytes) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _duration(text: str) -> float:
    """Seconds in "1s", "6m0s" or "120ms"; 0 for what is none."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _until(date: str, now: str) -> float:
    """Seconds from the answer's own date, so that clocks need not agree, to the date it names; 0 for what is none."""
    try:
        then = parsedate_to_datetime(date)
        start = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return (then - start).total_seconds()
    except (TypeError, ValueError):  # not a date, or only one of the two has a zone
        return 0


def _bounded(wait: float) -> float | None:
    return min(wait, _LONGEST) if wait > 0 else None
