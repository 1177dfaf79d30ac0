"""What is read from the headers of answers, as providers write them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from switchgear._strategies._hints import Hint, hint_of

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
EPOCH = 1792567680  # that moment

NOTHING = Hint()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NOTHING),
        ({"retry-after": "2"}, Hint(wait=2.0)),
        ({"retry-after": "1.5"}, Hint(wait=1.5)),
        ({"retry-after-ms": "120", "retry-after": "1"}, Hint(wait=0.12)),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, Hint(wait=30.0)),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT", "date": DATE}, Hint(wait=0.0)),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, NOTHING),  # whose clock would it be by?
        ({"retry-after": "soon"}, NOTHING),
        ({"retry-after": "nan"}, NOTHING),
        ({"retry-after": "-3"}, Hint(wait=0.0)),
        ({"retry-after": "86400"}, Hint(wait=3600.0)),
        ({"x-ratelimit-remaining-requests": "59", "x-ratelimit-limit-requests": "60"}, Hint(59.0, 60.0)),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s"}, Hint(0.0)),
        ({"x-ratelimit-remaining-tokens": "5"}, NOTHING),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-limit": "5000", "x-ratelimit-reset": "30"}, Hint(7.0, 5000.0)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, Hint(0.0, None, 30.0)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{EPOCH + 90}", "date": DATE}, Hint(0.0, None, 90.0)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{EPOCH + 90}"}, Hint(0.0)),
    ],
)
def test_headers(headers: dict[str, str], expected: Hint) -> None:
    """Retry-After in its forms, and what is left: of requests by name as OpenAI has it, or of whatever as GitHub."""
    assert hint_of(httpx.Response(200, headers=headers), "requests") == expected


def test_where_headers_are_found() -> None:
    """On a response, on the response of an exception; not on anything else, whatever it is."""
    response = httpx.Response(429, headers={"Retry-After": "3"})
    error = httpx.HTTPStatusError("no", request=httpx.Request("GET", "http://127.0.0.1"), response=response)
    assert hint_of(response, "requests").wait == 3.0
    assert hint_of(error, "requests").wait == 3.0
    others: list[Any] = [None, b"bytes", {"headers": {}}, ValueError(), SimpleNamespace(headers=[("retry-after", "3")])]
    for other in others:
        assert hint_of(other, "requests") == NOTHING


def test_units() -> None:
    """Each unit has its own count."""
    headers = {"x-ratelimit-remaining-tokens": "1000", "x-ratelimit-limit-tokens": "30000"}
    assert hint_of(SimpleNamespace(headers=headers), "tokens") == Hint(1000.0, 30000.0)
    assert hint_of(SimpleNamespace(headers={"x-ratelimit-remaining": "3"}), "tokens") == NOTHING
