"""The table of commands, judged by a server's own."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from switchgear.testing import ValkeyServer
from switchgear_redis._commands import OPERATIONS, OTHER, command_of, pipeline_of, wait_of

pytestmark = pytest.mark.anyio


async def flags_of_all(client: Any) -> dict[str, set[str]]:
    """Every command and subcommand of the server, as it would be sent, with its flags."""
    flags: dict[str, set[str]] = {}
    reply: Any = await client.execute_command("COMMAND")
    for name, entry in reply.items():
        if not entry["subcommands"]:
            flags[name] = set(entry["flags"])
        for subcommand in entry["subcommands"]:
            flags[subcommand[0].replace("|", " ")] = set(subcommand[2])
    return flags


async def test_every_command_of_the_server_is_known(server: ValkeyServer, connect: Any) -> None:
    """None of them goes by the name for unknown ones."""
    flags = await flags_of_all(connect(server, decode_responses=True))
    assert len(flags) > 350
    assert [name for name in flags if command_of((name,)) is OTHER] == []


async def test_what_the_server_refuses_when_full_or_read_only_is_in_the_write_half(
    server: ValkeyServer, connect: Any
) -> None:
    """Commands flagged write or denyoom need the write half; those flagged readonly do not."""
    flags = await flags_of_all(connect(server, decode_responses=True))
    refused = {name for name, has in flags.items() if has & {"write", "denyoom"} and name != "cluster flushslot"}
    assert [name for name in refused if not command_of((name,)).writes] == []
    assert [name for name, has in flags.items() if "readonly" in has and command_of((name,)).writes] == []


async def test_what_blocks_is_of_the_class_that_is_never_slow(server: ValkeyServer, connect: Any) -> None:
    """Commands flagged blocking are of class blocking, XREAD and XREADGROUP when told to block."""
    flags = await flags_of_all(connect(server, decode_responses=True))
    blocking = {name for name, has in flags.items() if "blocking" in has}
    always = {name for name in blocking if command_of((name,)).operation.klass == "blocking"}
    assert {"xread", "xreadgroup"} == blocking - always


@pytest.mark.parametrize("name", ["GET", "get", b"GET", "Get"])
def test_a_name_is_found_however_it_is_written(name: str | bytes) -> None:
    """Case and bytes make no difference."""
    assert command_of((name, "key")).operation.name == "redis.get"


@pytest.mark.parametrize(
    ("args", "klass", "idempotent"),
    [
        (("XREAD", "STREAMS", "s", "0"), "read", True),
        (("XREAD", b"BLOCK", 100, b"STREAMS", "s", "0"), "blocking", True),
        (("XREADGROUP", "GROUP", "g", "c", "block", 100, "STREAMS", "s", ">"), "blocking", False),
        (("SET", "k", "v"), "write", True),
        (("SET", "k", "NX"), "write", True),
        (("SET", "k", "v", "EX", 3), "write", True),
        (("SET", "k", "v", "NX"), "write", False),
        (("ZADD", "z", 1, "a"), "write", True),
        (("ZADD", "z", "INCR", 1, "a"), "write", False),
        (("INCR", "k"), "write", False),
        (("CONFIG GET", "maxmemory"), "admin", False),
        (("SUBSCRIBE", "channel"), "stream", True),
        (("NO.SUCH.COMMAND", "k"), "write", False),
    ],
)
def test_options_decide_where_the_name_does_not(args: tuple[Any, ...], klass: str, idempotent: bool) -> None:
    """Class and idempotence of a command are those of its variant."""
    operation = command_of(args).operation
    assert (klass, idempotent) == (operation.klass, operation.idempotent)


def test_a_pipeline_is_as_bad_as_its_worst_command() -> None:
    """One write makes it a write, one command that must not be repeated makes it unrepeatable."""
    get, set_, incr = command_of(("GET",)), command_of(("SET",)), command_of(("INCR",))
    assert (pipeline_of([get, get]).writes, pipeline_of([get, get]).operation.idempotent) == (False, True)
    assert (pipeline_of([get, set_]).writes, pipeline_of([get, set_]).operation.idempotent) == (True, True)
    assert (pipeline_of([set_, incr]).writes, pipeline_of([set_, incr]).operation.idempotent) == (True, False)


@pytest.mark.parametrize(
    ("args", "seconds"),
    [
        (("BLPOP", "a", "b", 7), 7),
        (("BRPOP", "a", 0), inf),
        (("BLMOVE", "a", "b", "LEFT", "RIGHT", 1.5), 1.5),
        (("BLMPOP", 3, 1, "a", "LEFT"), 3),
        (("WAIT", 1, 500), 0.5),
        (("XREAD", b"BLOCK", 2500, b"STREAMS", "s", "0"), 2.5),
        (("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">"), inf),
    ],
)
def test_how_long_a_blocking_command_means_to_wait(args: tuple[Any, ...], seconds: float) -> None:
    """In seconds, wherever the command has it and whatever its unit."""
    assert seconds == wait_of(args)


def test_each_operation_is_listed_once() -> None:
    """Names are unique, and the daily ones are there."""
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))
    daily = [
        "get",
        "set",
        "delete",
        "exists",
        "expire",
        "incr",
        "mget",
        "mset",
        "hget",
        "hset",
        "lpush",
        "rpush",
        "sadd",
        "zadd",
        "pipeline",
    ]
    assert {f"redis.{'del' if name == 'delete' else name}" for name in daily} <= set(names)
