"""Results that are not what was asked for: how callers learn of it, since nothing about the result itself says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """A call was answered from elsewhere. `source` says from where ("stale", "value", or a function's name), `age` how
    many seconds old the answer is, where that is known, and `cause` why, as text.
    """

    heard_by: ClassVar = "on_degraded"

    service: str
    operation: str
    domain: str
    source: str
    age: float | None
    cause: str


_listening: ContextVar[tuple[list[Degraded], ...]] = ContextVar("switchgear_degraded", default=())


@contextmanager
def degraded() -> Generator[list[Degraded]]:
    """The answers of fallbacks to calls made inside a `with`, by this task and those that it starts, as they come. The
    list is empty as long as all were the services' own.
    """
    answers: list[Degraded] = []
    token = _listening.set((*_listening.get(), answers))
    try:
        yield answers
    finally:
        _listening.reset(token)


def tell(answer: Degraded) -> None:
    """A call was answered so."""
    for answers in _listening.get():
        answers.append(answer)
