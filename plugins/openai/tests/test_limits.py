"""Headers: how long to wait, and how much is left."""

from __future__ import annotations

import httpx2
import pytest

from switchgear.testing import VirtualClock
from switchgear_openai._limits import Limits, wait_of

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


def said(**headers: str) -> dict[bytes, bytes]:
    return {f"x-ratelimit-{name}".replace("_", "-").encode(): value.encode() for name, value in headers.items()}


def test_remaining() -> None:
    """Only limits that an answer names are known, and they stay known while later answers are silent."""
    limits = Limits()
    limits.heard("m", said(remaining_requests="59", limit_tokens="1000"))
    limits.heard("m", {})
    assert limits.remaining == {"requests": 59.0}


def test_the_share_in_use_holds_until_the_reset() -> None:
    """Each kind for its own time, to the moment that the server named; and a later answer replaces an earlier one."""
    clock = VirtualClock()
    limits = Limits(clock)
    limits.heard("m", said(limit_requests="60", remaining_requests="15", reset_requests="45s",
                           limit_tokens="1000", remaining_tokens="900", reset_tokens="6s"))  # fmt: skip
    assert limits.used() == {"requests": 0.75, "tokens": pytest.approx(0.1)}
    clock.advance(6)
    assert limits.used() == {"requests": 0.75}
    limits.heard("m", said(limit_requests="60", remaining_requests="30", reset_requests="10s"))
    assert limits.used() == {"requests": 0.5}
    clock.advance(10)
    assert limits.used() == {}


def test_of_several_models_the_one_with_the_least_left_counts() -> None:
    """Each has limits of its own, and what one still has is of no use to the other."""
    limits = Limits(VirtualClock())
    limits.heard("large", said(limit_tokens="1000", remaining_tokens="50", reset_tokens="57s"))
    limits.heard("small", said(limit_tokens="1000", remaining_tokens="1000", reset_tokens="1ms"))
    assert limits.used() == {"tokens": 0.95}


@pytest.mark.parametrize(
    ("limit", "remaining", "reset"),
    [("0", "0", "1s"), ("-1", "-1", "1s"), ("inf", "7", "1s"), ("nan", "7", "1s"), ("60", "", "1s"), ("", "7", "1s"),
     ("60", "7", ""), ("60", "7", "soon"), ("60", "7", "0s"), ("60", "nan", "1s")],
)  # fmt: skip
def test_limits_that_make_no_sense_saturate_nothing(limit: str, remaining: str, reset: str) -> None:
    """No limit, an endless one, or one of which nobody says when it is reset."""
    limits = Limits(VirtualClock())
    limits.heard("m", said(limit_tokens=limit, remaining_tokens=remaining, reset_tokens=reset))
    assert limits.used() == {}


@pytest.mark.parametrize(("remaining", "share"), [("-5", 1.0), ("0", 1.0), ("60", 0.0), ("90", 0.0)])
def test_the_share_stays_between_none_and_all(remaining: str, share: float) -> None:
    """Also where a server has granted more than its limit, or left less than nothing."""
    limits = Limits(VirtualClock())
    limits.heard("m", said(limit_requests="60", remaining_requests=remaining, reset_requests="1s"))
    assert limits.used() == {"requests": share}


def test_a_thousand_models_take_no_more_memory_than_the_last_of_them() -> None:
    """Names of models come from callers: whoever was not heard of for the longest time is forgotten."""
    limits = Limits(VirtualClock())
    limits.heard("first", said(limit_tokens="100", remaining_tokens="0", reset_tokens="59m"))
    for number in range(1000):
        limits.heard(f"model-{number}", said(limit_tokens="100", remaining_tokens="90", reset_tokens="59m"))
        if number == 100:
            assert limits.used() == {"tokens": 1.0}
    assert limits.used() == {"tokens": pytest.approx(0.1)}
