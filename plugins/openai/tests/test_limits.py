"""Headers: how long to wait, and how much is left."""

from __future__ import annotations

import httpx2
import pytest

from switchgear_openai._limits import remaining_of, wait_of

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "inf"}, 3600.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": DATE}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0h40m1.5s"}, 2401.5),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1h"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"retry-after": "2", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m"}, 2.0),
    ],
)
def test_wait(headers: dict[str, str], wait: float | None) -> None:
    """Milliseconds go before seconds, those before a date, all before the reset of a used-up limit; at most an hour."""
    found = wait_of(httpx2.Headers(headers))
    assert found == (None if wait is None else pytest.approx(wait))


def test_date_without_a_date() -> None:
    """Where the answer carries no date of its own, this machine's clock stands in: a date long past means no wait."""
    assert wait_of({"retry-after": DATE.replace("2026", "2020").replace("Sun", "Wed")}) is None


def test_remaining() -> None:
    """Only limits that the answer names are reported."""
    headers = {b"x-ratelimit-remaining-requests": b"59", b"x-ratelimit-limit-tokens": b"1000"}
    assert remaining_of(headers) == {"requests": 59.0}
