"""What fits a field of a dataclass, by the field's type: strictly, for what is read was written by hand.

A number is never taken for text, nor text for a number, unless it came from the environment, which has only text. No
error says a value, only of what kind it is: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cattrs import Converter
from cattrs.cols import (
    is_any_set,  # pyright: ignore[reportUnknownVariableType] - cattrs leaves some annotations out
    is_mapping,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]
)
from cattrs.gen import make_dict_structure_fn

from switchgear._environment import Text, value_of
from switchgear._errors import nearest
from switchgear._keypath import Table, is_array, is_table

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


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Enum)


def _member(given: object, type_: Any) -> object:
    """A member of an enumeration, by its name, as messages and docs write it."""
    names = [member.name for member in type_]
    if isinstance(given, str) and given.upper() in names:
        return type_[given.upper()]
    hint, found = "", _kind(given)
    if isinstance(given, str):
        hint, found = nearest(given.upper(), names), "another string"
    raise Misfit(f"one of {', '.join(map(repr, names))}", found, hint if "mean" in hint else "")


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
        expected: list[str] = []
        for member in values:
            try:
                return converter.structure(given, member)
            except Misfit as misfit:
                expected.append(misfit.expected)
        expected += ["a table"] * bool(tables) + ["false"] * may_be_off
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
    converter.register_structure_hook_func(_is_enum, _member)
    converter.register_structure_hook_func(_is_any, _anything)
    return converter
