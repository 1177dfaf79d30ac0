"""The public surface of a client, found by looking at it: what it has, and what that returns."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from types import ModuleType
from typing import Any, cast

import anyio

#: What ends a client's life is no operation: a client may always be closed.
_ENDS = ("close", "aclose", "dispose", "disconnect", "terminate")
#: Steps from the client to a method: `client.chat.completions.with_raw_response.create`.
_DEEPEST = 4
#: Seconds that one call may take. Its connection is reset at once.
_PATIENCE = 2.0

#: Where the classes of everything come from.
_COMMON = {"builtins", "typing", "abc", "contextlib", "collections"}

#: Names from the client to a method; one that ends in "()" is called on the way, and its result goes on.
Path = tuple[str, ...]
#: (client, name of the method, parameter) -> a value for it.
MakeUp = Callable[[Any, str, inspect.Parameter], Any]


def spell(path: Path) -> str:
    """The path as one would write it."""
    return ".".join(path)


class Surface:
    """The methods of clients of one kind, which are called with arguments that `made_up` gives."""

    def __init__(self, made_up: MakeUp) -> None:
        self._made_up = made_up
        self._seen: set[Any] = set()

    def of(self, client: Any) -> Iterator[Path]:
        """All public methods, of the client and of what it holds."""
        yield from self._walk(client, (), roots_of(client))

    def beyond(self, client: Any, path: Path, result: Any) -> Iterator[Path]:
        """The public methods of what a method returned, where that is something of the client's own making; not of what
        those return: made-up arguments lead nowhere from there."""
        roots = roots_of(client)
        derived = any(step.endswith("()") for step in path)
        if _root(result) in roots and not isinstance(result, type) and not derived:
            yield from self._walk(result, (*path[:-1], f"{path[-1]}()"), roots)

    def _walk(self, thing: Any, path: Path, roots: set[str]) -> Iterator[Path]:
        kind = thing.__class__
        if kind in self._seen or len(path) >= _DEEPEST:
            return
        self._seen.add(kind)
        for name in dir(thing):
            if name.startswith("_") or name in _ENDS:
                continue
            try:
                value = getattr(thing, name)
            except Exception:  # noqa: BLE001, S112 - a property that has nothing to say here
                continue
            if isinstance(value, type | ModuleType):
                continue
            if callable(value):
                yield (*path, name)
            elif _root(value) in roots:
                yield from self._walk(value, (*path, name), roots)

    def call(self, client: Any, path: Path) -> Any:
        """Call a method with arguments that are made up. Raises whatever that raises."""
        found = client
        for step in path[:-1]:
            found = getattr(found, step.removesuffix("()"))
            if step.endswith("()"):
                found = self._call(client, found, step[:-2])
        return self._call(client, getattr(found, path[-1]), path[-1])

    async def use(self, client: Any, path: Path) -> Any:
        """Call a method, and await, enter or begin to read what it returns. Gives what was returned at first."""
        returned: Any = self.call(client, path)
        await self._follow(returned)
        return returned

    @staticmethod
    async def _follow(returned: object) -> None:
        with anyio.move_on_after(_PATIENCE):
            if isinstance(returned, Awaitable):
                await cast("Awaitable[object]", returned)
            elif isinstance(returned, AbstractAsyncContextManager):
                async with cast("AbstractAsyncContextManager[object]", returned):
                    pass
            elif isinstance(returned, AsyncIterator):
                with suppress(StopAsyncIteration):
                    await anext(cast("AsyncIterator[object]", returned))

    def _call(self, client: Any, method: Any, name: str) -> Any:
        return called(method, lambda parameter: self._made_up(client, name, parameter))


def called(function: Callable[..., Any], value_of: Callable[[inspect.Parameter], Any]) -> Any:
    """What a function returns that is given a value for each parameter that needs one. Raises whatever it raises."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            continue
        value = value_of(parameter)
        if parameter.kind is parameter.VAR_KEYWORD:
            named.update(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value)
    return function(*positional, **named)


def make_up(parameter: inspect.Parameter, values: Mapping[str, Any]) -> Any:
    """A value for a parameter: the one given for its name, or what goes by its annotation."""
    if parameter.name in values:
        return values[parameter.name]
    if parameter.kind is parameter.VAR_POSITIONAL:
        return ["1"]
    if parameter.kind is parameter.VAR_KEYWORD:
        return {}
    annotation = str(parameter.annotation)
    if "Exception" in annotation:
        return OSError("1")
    for word, value in (("Mapping", {"1": "1"}), ("dict", {"1": "1"}), ("Dict", {"1": "1"}), ("Iterable", ["1"]),
                        ("Sequence", ["1"]), ("list", ["1"]), ("List", ["1"]), ("str", "1"), ("bytes", b"1"),
                        ("int", 1), ("float", 1.0)):  # fmt: skip
        if word in annotation:
            return value
    return "1"


def roots_of(client: object) -> set[str]:
    """The top-level packages that the client's classes come from."""
    return {kind.__module__.partition(".")[0] for kind in type(client).__mro__} - _COMMON


def _root(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def quiet() -> warnings.catch_warnings[None]:
    """Nobody is to be warned of calls that nobody means."""
    return warnings.catch_warnings(action="ignore")
