"""Reading a whole table into a dataclass, with all that is wrong with it, each at the path of its key."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TypeVar

from cattrs import ForbiddenExtraKeysError, StructureHandlerNotFoundError
from cattrs.errors import AttributeValidationNote, IterableValidationNote

from switchgear._converter import Misfit
from switchgear._errors import ConfigurationError
from switchgear._keypath import KeyPath, Table, dotted, is_table
from switchgear._redact import redact

T = TypeVar("T")


def read(given: Table, structure: Callable[[Table], T], path: KeyPath, errors: list[ConfigurationError]) -> T | None:
    """What `structure` makes of the table at a path. All that is wrong with it is added to the errors.

    A dataclass that checks its own values ends at the first wrong one. So what is found is left out, and the rest is
    tried again, until nothing more is found; the result is then of what was left, if anything.
    """
    problems: dict[KeyPath, str] = {}
    made, rest = None, copy.deepcopy(given)
    while True:
        try:
            made = structure(rest)
            break
        except Exception as exc:  # noqa: BLE001 - settings may check themselves, and a plugin's raise what they like
            found = dict(_walk(exc, ()))
        problems = problems | {at: text for at, text in found.items() if at not in problems}
        if not [at for at in found if _leave_out(rest, at)]:
            break
    errors += [ConfigurationError(text, dotted((*path, *at))) for at, text in problems.items()]
    return made


def _leave_out(given: Table, path: KeyPath) -> bool:
    match path:
        case (str(name), *rest) if name in given:
            inner = given[name]
            if rest and is_table(inner):
                return _leave_out(inner, tuple(rest))
            del given[name]
            return True
        case _:
            return False


def _walk(exc: BaseException, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """All errors inside what cattrs raised, as path and text."""
    match exc:
        case ConfigurationError():
            yield tuple(exc.key.split(".")) if exc.key else (), exc.problem
        case BaseExceptionGroup():
            for inner in exc.exceptions:
                yield from _walk(inner, (*path, *_step(inner)))
        case ForbiddenExtraKeysError():
            known = [field.name for field in fields(exc.cl) if field.init]
            for name in sorted(exc.extra_fields):
                yield (*path, name), ConfigurationError.unknown("key", name, known).problem
        case Misfit():
            yield path, str(exc)
        case StructureHandlerNotFoundError():
            yield path, f"No configuration can hold a {exc.type_}. This is for the authors of the plugin to mend."
        case KeyError() if _step(exc):
            yield path, "This key is missing."
        case _ if _step(exc):
            yield path, "This value does not fit."
        case _:  # raised by a dataclass that checks itself
            yield path, redact(str(exc))


def _step(exc: BaseException) -> KeyPath:
    """The last step of the path to where an exception was raised, as cattrs notes it."""
    for note in getattr(exc, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return (note.name,)
        if isinstance(note, IterableValidationNote):
            return (note.index,)
    return ()
