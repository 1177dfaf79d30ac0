"""Guarding an object in place: it keeps its identity, its state and all its types, and gains one subclass."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def adopt(obj: T, guarded: type) -> T:
    """Make the object also an instance of a guarded class, which then answers first. Doing it twice does nothing."""
    base: Any = type(obj)
    if issubclass(base, guarded):
        return obj
    # class -> that and the guarded one in one. On the guarded class, which may belong to one service and goes with it;
    # and held, for a pipeline is gone in a moment, and the interpreter forgets what it has learnt with each class.
    made: dict[type, Any] | None = vars(guarded).get("switchgear_made")
    if made is None:
        setattr(guarded, "switchgear_made", made := {})  # noqa: B010 - mypy knows no attribute that comes later
    if base not in made:
        # The names of the class it was: a repr, a log line or a metric label must not change by being guarded.
        names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
        made[base] = type(base.__name__, (guarded, base), {"__slots__": (), **names})
    obj.__class__ = made[base]
    return obj
