"""Ways to use a client, as an author shows them to the kit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Literal, TypeVar

#: What the kit knows of a way: how it ends on a server in good health.
Kind = Literal["served", "rejected", "streamed"]

Way = Callable[[Any, str], Awaitable[Any]]
Stream = Callable[[Any, str], AsyncGenerator[Any]]

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MARK = "__switchgear_way__"


def served(method: MethodT) -> MethodT:
    """Mark a coroutine method `(self, client, key)` that the server serves, and that can be done again and again.

    It returns what the client returned. `key` is a text, new for each call: use it as the key, the path, the prompt.
    The kit looks for it where none of that may be.
    """
    setattr(method, _MARK, "served")
    return method


def rejected(method: MethodT) -> MethodT:
    """Mark a coroutine method `(self, client, key)` that the server answers with "no": the client raises, the server is
    well."""
    setattr(method, _MARK, "rejected")
    return method


def streamed(method: MethodT) -> MethodT:
    """Mark an asynchronous generator method `(self, client, key)` that yields an answer piece by piece, as it comes.

    The answer has to be longer than what one read takes from the network (256 KiB is), or come in pieces of its own.
    """
    setattr(method, _MARK, "streamed")
    return method


def ways(suite: object, kind: Kind) -> dict[str, Callable[[Any, str], Any]]:
    """The ways of that kind which a suite shows, by name."""
    # In the order of their definition, for the first one is special.
    names = dict.fromkeys(name for base in reversed(type(suite).__mro__) for name in vars(base))
    return {name: getattr(suite, name) for name in names if getattr(getattr(suite, name), _MARK, None) == kind}
