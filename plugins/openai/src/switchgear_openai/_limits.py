"""What the headers of an answer say about limits: how long to wait, and how much is left."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

KINDS = ("requests", "tokens")

#: Seconds. A gateway's mistake must not keep a model shut for a day; one that does rest till tomorrow is asked hourly.
_LONGEST = 3600.0

#: Domains whose limits are kept in mind: models come from callers.
_MOST_DOMAINS = 256

#: kind -> the headers that tell how many there may be, how many are left, and when all of them are back.
_HEADERS = {
    kind: tuple(f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset")) for kind in KINDS
}
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


class Limits:
    """How much is left of the API's limits, as its answers say.

    `clock` gives seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        #: Requests and tokens left, by kind, as the last answer that said so.
        self.remaining: dict[str, float] = {}
        # domain -> kind -> the share in use, and until when that holds. Each model has limits of its own.
        self._used: dict[str, dict[str, tuple[float, float]]] = {}

    def heard(self, domain: str, headers: Mapping[bytes, bytes]) -> None:
        """Take in what the headers of an answer say."""
        used: dict[str, tuple[float, float]] = {}
        for kind, (limit, remaining, reset) in _HEADERS.items():
            left, most = _number(headers.get(remaining, b"")), _number(headers.get(limit, b""))
            if left is None:
                continue
            self.remaining[kind] = left
            wait = _bounded(_duration(headers.get(reset, b"").decode(errors="replace")))
            if wait is not None and most is not None and 0 < most < math.inf:
                used[kind] = min(max(1 - left / most, 0.0), 1.0), self._clock() + wait
        if used:
            self._used.pop(domain, None)  # so that the dict is ordered by who was heard of last
            self._used[domain] = used
            if len(self._used) > _MOST_DOMAINS:
                del self._used[next(iter(self._used))]

    def used(self) -> dict[str, float]:
        """The share in use of each kind, 0..1: of the model that has the least left, and until its limit is reset."""
        now, shares = self._clock(), dict[str, float]()
        for used in self._used.values():
            for kind, (share, until) in used.items():
                if now < until:
                    shares[kind] = max(share, shares.get(kind, 0.0))
        return shares


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
