"""Arguments for every public command method of a client, found by looking at its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from redis.asyncio import Redis
from redis.commands import AsyncCoreCommands

#: What would end the server, the connection, the test, or never.
_LEFT_OUT = {
    "bgrewriteaof", "bgsave", "client_kill", "client_kill_filter", "client_pause", "client_reply", "client_tracking",
    "client_tracking_off", "client_tracking_on", "client_no_touch", "client_unpause", "cluster", "config_rewrite",
    "config_set", "debug_segfault", "failover", "flushall", "flushdb", "migrate", "monitor", "move", "psync",
    "quit", "readonly", "readwrite", "replicaof", "reset", "save", "select", "shutdown", "slaveof", "swapdb", "sync",
    "acl_setuser", "acl_deluser", "acl_load", "acl_save", "auth", "client_setname", "script_debug", "hotkeys_start",
}  # fmt: skip

#: What is no command but a view of the keys, or waits by design.
_NO_COMMANDS = {
    "register_script", "pipeline", "transaction", "lock", "wait", "waitaof", "blpop", "brpop", "blmove", "brpoplpush",
    "blmpop", "bzmpop", "bzpopmax", "bzpopmin", "sentinel", "load_external_module",
}  # fmt: skip

#: The same state for both clients, before each method.
SEED: tuple[tuple[Any, ...], ...] = (
    ("FLUSHDB",),
    ("SET", "string", "7"),
    ("SET", "other", "8"),
    ("HSET", "hash", "field", "7", "other", "8"),
    ("RPUSH", "list", "1", "2", "3"),
    ("SADD", "set", "1", "2", "3"),
    ("SADD", "set2", "2", "3", "4"),
    ("ZADD", "zset", "1", "1", "2", "2"),
    ("ZADD", "zset2", "2", "2", "3", "3"),
    ("GEOADD", "geo", "13.36", "38.11", "Palermo", "15.08", "37.50", "Catania"),
    ("XADD", "stream", "1-1", "field", "value"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("PFADD", "log", "1", "2"),
)  # fmt: skip

_KEYS = {"h": "hash", "l": "list", "r": "list", "s": "set", "z": "zset", "x": "stream", "g": "geo", "p": "log"}
_STRINGS = ("set", "get", "str", "rename", "restore", "ps", "pe", "pt", "sort", "lcs", "gete", "getd", "randomkey")
_KEY_NAMES = {"name", "key", "src", "source", "first_list", "first", "key1", "name1"}
_VALUES: dict[str, Any] = {
    "keys": "KEYS", "names": "KEYS", "mapping": {"string": "1"}, "dst": "destination", "dest": "destination",
    "destination": "destination", "numkeys": 1, "num_keys": 1, "value": "1", "values": ["1"], "field": "field",
    "fields": ["field"], "amount": 1, "time": 100, "when": 4_000_000_000, "min": 0, "max": 10, "start": 0, "end": -1,
    "stop": -1, "num": 1, "count": 1, "index": 0, "offset": 0, "groupname": "group", "consumername": "consumer",
    "min_idle_time": 0, "message_ids": ["1-1"], "id": "1-1", "streams": {"stream": "0"}, "script": "return 1",
    "operation": "AND", "unit": "km", "longitude": 15, "latitude": 37, "place1": "Palermo", "place2": "Catania",
    "where": "BEFORE", "refvalue": "2", "pattern": "*", "message": "text", "channel": "channel", "radius": 100,
    "bit": 1, "position": 0, "member": "2", "milliseconds": 100, "sha": "0" * 40, "ttl": 0, "username": "default",
}  # fmt: skip


def key_of(method: str) -> str:
    """A key of the type that the method is for, going by its name."""
    if method.startswith(_STRINGS):
        return "string"
    return _KEYS.get(method[0], "string")


def calls() -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Name, positional and keyword arguments of one call of each method."""
    for name, method in inspect.getmembers(AsyncCoreCommands, callable):
        if not name.startswith(("_", "himport")) and name not in _LEFT_OUT | _NO_COMMANDS and hasattr(Redis, name):
            yield name, *_arguments(name, method)


def _arguments(name: str, method: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        value = _value(name, parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += value if isinstance(value, list) else [value]
        elif parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY:
            keyword[parameter.name] = value
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            positional.append(value)
    return positional, keyword


def _value(method: str, parameter: str) -> Any:
    if parameter in _KEY_NAMES:
        return key_of(method)
    value = _VALUES.get(parameter, "1")
    return [key_of(method)] if value == "KEYS" else value
