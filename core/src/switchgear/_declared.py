"""What a plugin's hooks returned, checked, so that a mistake in it shows when it is loaded and not at some call."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple, TypeGuard, cast, get_args, get_type_hints

from switchgear._breaker_config import BreakerConfig
from switchgear._errors import nearest
from switchgear._order import ORDER
from switchgear._pipeline import Strategy
from switchgear._spec import CLOSED_LABELS, Backend, Convention, Instrument, Metric, Operation, OperationClass

AnyBackend = Backend[Any, Any]


_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_METHOD = re.compile(r"\w+(\.\w+)*:\w+\.\w+")


class Misdeclared(Exception):
    """A plugin returned what a hook cannot return. The text is for its author."""


class Offered(NamedTuple):
    """All that a plugin's hooks returned."""

    backends: tuple[AnyBackend, ...] = ()
    strategies: tuple[type[Strategy], ...] = ()


def checked_backends(returned: object) -> tuple[AnyBackend, ...]:
    """The backends that register_backends() returned. Raises Misdeclared."""
    backends: list[AnyBackend] = []
    for item in _listed(returned, "register_backends", "Backend"):
        if not _is_backend(item):
            raise Misdeclared(f"In what register_backends() returned, one is {_a(item)}. Return a list of Backend.")
        _check(item)
        backends.append(item)
    _distinct("Two backends", (backend.name for backend in backends))
    return tuple(backends)


def checked_strategies(returned: object, plugin: str) -> tuple[type[Strategy], ...]:
    """The strategies that register_strategies() of that plugin returned. Raises Misdeclared."""
    kinds: list[type[Strategy]] = []
    for item in _listed(returned, "register_strategies", "subclasses of Strategy"):
        if not _is_kind_of_strategy(item):
            raise Misdeclared(f"In what register_strategies() returned, one is {_a(item)}. Return dataclasses that are "
                              "subclasses of Strategy.")  # fmt: skip
        name = getattr(item, "name", None)
        if not isinstance(name, str) or name.partition(".")[0] != plugin:
            raise Misdeclared(f"The name of its strategy {item.__name__} is {name!r}. A strategy is named after its "
                              f'plugin: "{plugin}", or "{plugin}." and more.')  # fmt: skip
        if item.inside not in ORDER:
            raise Misdeclared(f"Its strategy {name!r} stands inside {item.inside!r}.{nearest(str(item.inside), ORDER)}")
        kinds.append(item)
    _distinct("Two strategies", (kind.name for kind in kinds))
    return tuple(kinds)


def _listed(returned: object, hook: str, what: str) -> Sequence[object]:
    if isinstance(returned, str) or not isinstance(returned, Sequence):
        raise Misdeclared(f"{hook}() returned {_a(returned)}. Return a list of {what}.")
    if not returned:
        raise Misdeclared(f"{hook}() returned an empty list. Return a list of {what}.")
    return cast("Sequence[object]", returned)


def _is_kind_of_strategy(item: object) -> TypeGuard[type[Strategy]]:
    return isinstance(item, type) and issubclass(item, Strategy) and is_dataclass(item)


def _is_backend(item: object) -> TypeGuard[AnyBackend]:
    return isinstance(item, Backend)


def _check(backend: AnyBackend) -> None:
    def expect(field: str, what: str, fits: Callable[[Any], bool]) -> None:
        value = getattr(backend, field)
        if not fits(value):
            raise Misdeclared(f"{field} of its Backend {backend.name!r} is {_a(value)}. It has to be {what}.")

    expect("name", "text", lambda value: isinstance(value, str) and value != "")
    expect("settings", "a dataclass", lambda value: isinstance(value, type) and is_dataclass(value))
    for field in ("connect", "guard", "classify"):
        expect(field, "a function", callable)
    for field in ("classify_result", "owner", "probe", "identify", "gauges", "saturation", "limits", "permissions"):
        expect(field, "a function or None", lambda value: value is None or callable(value))
    expect("convention", "a Convention or None", lambda value: value is None or isinstance(value, Convention))
    expect("instrument", "an Instrument whose made_by names module:Class.method, or None", _is_instrument)
    expect("operations", "a tuple of Operation", _tuple_of(Operation))
    expect("metrics", "a tuple of Metric", _tuple_of(Metric))
    expect("recommended", "a BreakerConfig", lambda value: isinstance(value, BreakerConfig))
    expect("sdk", "a string", lambda value: isinstance(value, str))
    _distinct("Two operations", (operation.name for operation in backend.operations))
    _distinct("Two metrics", (metric.name for metric in backend.metrics))
    for metric in backend.metrics:
        if problem := _problem(metric):
            raise Misdeclared(f"Its metric {metric.name!r} {problem}")
    classes = get_args(OperationClass)
    for operation in backend.operations:
        if operation.klass not in classes:
            hint = nearest(str(operation.klass), classes)
            raise Misdeclared(f"Its operation {operation.name!r} has the class {operation.klass!r}.{hint}")
    try:
        get_type_hints(backend.settings)
    except Exception as exc:
        # Annotations are read at run time, so types imported under TYPE_CHECKING alone are not there.
        raise Misdeclared(
            f"The annotations of its settings {backend.settings.__name__} cannot be read: {exc}."
        ) from exc


def _is_instrument(value: object) -> bool:
    return value is None or (isinstance(value, Instrument) and all(map(_METHOD.fullmatch, value.made_by)))


def _problem(metric: Metric) -> str:
    """What is wrong with the declaration of a metric; "" for nothing."""
    if not _NAME.fullmatch(metric.name) or metric.name.endswith("_total"):
        return "needs another name: small letters, digits and underscores; _total is added where it belongs."
    if taken := sorted(CLOSED_LABELS.intersection(metric.labels)):
        return f"has the label {taken[0]!r}, which has a meaning of its own. Take another name."
    if (metric.kind == "histogram") != bool(metric.buckets) or list(metric.buckets) != sorted(set(metric.buckets)):
        return "needs buckets, in ascending order, if it is a histogram; else it has none."
    return ""


def _tuple_of(type_: type) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, tuple) and all(isinstance(item, type_) for item in cast("tuple[object, ...]", value))
    )


def _distinct(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise Misdeclared(f"{what} of it are named {name!r}.")


def _a(value: object) -> str:
    """What kind of thing a value is."""
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of type {type(value).__name__}"
