"""What each error says about the server. The errors are made by redis-py, from replies as servers send them."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
import redis.exceptions
from redis._parsers.base import BaseParser
from redis.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

from switchgear import Verdict
from switchgear_redis._classify import _VERDICTS, classify, counter_of

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
BROKEN = FAILURE.everywhere()

REPLIES = {
    "LOADING Redis is loading the dataset in memory": BROKEN,
    "ERR max number of clients reached": THROTTLED,
    "OOM command not allowed when used memory > 'maxmemory'.": FAILURE,
    "READONLY You can't write against a read only replica.": FAILURE,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": FAILURE,
    "CLUSTERDOWN The cluster is down": FAILURE,
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": FAILURE,
    "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk.": FAILURE,
    "NOREPLICAS Not enough good replicas to write.": FAILURE,
    "IOERR error or timeout writing to target instance": FAILURE,
    "UNKILLABLE Sorry the script already executed write commands against the dataset.": FAILURE,
    "EXECABORT Transaction discarded because of: OOM command not allowed": FAILURE,
    "EXECABORT Transaction discarded because of previous errors.": SUCCESS,
    "WRONGTYPE Operation against a key holding the wrong kind of value": SUCCESS,
    "NOSCRIPT No matching script.": SUCCESS,
    "ERR unknown command 'FOO'": SUCCESS,
    "BUSYGROUP Consumer Group name already exists": SUCCESS,
    "BUSYKEY Target key name already exists.": SUCCESS,
    "CROSSSLOT Keys in request don't hash to the same slot": SUCCESS,
    "NOAUTH Authentication required.": IGNORED,
    "WRONGPASS invalid username-password pair or user is disabled.": IGNORED,
    "NOPERM User default has no permissions to run the 'get' command": IGNORED,
    "ERR invalid password": IGNORED,
}


@pytest.mark.parametrize(("reply", "verdict"), REPLIES.items())
def test_an_error_reply(reply: str, verdict: Verdict) -> None:
    """A refused command is a served one, unless it was refused because the server cannot serve."""
    assert verdict == classify(BaseParser.parse_error(reply))


RAISED: dict[Exception, Verdict] = {
    redis.exceptions.ConnectionError("Error 111 connecting to localhost:6379. Connection refused."): BROKEN,
    redis.exceptions.ConnectionError("Connection closed by server."): BROKEN,
    ConnectionRefusedError(111, "refused"): BROKEN,
    OSError("Network is unreachable"): BROKEN,
    MasterNotFoundError("No master found for 'mymaster'"): BROKEN,
    SlaveNotFoundError("No slave found for 'mymaster'"): BROKEN,
    redis.exceptions.TimeoutError("Timeout reading from localhost:6379"): FAILURE,
    redis.exceptions.TimeoutError("Timeout connecting to server"): BROKEN,
    TimeoutError(): FAILURE,
    redis.exceptions.InvalidResponse("Protocol Error"): FAILURE,
    redis.exceptions.ClusterError("TTL exhausted."): FAILURE,
    redis.exceptions.RedisClusterException("Redis Cluster cannot be connected."): FAILURE,
    redis.exceptions.SlotNotCoveredError("Slot not covered"): FAILURE,
    redis.exceptions.MovedError("3999 127.0.0.1:6381"): IGNORED,
    redis.exceptions.AskError("3999 127.0.0.1:6381"): IGNORED,
    redis.exceptions.TryAgainError("Multiple keys request during rehashing of slot"): IGNORED,
    redis.exceptions.MaxConnectionsError("Too many connections"): IGNORED,
    redis.exceptions.ConnectionError("Too many connections"): IGNORED,  # redis-py before 7
    redis.exceptions.ConnectionError("No connection available."): IGNORED,
    redis.exceptions.AuthorizationError(): IGNORED,
    redis.exceptions.DataError("Invalid input of type: 'object'"): IGNORED,
    redis.exceptions.PubSubError(): IGNORED,
    redis.exceptions.LockError("Cannot release an unlocked lock"): IGNORED,
    redis.exceptions.LockNotOwnedError("Cannot release a lock that's no longer owned"): IGNORED,
    redis.exceptions.WatchError("Watched variable changed."): SUCCESS,
    LookupError("nobody knows what this is"): FAILURE,
}


@pytest.mark.parametrize(("error", "verdict"), RAISED.items(), ids=repr)
def test_an_error_of_the_client(error: Exception, verdict: Verdict) -> None:
    """What redis-py raises by itself: a server out of reach, our own pool, the caller's own doing."""
    assert verdict == classify(error)


def test_an_error_behind_its_command_is_found() -> None:
    """In a pipeline redis-py puts the command before the reply; a command that names a code is not taken for one."""
    failed = redis.exceptions.ResponseError(
        "Command # 1 (SET k v) of pipeline caused error: ('MISCONF cannot persist',)"
    )
    served = redis.exceptions.ResponseError("Command # 1 (SET OOM v) of pipeline caused error: ('WRONGTYPE ...',)")
    assert (classify(failed), classify(served)) == (FAILURE, SUCCESS)


def test_a_lost_connection_is_not_taken_for_a_lost_race() -> None:
    """redis-py reports a connection that breaks during a WATCH as a WatchError; the breaker sees what it was."""
    error = redis.exceptions.WatchError("A ConnectionError occurred while watching one or more keys")
    error.__context__ = redis.exceptions.ConnectionError("Connection closed by server.")
    assert classify(error) == BROKEN


def test_no_exception_of_redis_py_is_forgotten() -> None:
    """Every class that this redis-py raises is in the table, itself or by a parent that is not merely RedisError."""
    classes: list[Any] = [
        c for c in vars(redis.exceptions).values() if isinstance(c, type) and issubclass(c, Exception)
    ]
    known = {name for c in classes for name in [k.__name__ for k in c.__mro__] if name in _VERDICTS}
    assert {"RedisError"} == {c.__name__ for c in classes if not {k.__name__ for k in c.__mro__} & known}


@pytest.mark.parametrize(
    ("error", "counter"),
    [
        (redis.exceptions.MaxConnectionsError("Too many connections"), "pool_exhausted"),
        (redis.exceptions.ConnectionError("No connection available."), "pool_exhausted"),
        (redis.exceptions.AuthenticationError("invalid password"), "auth_errors"),
        (redis.exceptions.NoPermissionError("no permissions"), "auth_errors"),
        (redis.exceptions.ConnectionError("Connection closed by server."), ""),
        (redis.exceptions.ResponseError("WRONGTYPE"), ""),
    ],
    ids=repr,
)
def test_what_no_breaker_opens_for_is_counted(error: Exception, counter: str) -> None:
    """A full pool and a wrong password are somebody's problem, and visible."""
    assert counter == counter_of(error)
