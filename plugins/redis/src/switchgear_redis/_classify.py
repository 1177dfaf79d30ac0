"""What each of redis-py's errors says about the server.

Errors are known by name: importing their classes would import the SDK, and not every version has all of them. The most
derived name that is listed decides, so BusyLoadingError does not count as the ConnectionError that it also is.
"""

from __future__ import annotations

import re

from switchgear.spi import Verdict

# A connection carries reads and writes alike: what breaks it is said of both halves.
_BROKEN = Verdict.FAILURE.everywhere()

_VERDICTS: dict[str, Verdict] = {
    # The server cannot be reached, or does not serve.
    "ConnectionError": _BROKEN,
    "OSError": _BROKEN,
    "BusyLoadingError": _BROKEN,
    "TimeoutError": Verdict.FAILURE,  # perhaps of this half only: CLIENT PAUSE WRITE stops nothing but writes
    "InvalidResponse": Verdict.FAILURE,  # not a server's answer at all
    "ClusterDownError": Verdict.FAILURE,
    "ClusterError": Verdict.FAILURE,  # redirected until redis-py lost patience
    "SlotNotCoveredError": Verdict.FAILURE,
    "RedisClusterException": Verdict.FAILURE,
    # Reads still work; the commands that these refuse all belong to the write half.
    "OutOfMemoryError": Verdict.FAILURE,
    "ReadOnlyError": Verdict.FAILURE,
    # The server did its work and said no.
    "ResponseError": Verdict.SUCCESS,
    "WatchError": Verdict.SUCCESS,
    # Routing: the answer is elsewhere.
    "AskError": Verdict.IGNORED,  # and MovedError, which derives from it
    "TryAgainError": Verdict.IGNORED,
    # Configuration or the caller's own doing: nothing about the server's health.
    "AuthenticationError": Verdict.IGNORED,
    "AuthenticationWrongNumberOfArgsError": Verdict.IGNORED,
    "AuthorizationError": Verdict.IGNORED,
    "ExternalAuthProviderError": Verdict.IGNORED,
    "NoPermissionError": Verdict.IGNORED,
    "MaxConnectionsError": Verdict.IGNORED,  # our own pool is empty
    "CrossSlotTransactionError": Verdict.IGNORED,
    "InvalidPipelineStack": Verdict.IGNORED,
    "DataError": Verdict.IGNORED,
    "PubSubError": Verdict.IGNORED,
    "LockError": Verdict.IGNORED,
    "ChildDeadlockedError": Verdict.IGNORED,
    "IncorrectPolicyType": Verdict.IGNORED,
}

# Where only the text tells: what redis-py has no class for, and where it uses one class for two things.
_TEXTS: tuple[tuple[str, re.Pattern[str], Verdict], ...] = (
    ("ConnectionError", re.compile(r"^(Too many connections|No connection available)"), Verdict.IGNORED),
    ("ConnectionError", re.compile(r"max number of clients"), Verdict.THROTTLED),
    ("TimeoutError", re.compile(r"^Timeout connecting"), _BROKEN),
    (
        "ResponseError",
        re.compile(r"^(MOVED|ASK|TRYAGAIN)\b"),
        Verdict.IGNORED,
    ),  # before redis-py 6, outside of clusters
    # The code comes first; in a pipeline behind the command, in a failed EXEC behind "because of". \b keeps BUSYGROUP
    # and BUSYKEY out, which are the caller's.
    (
        "ResponseError",
        re.compile(
            r"(^|caused error: \(['\"]|because of: )"
            r"(BUSY|MISCONF|NOREPLICAS|IOERR|UNKILLABLE|MASTERDOWN|CLUSTERDOWN|LOADING|OOM|READONLY)\b"
        ),
        Verdict.FAILURE,
    ),
)

_COUNTED = {
    "MaxConnectionsError": "pool_exhausted",
    "AuthenticationError": "auth_errors",
    "AuthorizationError": "auth_errors",
    "ExternalAuthProviderError": "auth_errors",
    "NoPermissionError": "auth_errors",
}


def classify(exc: BaseException) -> Verdict:
    """The verdict on one of redis-py's exceptions; one that is not listed is a FAILURE."""
    if type(exc).__name__ == "WatchError" and "while watching" in str(exc) and exc.__context__ is not None:
        return classify(exc.__context__)  # a lost connection, reported as a conflict of who was watching over it
    name = _name(exc)
    for listed, text, verdict in _TEXTS:
        if listed == name and text.search(str(exc)):
            return verdict
    return _VERDICTS.get(name, Verdict.FAILURE)


def counter_of(exc: BaseException) -> str:
    """The counter of an error that says nothing about the server, and yet somebody must see; "" for all others."""
    name = _name(exc)
    local = name == "ConnectionError" and classify(exc) == Verdict.IGNORED
    return "pool_exhausted" if local else _COUNTED.get(name, "")


def _name(exc: BaseException) -> str:
    """The name of the most derived class that is listed."""
    return next((kind.__name__ for kind in type(exc).__mro__ if kind.__name__ in _VERDICTS), "")
