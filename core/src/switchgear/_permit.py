"""The lease of one admitted call."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from switchgear._call import cause_of
from switchgear._era import Ticket
from switchgear._lane import Lane, Slot
from switchgear._verdict import Verdict

if TYPE_CHECKING:
    from switchgear._circuit import CircuitBreaker

#: The block of a `with` has no result to show.
_UNSEEN = object()


class Permit:
    """The lease of one admitted call, settled exactly once: what comes after the first time changes nothing.

    As a context manager, sync or async, it settles by what the block does.
    """

    __slots__ = ("_attempt", "_breaker", "_lane", "_latency", "_ticket", "also", "operation", "settled", "started")

    def __init__(self, breaker: CircuitBreaker, lane: Lane, ticket: Ticket, started: float, operation: str) -> None:
        self._breaker = breaker
        self._lane = lane
        self._ticket = ticket
        self.started = started
        self.operation = operation
        self.settled = False
        #: A permit of a wider breaker that this call also holds.
        self.also: Permit | None = None
        self._latency: float | None = None
        self._attempt: BaseException | None = None

    @property
    def domain(self) -> str:
        return self._breaker.domain

    def succeed(self, result: object = _UNSEEN) -> None:
        """The backend served; `result`, if given, is judged by `classify_result`."""
        if self.settled:
            return
        ticket: Any = self._ticket  # a Slot, if its door is open
        lane, now = self._lane, self._breaker.clock()
        if now < ticket.until and now - self.started < lane.quick and self._latency is None and self.also is None:
            self.settled = True
            next(ticket.ok)
            return
        verdict = Verdict.SUCCESS if result is _UNSEEN else self._breaker.judge_result(result)
        if self.settled:  # by what the judgement did, which is foreign code
            return
        if verdict.name == "SUCCESS" and lane.timed and self._latency is None and self.also is None:
            self.settled = self._breaker.passed(ticket, lane, self.operation, self.started, now)
        self.settle(verdict)

    def fail(self, exc: BaseException) -> None:
        """The call raised: the exception is judged, and recorded or not accordingly."""
        if exc is self._attempt:  # already counted as an attempt
            self.release()
        elif not self.settled:
            exc = cause_of(exc, self._breaker.name)
            self.settle(self._breaker.judge(exc), exc)

    def settle(self, verdict: Verdict, cause: BaseException | None = None) -> None:
        """Record a verdict reached elsewhere; `cause` is remembered as text."""
        if self.settled:
            return
        self.settled = True
        self._attempt = None  # with its frames
        self._breaker.settle(self._ticket, self._lane, verdict, self.started, self._latency, cause, self.operation)
        if self.also is not None:
            self.also.settle(verdict, cause)

    def release(self) -> None:
        """Give the permit back: neither success nor failure."""
        self.settle(Verdict.IGNORED)

    def attempt_failed(self, exc: BaseException) -> None:
        """One of several attempts inside this call failed: that is evidence now, while the call goes on. A probe is
        settled by its first failed attempt. If the call then fails with the same exception, it is not counted again.
        """
        verdict = self._breaker.judge(exc)
        if self.settled or verdict.name in {"IGNORED", "SUCCESS"}:
            return
        if isinstance(self._ticket, Slot) and self.also is None:
            self._attempt = exc
            self._breaker.evidence(self._ticket, verdict, exc)
        else:
            self.settle(verdict, exc)

    def first_chunk(self) -> None:
        """A stream's head has arrived: that was the latency. The verdict waits for the end."""
        if self._latency is None and not self.settled:
            self._latency = self._breaker.head_arrived(self._ticket, self.started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, exc: BaseException | None, _tb: TracebackType | None) -> None:
        if exc is None:
            self.succeed()
        else:
            self.fail(exc)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if exc is None:
            self.succeed()
        else:
            self.fail(exc)
