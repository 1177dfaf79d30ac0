"""A function that answers in place of a backend, and is tried out before it is needed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio

from switchgear._call import Call
from switchgear._errors import CallNotPermitted
from switchgear._redact import describe
from switchgear._scope import forbidding

_log = logging.getLogger("switchgear")

#: An exercise holds up the call that it is made with, but not for longer, in seconds.
_EXERCISE = 1.0


@dataclass(eq=False)
class StandIn:
    """Calls `function` with the arguments of the call. It may touch neither what has failed nor what that requires:
    those calls are refused.
    """

    function: Callable[..., Any]
    #: The share of the calls that it is exercised with.
    canary: float
    failed: int = 0
    exercises: int = 0
    exercises_failed: int = 0
    _due: float = 0.0

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", "function")

    async def answer(self, call: Call, exc: Exception) -> Any:
        """What it returns, or raises."""
        try:
            return await self._ask(call, exc)
        except Exception as error:
            self.failed += 1
            _log.warning("The fallback %s for %s failed: %s: %s", self.name, call.pipeline.name, *describe(error))
            raise

    async def exercise(self, call: Call) -> None:
        """The call was served. One in so many times, see what would be if it were not; it has its result either way."""
        self._due += self.canary
        if self._due < 1:
            return
        self._due -= 1
        self.exercises += 1
        try:
            with anyio.fail_after(_EXERCISE):
                await self._ask(call, None)
        except Exception as error:  # noqa: BLE001 - foreign code
            self.exercises_failed += 1
            _log.warning("The fallback %s for %s would not work now, as an exercise has shown: %s: %s",
                         self.name, call.pipeline.name, *describe(error))  # fmt: skip

    async def _ask(self, call: Call, exc: Exception | None) -> Any:
        failed = {(call.pipeline.name, call.domain)}
        if isinstance(exc, CallNotPermitted):
            failed.add((exc.breaker, exc.domain))
        names = [f"{service}[{domain}]" if domain else service for service, domain in failed]
        names += call.pipeline.ancestry()
        args, keywords = call.arguments or ((), {})
        call.leave()  # it is over; what comes now is made inside the call further out, with the time that one has
        with forbidding(dict.fromkeys(names, f"this is part of {self.name}, the fallback for it")):
            answer = self.function(*args, **keywords)
            return await answer if inspect.isawaitable(answer) else answer
