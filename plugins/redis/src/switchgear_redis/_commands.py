"""What every command of Redis is: its operation, and which half of a server it needs.

The halves fail apart: a server that is out of memory, or has become a replica, still serves reads. So each address is
two domains, read and write, and a command belongs to the one whose loss would stop it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import inf
from typing import Any, Literal, NamedTuple

from switchgear.spi import Operation, OperationClass

Lookup = Literal["", "one", "many"]


class Command(NamedTuple):
    """`writes`: it needs the write half. `lookup`: its reply, or each item of it, is nil for a key that is not there.
    `finishing`: it ends something that was admitted before, so it is never refused. `options`: those that make it
    another command."""

    operation: Operation
    writes: bool = False
    lookup: Lookup = ""
    finishing: bool = False
    options: frozenset[str] = frozenset()


# class, writes, idempotent, names. A server's own COMMAND flags (write, denyoom, readonly) decide about `writes`;
# idempotent: sending it twice leaves what sending it once would, and the second reply is as good as the first.
_TABLE: tuple[tuple[OperationClass, bool, bool, str], ...] = (
    ("read", False, True, """
        BITCOUNT BITFIELD_RO BITPOS CLUSTERSCAN DBSIZE DUMP ECHO EVALSHA_RO EVAL_RO EXISTS EXPIRETIME FCALL_RO GEODIST
        GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GET GETBIT GETRANGE HEXISTS HEXPIRETIME HGET HGETALL
        HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSTRLEN HTTL HVALS KEYS LCS LINDEX LLEN LOLWUT LPOS LRANGE
        MGET OBJECT PEXPIRETIME PFCOUNT PING PTTL RANDOMKEY SCAN SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS
        SMISMEMBER SORT_RO SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TIME TOUCH TTL TYPE WATCH XINFO XLEN XPENDING XRANGE
        XREAD XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX
        ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION
        BF.EXISTS BF.INFO BF.MEXISTS CF.COUNT CF.EXISTS CF.INFO CF.MEXISTS CMS.QUERY FT.AGGREGATE FT.INFO FT.SEARCH
        JSON.ARRINDEX JSON.ARRLEN JSON.GET JSON.MGET JSON.OBJKEYS JSON.OBJLEN JSON.STRLEN JSON.TYPE
        TS.GET TS.INFO TS.MGET TS.MRANGE TS.MREVRANGE TS.QUERYINDEX TS.RANGE TS.REVRANGE"""),
    ("write", True, True, """
        BITOP COPY DEL DELIFEQ EXPIRE EXPIREAT GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE GETEX HDEL HEXPIRE
        HEXPIREAT HGETEX HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX LSET MSET MSETEX PERSIST PEXPIRE PEXPIREAT PFADD
        PFMERGE PSETEX SADD SDIFFSTORE SET SETBIT SETEX SETRANGE SINTERSTORE SORT SREM SUNIONSTORE UNLINK XACK XDEL
        XSETID XTRIM ZADD ZDIFFSTORE ZINTERSTORE ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYSCORE ZUNIONSTORE"""),
    ("write", True, False, """
        APPEND BITFIELD DECR DECRBY EVAL EVALSHA FCALL GETDEL GETSET HGETDEL HINCRBY HINCRBYFLOAT HSETNX INCR INCRBY
        INCRBYFLOAT LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LTRIM MIGRATE MOVE MSETNX RENAME RENAMENX RESTORE
        RESTORE-ASKING RPOP RPOPLPUSH RPUSH RPUSHX SETNX SMOVE SPOP SWAPDB XADD XAUTOCLAIM XCLAIM XGROUP XREADGROUP
        ZINCRBY ZMPOP ZPOPMAX ZPOPMIN ZREMRANGEBYRANK"""),
    ("write", False, False, "PUBLISH SPUBLISH"),  # stored nowhere: replicas and full servers take it
    ("blocking", True, False, "BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN"),
    ("blocking", False, True, "WAIT WAITAOF"),
    ("stream", False, True, "MONITOR PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE"),
    ("admin", False, False, """
        ACL ASKING AUTH BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND COMMANDLOG CONFIG DEBUG DISCARD EXEC FAILOVER HELLO
        INFO LASTSAVE LATENCY MEMORY MODULE MULTI PFSELFTEST PSYNC PUBSUB QUIT READONLY READWRITE REPLCONF REPLICAOF
        RESET ROLE SAVE SCRIPT SELECT SENTINEL SHUTDOWN SLAVEOF SLOWLOG SYNC UNWATCH"""),
    ("admin", True, False, "FLUSHALL FLUSHDB FUNCTION PFDEBUG"),
)  # fmt: skip

_LOOKUPS: dict[str, Lookup] = {
    "GET": "one", "GETDEL": "one", "GETEX": "one", "HGET": "one", "MGET": "many", "HMGET": "many",
}  # fmt: skip
_FINISHING = {"DISCARD", "EXEC", "PUNSUBSCRIBE", "QUIT", "RESET", "SUNSUBSCRIBE", "UNSUBSCRIBE", "UNWATCH"}


def _named(name: str, klass: OperationClass, idempotent: bool) -> Operation:
    return Operation(name=f"redis.{name.lower()}", klass=klass, idempotent=idempotent)


# With one of these options the command is another: it waits, or its second reply is not as good as the first.
_VARIANTS: dict[str, tuple[str, Command]] = {
    "XREAD": ("BLOCK", Command(_named("xread", "blocking", idempotent=True))),
    "XREADGROUP": ("BLOCK", Command(_named("xreadgroup", "blocking", idempotent=False), writes=True)),
    "SET": ("NX GET IFEQ", Command(_named("set", "write", idempotent=False), writes=True)),
    "ZADD": ("INCR", Command(_named("zadd", "write", idempotent=False), writes=True)),
}
_COMMANDS = {
    name: Command(
        _named(name, klass, idempotent),
        writes,
        _LOOKUPS.get(name, ""),
        name in _FINISHING,
        frozenset(_VARIANTS[name][0].split()) if name in _VARIANTS else frozenset(),
    )
    for klass, writes, idempotent, names in _TABLE
    for name in names.split()
}
#: A command that the table does not know, of a module say. Under one name, since anybody may make names up.
OTHER = Command(_named("other", "write", idempotent=False), writes=True)
#: Taking a connection from a guarded pool by something that is not guarded itself.
CONNECT = Command(_named("connect", "admin", idempotent=True))
_PIPELINES = {
    (writes, idempotent): Command(_named("pipeline", "write" if writes else "read", idempotent), writes)
    for writes in (False, True)
    for idempotent in (False, True)
}
#: Every operation there is, once; the variants bear the names of the plain ones.
OPERATIONS = tuple(command.operation for command in (*_COMMANDS.values(), OTHER, CONNECT, _PIPELINES[True, False]))


def command_of(args: Sequence[Any]) -> Command:
    """The command that `execute_command(*args)` would send."""
    command = _known(args[0])
    if command.options and len(args) > 3 and not command.options.isdisjoint(map(_text, args[1:])):  # noqa: PLR2004
        return _VARIANTS[_word(args[0])][1]
    return command


def pipeline_of(commands: Iterable[Command]) -> Command:
    """The command that a pipeline of these is as a whole."""
    writes, idempotent = False, True
    for command in commands:
        writes = writes or command.writes
        idempotent = idempotent and command.operation.idempotent
    return _PIPELINES[writes, idempotent]


@lru_cache(maxsize=1024)
def _known(name: str | bytes) -> Command:
    return _COMMANDS.get(_word(name), OTHER)


def _word(name: str | bytes) -> str:
    """redis-py sends "CONFIG SET" as one argument; users write "get" and b"GET" too."""
    return _text(name).partition(" ")[0]


def _text(arg: Any) -> str:
    if isinstance(arg, bytes):
        return arg.decode(errors="replace").upper()
    return arg.upper() if isinstance(arg, str) else ""


# Where a blocking command says how long it wants to wait, and in which part of a second.
_WAITS = {
    **dict.fromkeys(("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMAX", "BZPOPMIN"), (-1, 1.0)),
    **dict.fromkeys(("BLMPOP", "BZMPOP"), (1, 1.0)),
    **dict.fromkeys(("WAIT", "WAITAOF"), (-1, 1e-3)),
}


def wait_of(args: Sequence[Any]) -> float:
    """Seconds that a blocking command asks the server to wait for; infinity for 0, which is what Redis means by it."""
    name = _word(args[0])
    if name in _WAITS:
        position, unit = _WAITS[name]
    else:  # XREAD and XREADGROUP
        position, unit = [_text(arg) for arg in args].index("BLOCK") + 1, 1e-3
    return float(args[position]) * unit or inf
