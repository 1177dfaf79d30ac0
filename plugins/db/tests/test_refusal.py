"""A refusal is SQLAlchemy's own error for a database that cannot be reached."""

from __future__ import annotations

import pickle

import pytest
import sqlalchemy.exc

from switchgear import CallNotPermitted, Cause, State
from switchgear_db._refusal import DbCallNotPermitted

CAUSES = (Cause("OSError", "no", 5),)
REFUSAL = DbCallNotPermitted("db", "host:5432/read", State.OPEN, 2.5, "5 failures in a row", CAUSES)


@pytest.mark.parametrize(
    "kind",
    [CallNotPermitted, sqlalchemy.exc.OperationalError, sqlalchemy.exc.SQLAlchemyError, ConnectionError, OSError],
)
def test_existing_except_clauses_catch_it(kind: type[Exception]) -> None:
    """Whether an application expects SQLAlchemy's error, or asyncpg's bare OSError, or ours."""
    with pytest.raises(kind):
        raise REFUSAL


def test_it_has_what_sqlalchemys_errors_have() -> None:
    """Code that looks into an OperationalError finds a failed connect in it, and no invalidated connection."""
    assert (REFUSAL.orig.sqlstate, REFUSAL.orig.pgcode) == ("08001", "08001")
    assert (REFUSAL.statement, REFUSAL.params, REFUSAL.detail) == (None, None, [])
    assert REFUSAL.orig.args == (str(REFUSAL),)
    assert not REFUSAL.connection_invalidated


def test_it_says_what_happened() -> None:
    """The text is ours, with rule, causes and wait; SQLAlchemy's would hide them behind a link."""
    assert str(REFUSAL) == (
        "Call not permitted: db[host:5432/read] is OPEN: 5 failures in a row. "
        "Last causes: 5 x OSError: no. Try again in 2.5 s."
    )


def test_it_pickles() -> None:
    """With all its fields, as one must that crosses to another process."""
    copy = pickle.loads(pickle.dumps(REFUSAL))
    assert type(copy) is DbCallNotPermitted
    assert str(copy) == str(REFUSAL)
    assert (copy.retry_after, copy.domain, copy.causes) == (2.5, "host:5432/read", CAUSES)


def test_it_is_made_without_causes_too() -> None:
    """OSError, its base, would take five arguments for its own; the refusal keeps them."""
    refusal = DbCallNotPermitted("db", "", State.OPEN, None, "told so")
    assert (refusal.breaker, refusal.reason, refusal.causes) == ("db", "told so", ())
    assert pickle.loads(pickle.dumps(refusal)).reason == "told so"
