"""Hearing of a module once it has been imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Then = Callable[[ModuleType], None]


class _Finder(MetaPathFinder):
    """Finds nothing by itself: it asks the others, and follows what they find."""

    def __init__(self) -> None:
        #: Module -> who wants to hear of it. A name stays, since a module may be loaded again.
        self.waiting: dict[str, list[Then]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if not self.waiting.get(fullname):
            return None
        finders = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        for finder in finders:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                self._follow(spec)
                return spec
        return None

    def _follow(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None or isinstance(loader, type):  # a namespace; built in, where one loader serves all modules
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == spec.name:  # a loader of archives serves several, too
                for then in self.waiting[spec.name].copy():
                    then(module)

        # In the loader's place, and not another in its place: who looks at it finds the type that he knows.
        loader.exec_module = exec_module


_finder = _Finder()


def when_imported(name: str, then: Then) -> Callable[[], None]:
    """Call `then` with the module when it has been imported, and now if it was; the result takes that back.

    It must not raise: that would be a failed import.
    """
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    waiting = _finder.waiting.setdefault(name, [])
    waiting.append(then)
    if (module := sys.modules.get(name)) is not None:
        then(module)

    def forget() -> None:
        if then in waiting:
            waiting.remove(then)

    return forget
