"""Values fit the types of a dataclass strictly; text from the environment fits by what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from switchgear._converter import make_converter
from switchgear._environment import Text
from switchgear._errors import ConfigurationError
from switchgear._keypath import Table
from switchgear._structure import read


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    text: str = ""
    number: float = 0.0
    either: int | str | None = None
    some: float | Inner = 0.0
    names: Sequence[str] = ()
    bag: frozenset[int] = frozenset()
    row: list[Inner] | None = None
    table: Mapping[str, Inner] | None = None
    level: Literal[1, 2, "high"] = 1
    anything: Any = None


def structure(given: Table) -> tuple[Settings | None, dict[str, str]]:
    errors: list[ConfigurationError] = []
    made = read(given, lambda given: make_converter().structure(given, Settings), (), errors)
    return made, {error.key: error.problem for error in errors}


FITS: list[tuple[str, Any, Any]] = [
    ("text", "5", "5"),
    ("text", Text("5"), "5"),
    ("number", 5, 5.0),
    ("number", Text("5"), 5.0),
    ("either", 5, 5),
    ("either", "5", "5"),
    ("either", Text("5"), 5),
    ("either", Text("five"), "five"),
    ("some", 2, 2.0),
    ("some", {"size": 3}, Inner(size=3)),
    ("some", Text("{size = 3}"), Inner(size=3)),
    ("names", ["a", Text("1")], ("a", "1")),
    ("names", Text('["a", "b"]'), ("a", "b")),
    ("bag", [1, Text("2"), 1], frozenset({1, 2})),
    ("row", [{"size": 2}, {}], [Inner(size=2), Inner()]),
    ("table", {"a": {"size": Text("2")}}, {"a": Inner(size=2)}),
    ("level", 2, 2),
    ("level", Text("2"), 2),
    ("level", Text("high"), "high"),
    ("anything", [Text("1"), {"a": Text("true")}, 2], ["1", {"a": "true"}, 2]),
]


@pytest.mark.parametrize(("name", "given", "expected"), FITS)
def test_what_fits(name: str, given: Any, expected: Any) -> None:
    """Text from the environment is a string where one is wanted, and else the value that it says."""
    made, errors = structure({name: given})
    assert errors == {}
    value = getattr(made, name)
    assert (value, type(value)) == (expected, type(expected))


MISFITS: list[tuple[str, Any, dict[str, str]]] = [
    ("text", 5, {"text": "This should be a string, and is a whole number."}),
    ("number", "5", {"number": "This should be a number, and is a string."}),
    ("number", Text("five"), {"number": "This should be a number, and is a string."}),
    ("number", Text("1\nx = 2"), {"number": "This should be a number, and is a string."}),
    ("number", 10**400, {"number": "This should be a number, and is a number without bounds."}),
    ("either", True, {"either": "This should be a whole number or a string, and is true."}),
    ("some", "x", {"some": "This should be a number or a table, and is a string."}),
    ("some", {"sise": 3}, {"some.sise": "There is no key 'sise'. Did you mean 'size'?"}),
    ("names", "ab", {"names": "This should be an array, and is a string."}),
    ("row", [{}, {"size": "x"}], {"row[1].size": "This should be a whole number, and is a string."}),
    ("table", {"a": {"size": 1.5}}, {"table.a.size": "This should be a whole number, and is a number."}),
    ("table", [], {"table": "This should be a table, and is an array."}),
    ("level", True, {"level": "This should be one of 1, 2, 'high', and is true."}),
    ("level", "hihg", {"level": "This should be one of 1, 2, 'high', and is another string. Did you mean 'high'?"}),
]


@pytest.mark.parametrize(("name", "given", "expected"), MISFITS)
def test_what_does_not_fit(name: str, given: Any, expected: dict[str, str]) -> None:
    """The error is at the innermost key, and says kinds of values, not values."""
    assert structure({name: given})[1] == expected


def test_an_array_is_left_out_as_a_whole() -> None:
    """What is right beside what is wrong is still made, so that later checks have something to work on."""
    made, errors = structure({"row": [{"size": "x"}], "number": 3})
    assert set(errors) == {"row[0].size"}
    assert made == Settings(number=3.0)
