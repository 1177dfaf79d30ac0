"""Guarding an object in place: it keeps its identity, its state and all its types, and gains one subclass."""

from __future__ import annotations

from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

# (class, guarded class) -> the two in one. Weak, since a guarded class may belong to one service, and go with it.
_made: WeakValueDictionary[tuple[type, type], type] = WeakValueDictionary()


def adopt(obj: T, guarded: type) -> T:
    """Make the object also an instance of a guarded class, which then answers first. Doing it twice does nothing."""
    base = type(obj)
    if issubclass(base, guarded):
        return obj
    made = _made.get((base, guarded))
    if made is None:
        # The names of the class it was: a repr, a log line or a metric label must not change by being guarded.
        names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
        made = _made[base, guarded] = type(base.__name__, (guarded, base), {"__slots__": (), **names})
    obj.__class__ = made  # pyright: ignore[reportAttributeAccessIssue]
    return obj
