"""What every command of Redis is: its operation, and which half of a server it needs.

The halves fail apart: a server that is out of memory, or has become a replica, still serves reads. So each address is
two domains, read and write, and a command belongs to the one whose loss would stop it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from switchgear.spi import Operation, OperationClass
from switchgear_redis._table import FINISHING, LOOKUPS, TABLE, VARIANTS, WAITS, Lookup


class Command(NamedTuple):
    """`writes`: it needs the write half. `lookup`: its reply, or each item of it, is nil for a key that is not there.
    `finishing`: it ends something that was admitted before, so it is never refused. `options`: those that make it
    another command."""

    operation: Operation
    writes: bool = False
    lookup: Lookup = ""
    finishing: bool = False
    options: frozenset[str] = frozenset()


def _named(name: str, klass: OperationClass, idempotent: bool) -> Operation:
    return Operation(name=f"redis.{name.lower()}", klass=klass, idempotent=idempotent)


_COMMANDS = {
    name: Command(
        _named(name, klass, idempotent),
        writes,
        LOOKUPS.get(name, ""),
        name in FINISHING,
        frozenset(VARIANTS[name][0].split()) if name in VARIANTS else frozenset(),
    )
    for klass, writes, idempotent, names in TABLE
    for name in names.split()
}
_VARIANTS = {
    name: _COMMANDS[name]._replace(operation=_named(name, klass, idempotent))
    for name, (_options, klass, idempotent) in VARIANTS.items()
}
#: Those that their name alone tells, by the name as it is usually written: what most commands of a pipeline are.
_PLAIN: Mapping[str | bytes, Command] = {
    written: command
    for name, command in _COMMANDS.items()
    if not command.options
    for written in (name, name.lower(), name.encode(), name.lower().encode())
}
#: A command that the table does not know. Under one name, since anybody may make names up.
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
        return _VARIANTS[_word(args[0])]
    return command


def commands_of(calls: Iterable[Sequence[Any]]) -> list[Command]:
    """`command_of` each of a pipeline's, of which there may be thousands."""
    return [_PLAIN.get(args[0]) or command_of(args) for args in calls]


def pipeline_of(commands: Iterable[Command]) -> Command:
    """The command that a pipeline of these is as a whole."""
    writes, idempotent, before = False, True, None
    for command in commands:
        if command is not before:  # many of the same are what pipelines are for
            writes = writes or command.writes
            idempotent = idempotent and command.operation.idempotent
            before = command
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


def wait_of(args: Sequence[Any]) -> float:
    """Seconds that a blocking command asks the server to wait for; infinity for 0, which is what Redis means by it, and
    for arguments that make no sense."""
    name = _word(args[0])
    try:
        position, unit = WAITS[name] if name in WAITS else ([_text(arg) for arg in args].index("BLOCK") + 1, 1e-3)
        return float(args[position]) * unit or inf
    except (ValueError, IndexError):
        return inf
