"""Reading a table into a dataclass by the types of its fields, strictly, with every error at the path of its key.

No error says a value, only of what kind it is: it may be a secret. The one module that uses cattrs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from cattrs import Converter, ForbiddenExtraKeysError, StructureHandlerNotFoundError
from cattrs.cols import (
    is_any_set,  # pyright: ignore[reportUnknownVariableType] - cattrs leaves some annotations out
    is_mapping,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]
)
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from switchgear._environment import Text, value_of
from switchgear._errors import ConfigurationError, nearest
from switchgear._keypath import KeyPath, Table, dotted, is_array, is_table
from switchgear._redact import redact

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_LARGEST = 1e308  # an integer of TOML may be larger than any float


class Misfit(Exception):
    """A value does not fit its key."""

    def __init__(self, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"This should be {expected}, and is {found}.{hint}")
        self.expected = expected


def _kind(given: object) -> str:
    kinds: dict[type, str] = {Text: "a string", str: "a string", list: "an array", dict: "a table"}
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        number = "a whole number" if isinstance(given, int) else "a number"
        return number if abs(given) <= _LARGEST else "a number without bounds"
    return kinds.get(type(given), "a date or a time")


# -- single values -------------------------------------------------------------------------------------------------


def _string(given: object, _: object) -> str:
    if not isinstance(given, str):
        raise Misfit("a string", _kind(given))
    return str(given)


def _boolean(given: object, _: object) -> bool:
    value = value_of(given)
    if not isinstance(value, bool):
        raise Misfit("true or false", _kind(value))
    return value


def _whole_number(given: object, _: object) -> int:
    value = value_of(given)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit("a whole number", _kind(value))
    return value


def _number(given: object, _: object) -> float:
    value = value_of(given)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
        raise Misfit("a number", _kind(value))
    return float(value)


def _choice(given: object, type_: Any) -> object:
    choices = get_args(type_)
    plain = str(given) if isinstance(given, str) else given
    for value in (plain, value_of(given)):
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
    hint, found = "", _kind(plain)
    if isinstance(plain, str):
        hint, found = nearest(plain, [c for c in choices if isinstance(c, str)]), "another string"
    raise Misfit(f"one of {', '.join(map(repr, choices))}", found, hint if "mean" in hint else "")


def _anything(given: object, _: object) -> Any:
    if is_table(given):
        return {name: _anything(value, _) for name, value in given.items()}
    if is_array(given):
        return [_anything(value, _) for value in given]
    return str(given) if isinstance(given, str) else given


# -- tables, arrays, alternatives ----------------------------------------------------------------------------------


def table(given: object) -> Table:
    """What was given for a key that is a table. Raises Misfit."""
    value = value_of(given)
    if not is_table(value):
        raise Misfit("a table", _kind(value))
    return value


def _is_dataclass(type_: Any) -> bool:
    return isinstance(type_, type) and is_dataclass(type_)


def _dataclass(type_: Any, converter: Converter) -> Hook:
    read = make_dict_structure_fn(type_, converter, _cattrs_forbid_extra_keys=True)
    return lambda given, _: read(table(given), type_)


def _mapping(type_: Any, converter: Converter) -> Hook:
    read = mapping_structure_factory(type_, converter)
    return lambda given, _: read(table(given), type_)


def _is_array(type_: Any) -> bool:
    return is_sequence(type_) or is_any_set(type_)


def _array(type_: Any, converter: Converter) -> Hook:
    made: Any = get_origin(type_) or type_
    make = made if made in {list, set, frozenset} else tuple
    items = list_structure_factory(type_, converter)

    def structure(given: object, _: object) -> Any:
        value = value_of(given)
        if not is_array(value):
            raise Misfit("an array", _kind(value))
        return make(items(value, type_))  # pyright: ignore[reportUnknownVariableType]

    return structure


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in {Union, UnionType}


def _alternatives(type_: Any, converter: Converter, *, off: bool) -> Hook:
    members = [member for member in get_args(type_) if member is not NoneType]
    may_be_off = off and NoneType in get_args(type_)
    tables = [member for member in members if is_mapping(member) or _is_dataclass(member)]
    # Text from the environment is always a string, so to be one comes last.
    values = sorted((member for member in members if member not in tables), key=lambda member: member is str)

    def structure(given: object, _: object) -> Any:
        value = value_of(given)
        if may_be_off and value is False:
            return None
        if tables and is_table(value):
            return converter.structure(value, tables[0])
        expected = ["a table"] * bool(tables) + ["false"] * may_be_off
        for member in reversed(values):
            try:
                return converter.structure(given, member)
            except Misfit as misfit:
                expected.insert(0, misfit.expected)
        raise Misfit(" or ".join(expected), _kind(value))

    return structure


def _is_choice(type_: Any) -> bool:
    origin: object = get_origin(type_)
    return origin is Literal


def _is_any(type_: object) -> bool:
    return type_ is Any


def make_converter(*, off: bool = False) -> Converter:
    """A converter that takes only what fits, and for text from the environment its value. `off`: where a field may be
    None, `false` says so.
    """
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook_factory(_is_array)(_array)
    converter.register_structure_hook_factory(is_mapping)(_mapping)
    converter.register_structure_hook_factory(_is_dataclass)(_dataclass)

    @converter.register_structure_hook_factory(_is_union)
    def alternatives(type_: Any, converter: Converter) -> Hook:
        return _alternatives(type_, converter, off=off)

    for type_, hook in ((str, _string), (bool, _boolean), (int, _whole_number), (float, _number)):
        converter.register_structure_hook(type_, hook)
    converter.register_structure_hook_func(_is_choice, _choice)
    converter.register_structure_hook_func(_is_any, _anything)
    return converter


# -- a whole table, with all its errors ----------------------------------------------------------------------------


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
