"""A statement is the operation that its first word names."""

from __future__ import annotations

import pytest

from switchgear_db._operations import CHECKOUT, FINISH, OPERATIONS, operation_of


@pytest.mark.parametrize(
    ("statement", "name", "klass"),
    [
        ("SELECT 1", "db.select", "read"),
        ("select * from t", "db.select", "read"),
        ("\n  -- who asks\n /* and why:\n select */ ((SELECT 1) UNION SELECT 2)", "db.select", "read"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "db.select", "read"),
        ("WITH a AS (DELETE FROM t RETURNING x) SELECT * FROM a", "db.delete", "write"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "db.insert", "write"),
        ("INSERT INTO t VALUES (1)", "db.insert", "write"),
        ("UPDATE t SET selected = 1", "db.update", "write"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "db.merge", "write"),
        ("CALL p()", "db.other", "write"),
        ("PREPARE TRANSACTION 'x'", "db.other", "write"),
        ("", "db.other", "write"),
        ("CREATE INDEX i ON t (x)", "db.create", "admin"),
        ("VACUUM", "db.vacuum", "admin"),
        ("SAVEPOINT a", "db.savepoint", "read"),
        ("SHOW server_version", "db.show", "read"),
    ],
)
def test_the_first_word_names_it(statement: str, name: str, klass: str) -> None:
    """Comments, blanks and brackets before it do not matter, and a CTE is what it writes; what is unknown may write."""
    operation = operation_of(statement)
    assert (operation.name, operation.klass) == (name, klass)


@pytest.mark.parametrize(
    "statement", ["COMMIT", "ROLLBACK PREPARED 'x'", "rollback to savepoint a", "RELEASE SAVEPOINT a", "END", "ABORT"]
)
def test_what_ends_a_transaction_is_told_apart(statement: str) -> None:
    """Such statements are never refused."""
    assert operation_of(statement) is FINISH


def test_only_reads_are_idempotent() -> None:
    """Nobody may repeat a write for us. Taking a connection leaves no trace."""
    assert {operation.klass for operation in OPERATIONS if operation.idempotent and operation is not CHECKOUT} == {
        "read"
    }


def test_a_long_statement_is_told_as_well() -> None:
    """One made up for a single use is not remembered, and told all the same."""
    rows = ", (1)" * 10_000
    assert operation_of(f"INSERT INTO t VALUES (1){rows}").name == "db.insert"  # noqa: S608 - nobody executes it
