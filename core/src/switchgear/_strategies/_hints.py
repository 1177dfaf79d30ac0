"""What an answer's headers say of a limit: how much is left, and how long to wait."""

from __future__ import annotations

from math import isnan
from typing import Any, NamedTuple

#: Seconds. A gateway's mistake must not stop all calls for a day.
_LONGEST = 3600.0
#: A number of seconds as large as this is a date.
_EPOCH = 1e8


class Hint(NamedTuple):
    """`remaining`: units left of `limit`, as the server counts. `wait`: seconds before which it will not serve."""

    remaining: float | None = None
    limit: float | None = None
    wait: float | None = None


NOTHING = Hint()
#: What most functions return has no headers; to find that out by asking would cost more than all the rest.
SILENT = frozenset({type(None), bool, bytes, dict, float, int, list, str, tuple})


def hint_of(answer: object, unit: str) -> Hint:
    """What the headers of a response, or of the response that an exception has, say of units ("requests", "tokens").

    `retry-after-ms`, `retry-after` (seconds or a date), `x-ratelimit-remaining-UNIT` and `-limit-UNIT` as OpenAI has
    them; for requests also without a unit, and with `x-ratelimit-reset` (seconds or a date), as GitHub does.
    """
    if type(answer) in SILENT:
        return NOTHING
    headers: Any = getattr(answer, "headers", None)
    if headers is None:
        headers = getattr(getattr(answer, "response", None), "headers", None)
    if not hasattr(headers, "get"):
        return NOTHING
    wait = _wait(headers)
    suffix = "" if unit == "requests" and f"x-ratelimit-remaining-{unit}" not in headers else f"-{unit}"
    remaining = _number(headers.get(f"x-ratelimit-remaining{suffix}"))
    if remaining is not None and remaining < 1 and wait is None and not suffix:
        wait = _until(headers.get("x-ratelimit-reset"), headers)
    return Hint(remaining, _number(headers.get(f"x-ratelimit-limit{suffix}")), wait)


def _wait(headers: Any) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    return _until(headers.get("retry-after"), headers)


def _until(moment: object, headers: Any) -> float | None:
    """Seconds until a moment that is given in seconds from now, or as a date."""
    seconds = _number(moment)
    if seconds is not None and seconds < _EPOCH:
        return _bounded(seconds)
    date = _date(moment) if seconds is None else seconds
    # From the answer's own date, so that clocks need not agree.
    now = _date(headers.get("date"))
    return None if date is None or now is None else _bounded(date - now)


def _date(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _number(text: object) -> float | None:
    try:
        number = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return None if isnan(number) else number


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST)
