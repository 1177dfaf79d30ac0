"""Hearing of each client when it has been made, by standing behind the method that makes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any, cast

Then = Callable[[Any], None]


class _Behind:
    """Stands behind one method of a class. Of those who want to hear of a client, the latest does."""

    def __init__(self, owner: type, name: str) -> None:
        self.listeners: list[Then] = []
        self._owner = owner
        self._name = name
        self._of_class = isinstance(inspect.getattr_static(owner, name), classmethod)
        self._own: Any = vars(owner).get(name)  # None: it is inherited

        @wraps(getattr(owner, name))
        def method(first: Any, *args: Any, **kwargs: Any) -> Any:
            result = self._bound(first)(*args, **kwargs)
            if self.listeners:
                self.listeners[-1](args[0] if self._of_class else first)
            return result

        self._method: Any = classmethod(method) if self._of_class else method
        setattr(owner, name, self._method)

    def _bound(self, first: Any) -> Any:
        """What would be called without us: looked up each time, as others may come to stand in the same places."""
        if self._own is None:
            return getattr(cast("Any", super(self._owner, first)), self._name)
        return self._own.__get__(None, first) if self._of_class else self._own.__get__(first, self._owner)

    def leave(self) -> None:
        """Give the class its method back, unless somebody has come to stand behind ours."""
        if vars(self._owner).get(self._name) is not self._method:
            return
        if self._own is None:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._own)
        del _known[self._owner, self._name]


_known: dict[tuple[type, str], _Behind] = {}


def when_made(module: ModuleType, method: str, then: Then) -> Callable[[], None]:
    """Call `then` with each client after the module's "Class.method" that makes it; the result takes that back.

    What `then` raises, the maker of the client gets. Raises AttributeError where there is no such method.
    """
    class_name, _, name = method.partition(".")
    owner: type = getattr(module, class_name)
    behind = _known.get((owner, name))
    if behind is None:
        behind = _known[owner, name] = _Behind(owner, name)
    listeners = behind.listeners
    listeners.append(then)

    def forget() -> None:
        if then in listeners:
            listeners.remove(then)
        if not listeners:
            behind.leave()

    return forget
