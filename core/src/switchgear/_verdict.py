"""What an outcome says about the backend.

An outcome is what the caller sees (a value, an exception); a verdict is what the breaker learns from it. They differ:
a cache miss, a 404 and a broken constraint are errors to the caller and proof of life to the breaker.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import ClassVar, Literal, cast, final

from switchgear._errors import CallNotPermitted, CallTimedOut, InjectedFault

VerdictName = Literal["IGNORED", "SUCCESS", "THROTTLED", "FAILURE", "EXHAUSTED"]

# A group of exceptions is judged by its worst member. SUCCESS outranks IGNORED, for it says something.
_RANK: dict[VerdictName, int] = {"IGNORED": 0, "SUCCESS": 1, "THROTTLED": 2, "FAILURE": 3, "EXHAUSTED": 4}


@final
class Verdict:
    """One of five words, with what the backend said about when to come back.

    | verdict | meaning | the breaker |
    |---|---|---|
    | SUCCESS | the backend served, even if it said no | counts it |
    | FAILURE | it did not serve | counts it as bad |
    | THROTTLED | alive, asks for less | opens for `retry_after` if given, else counts half |
    | EXHAUSTED | will not serve until a moment, known or not | opens until then, or until an operator |
    | IGNORED | says nothing about the backend | returns the permit |

    `retry_after` is in seconds. `service_wide` means that every domain of the service shares the cause (its only
    address refuses, the account's quota is gone).
    """

    __slots__ = ("name", "retry_after", "service_wide")

    IGNORED: ClassVar[Verdict]
    SUCCESS: ClassVar[Verdict]
    THROTTLED: ClassVar[Verdict]
    FAILURE: ClassVar[Verdict]
    EXHAUSTED: ClassVar[Verdict]

    def __init__(self, name: VerdictName, *, retry_after: float | None = None, service_wide: bool = False) -> None:
        self.name: VerdictName = name
        # It comes from the wire and may be anything: not a number is no wait, and a moment gone by is none to wait for.
        self.retry_after = None if retry_after is None or isnan(retry_after) else max(0.0, retry_after)
        self.service_wide = service_wide

    def after(self, seconds: float | None) -> Verdict:
        """The same verdict, with the wait that the backend asked for, in seconds (None: it named none)."""
        return Verdict(self.name, retry_after=seconds, service_wide=self.service_wide)

    def everywhere(self) -> Verdict:
        """The same verdict, said of every domain of the service."""
        return Verdict(self.name, retry_after=self.retry_after, service_wide=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return (self.name, self.retry_after, self.service_wide) == (
            other.name,
            other.retry_after,
            other.service_wide,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.retry_after, self.service_wide))

    def __repr__(self) -> str:
        after = "" if self.retry_after is None else f".after({self.retry_after:g})"
        return f"Verdict.{self.name}{after}{'.everywhere()' if self.service_wide else ''}"


Verdict.IGNORED = Verdict("IGNORED")
Verdict.SUCCESS = Verdict("SUCCESS")
Verdict.THROTTLED = Verdict("THROTTLED")
Verdict.FAILURE = Verdict("FAILURE")
Verdict.EXHAUSTED = Verdict("EXHAUSTED")

Classify = Callable[[BaseException], Verdict]


def unknown_is_failure(_exc: BaseException) -> Verdict:
    """The default classification: an exception that nobody explained is the backend's failure."""
    return Verdict.FAILURE


def judge(exc: BaseException, classify: Classify) -> Verdict:
    """The verdict on an exception that ended a call.

    What is not an `Exception` (cancellation on asyncio and trio, KeyboardInterrupt, GeneratorExit) says nothing about
    the backend, nor does a refusal by a breaker further in. A group is as bad as its worst member.
    """
    if isinstance(exc, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", exc).exceptions
        return max((judge(member, classify) for member in members), key=lambda verdict: _RANK[verdict.name])
    if isinstance(exc, CallNotPermitted) or not isinstance(exc, Exception):
        return Verdict.IGNORED
    if isinstance(exc, CallTimedOut | InjectedFault):  # ours, so that no plugin's table has them
        return Verdict.FAILURE
    return classify(exc)
