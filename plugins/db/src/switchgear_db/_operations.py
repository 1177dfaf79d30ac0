"""The operations of a database, and which of them a statement is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from switchgear.spi import Operation, OperationClass


def _operation(name: str, klass: OperationClass) -> Operation:
    return Operation(name=f"db.{name}", klass=klass, idempotent=klass == "read")


#: Reads no rows, but writes none either, and should be as quick.
CONNECT = _operation("connect", "read")
#: Taking a connection from the pool, waiting and connecting included. How long that may take is the pool's and the
#: driver's to say, not a statement's limits.
CHECKOUT = Operation(name="db.checkout", klass="admin", idempotent=True)
COMMIT = _operation("commit", "write")
#: Reading on from a server-side cursor.
FETCH = _operation("fetch", "read")
#: Ends a transaction or a part of one, or tidies up a session. Never refused.
FINISH = _operation("finish", "read")
#: CALL, DO, COPY, LOCK and words unknown here: they may write.
OTHER = _operation("other", "write")

_WORDS: Mapping[OperationClass, str] = {
    "read": "begin explain pragma savepoint select set show start table values",
    "write": "delete insert merge replace update",
    # The server's housekeeping takes as long as it takes.
    "admin": "alter analyze comment create drop grant refresh reindex revoke truncate vacuum",
}
_FINISHING = "abort commit discard end release reset rollback unlisten"

_BY_WORD = {
    **{word: _operation(word, klass) for klass, words in _WORDS.items() for word in words.split()},
    **dict.fromkeys(_FINISHING.split(), FINISH),
    "fetch": FETCH,
}

OPERATIONS = (CONNECT, CHECKOUT, COMMIT, OTHER, *dict.fromkeys(_BY_WORD.values()))

# The first word, after blanks, comments and opening brackets.
_FIRST_WORD = re.compile(r"(?:[\s(]+|--[^\n]*|/\*.*?\*/)*([a-zA-Z]+)", re.DOTALL)
_LONGEST = 2000  # characters
_WRITING_WORD = re.compile(r"\b(insert|update|delete|merge)\b", re.IGNORECASE)


def operation_of(statement: str) -> Operation:
    """The operation that a statement is, by its first word."""
    # SQLAlchemy compiles a statement once and then uses the same text. Long ones are mostly made up for one use.
    return _known(statement) if len(statement) <= _LONGEST else _first(statement)


def _first(statement: str) -> Operation:
    found = _FIRST_WORD.match(statement)
    word = found[1].lower() if found else ""
    if word == "with":  # common table expressions go before any statement, and may hold one that writes
        found = _WRITING_WORD.search(statement)
        word = found[1].lower() if found else "select"
    return _BY_WORD.get(word, OTHER)


_known = lru_cache(maxsize=1024)(_first)
