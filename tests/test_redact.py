"""What is kept of a foreign exception is short, on one line, and holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchgear._redact import describe, redact

SECRET = "hunter2-S3cr3t+x"

PLACES = [
    "redis://user:{}@db.example:6379/0 refused the connection",
    "redis://:{}@db.example:6379/0",
    "postgresql://u:p@{}@host/db",  # an @ in a password
    "password={} is wrong",
    "PASSWORD = '{}'",
    '{{"db_password": "{}"}}',
    '{{"Authorization": "Bearer {}"}}',
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    "x-api-key: {}",
    "api_key={}&region=eu",
    "https://bucket.example/key?X-Amz-Signature={}&x=1",
    "https://bucket.example/key?X-Amz-Security-Token={}",
    "Credential={}, SignedHeaders=host",
    "secret: {}; token: {}",
    "openai_token={}",
    "pwd={}",
    "client_secret: '{} with spaces'",
]


@pytest.mark.parametrize("place", PLACES)
def test_secrets_are_masked(place: str) -> None:
    """By the name they come with, or the place in a URL or a header."""
    shown = redact(place.format(SECRET, SECRET))
    assert "hunter2" not in shown
    assert "S3cr3t" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "key", ["sk-abcdefghijklmnop", "sk-proj-abc_DEF-123", "pk-12345678901", "AKIAIOSFODNN7EXAMPLE"]
)
def test_keys_are_masked_by_their_shape(key: str) -> None:
    """OpenAI's and AWS's, wherever they stand."""
    assert redact(f"Incorrect key provided: {key}.") in {
        "Incorrect key provided: ***.", "Incorrect key provided: ***",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Connection refused: 127.0.0.1:6379",
        "https://s3.eu-central-1.amazonaws.com/bucket returned 503",
        "basic error: too many connections",
        "the token bucket is empty",
        "risk-averse",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """An address and a reason are what the text is kept for."""
    assert redact(text) == text


def test_the_text_is_one_short_line() -> None:
    """Breaks and runs of blanks become one blank; at most 200 characters, the last one says that there was more."""
    assert redact("a\n  b\t\tc\r\n") == "a b c"
    assert redact("x" * 200) == "x" * 200
    assert redact("x" * 201) == "x" * 199 + "…"


def test_a_huge_message_costs_no_more_than_a_long_one() -> None:
    """Megabytes of it are cut before they are searched."""
    assert redact("://" + "a:" * 5_000_000).endswith("…")
    assert len(redact("password=" * 1_000_000)) <= 200


@given(st.text(), st.sampled_from(PLACES), st.text(alphabet="abcdef0123456789", min_size=12, max_size=40))
def test_no_secret_survives_anywhere_in_a_text(before: str, place: str, secret: str) -> None:
    """Whatever stands before it."""
    assume(secret not in before)
    shown = redact(f"{before} {place.format(secret, secret)}")
    assert secret not in shown


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_describe_never_raises() -> None:
    """An exception whose text cannot be made is described by its type alone."""
    assert describe(ValueError("password=x")) == ("ValueError", "password=***")
    assert describe(Unspeakable()) == ("Unspeakable", "")
    assert describe(KeyboardInterrupt()) == ("KeyboardInterrupt", "")
