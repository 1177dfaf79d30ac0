"""What holds for all calls of a task and of those that it starts: how much they matter, and where they may not go."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from switchgear._criticality import Criticality


class Scope(NamedTuple):
    """Immutable, as it is shared by tasks. A call looks it up once."""

    criticality: Criticality = Criticality.CRITICAL
    #: Service ("llm"), or a domain of one ("llm[gpt-4o]") -> why its calls are refused here.
    forbidden: Mapping[str, str] = {}
    #: The services whose active check runs here: its calls go by the check's permit and need none of their own.
    probing: tuple[Any, ...] = ()


#: None: everything as usual, which costs a call nothing but this look-up.
scope: ContextVar[Scope | None] = ContextVar("switchgear_scope", default=None)


@contextmanager
def within(**changes: Any) -> Generator[Scope]:
    """Change the scope, for the calls made inside."""
    changed = (scope.get() or Scope())._replace(**changes)
    token = scope.set(changed)
    try:
        yield changed
    finally:
        scope.reset(token)


@contextmanager
def criticality(level: Criticality) -> Generator[None]:
    """The calls made inside matter so much; under pressure those that matter least are refused first.

    It never makes calls matter more than those that they are made for: the lowest of nested ones holds.
    """
    order = list(Criticality)
    outer = (scope.get() or Scope()).criticality
    with within(criticality=max(outer, level, key=order.index)):
        yield


@contextmanager
def forbidding(services: Mapping[str, str]) -> Generator[None]:
    """Calls made inside to these services are refused, each for its reason."""
    with within(forbidden={**(scope.get() or Scope()).forbidden, **services}):
        yield
