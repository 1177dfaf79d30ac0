"""Admission per operation, evidence per attempt.

redis-py retries inside an operation: ten times by default, so that an outage would be hidden for many seconds. So the
operation is admitted once, and while it runs its failed attempts find their way to its permit through the context.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from math import inf
from types import TracebackType
from typing import Any, Self

from redis.exceptions import TimeoutError as RedisTimeoutError

from switchgear.spi import CallNotPermitted, Permit, Service, Verdict
from switchgear_redis._classify import classify, counter_of
from switchgear_redis._commands import CONNECT, Command, wait_of

_log = logging.getLogger("switchgear.redis")


class Guard:
    """What all that borrows connections to one address shares: the service, and the address' two domains.

    `among_others`: there are other servers at other addresses, or at this one, for which none of them can speak.
    """

    def __init__(
        self, service: Service, address: str, *, among_others: bool = False, socket_timeout: float | None = None
    ) -> None:
        self.service = service
        service.group.reached_at(address, among_others=among_others)
        self.domains = f"{address}/read", f"{address}/write"
        self.socket_timeout = socket_timeout or inf
        self.warned = False
        # How often a cluster's client has closed all connections to it, and whether it is about to.
        self.cut = self.cutting = 0
        # What is counted on every command; the rest is rare.
        self.hits, self.misses = service.counter("hits"), service.counter("misses")
        self.pipeline_commands = service.histogram("pipeline_commands")

    def __deepcopy__(self, _memo: object) -> Self:
        return self  # whose pool is copied in depth, as redis-py 5 lets him, still talks to the same address

    def admit(self, command: Command, args: Sequence[Any] = (), *, finishing: bool = False) -> Admission:
        """Admit one operation; raises the refusal. What is inside an admitted operation goes by that one's permit.

        `finishing`: it belongs to a transaction that was admitted, and so is never refused. While the breaker is not
        closed it is let through unwatched, and so is a command that is `finishing` by its nature.
        """
        domain = self.domains[command.writes]
        permit = None
        if self.current() is None and (not (finishing or command.finishing) or self.service.closed(domain)):
            permit = self.service.admit(command.operation, domain)
        return Admission(self, permit, command, args)

    def current(self) -> Admission | None:
        """The admitted operation on this address that this task is in. A task that was started by an operation has
        inherited its context, perhaps for good: a settled permit is nobody's."""
        admission = _current.get()
        if admission is None or admission.guard is not self or admission.permit is None or admission.permit.settled:
            return None
        return admission

    def attempt_failed(self, error: Exception) -> bool:
        """Take the evidence of a failed attempt; whether redis-py may try again."""
        admission = self.current()
        if admission is not None:
            admission.attempt_failed(error)
            # A pipeline that tries again does so for the operation as a whole.
            return self.service.closed(self.domains[admission.command.writes]) and not self.service.retried()
        # Whoever borrowed this connection is not guarded: the attempt is an operation of its own, of either half.
        with suppress(CallNotPermitted):
            self.service.admit(CONNECT.operation, self.domains[CONNECT.writes]).fail(error)
        return all(map(self.service.closed, self.domains))


class Admission:
    """One admitted operation, as a context manager that settles its permit; without a permit it does nothing."""

    __slots__ = ("_args", "_token", "command", "guard", "permit")

    def __init__(self, guard: Guard, permit: Permit | None, command: Command, args: Sequence[Any]) -> None:
        self.guard = guard
        self.permit = permit
        self.command = command
        self._args = args
        self._token: Token[Admission | None] | None = None

    def __enter__(self) -> Self:
        if self.permit is not None:
            self._token = _current.set(self)
        return self

    def __exit__(self, _type: type[BaseException] | None, exc: BaseException | None, _tb: TracebackType | None) -> None:
        if self.permit is None or self._token is None:
            return
        _current.reset(self._token)
        if exc is None:
            self.permit.succeed()
        else:
            self._failed(self.permit, exc)

    def give_back(self) -> None:
        """What happened says nothing about the server."""
        if self.permit is not None:
            self.permit.release()

    def attempt_failed(self, error: Exception) -> None:
        """One of redis-py's attempts failed; the operation may go on."""
        if self.permit is not None and not self._waited_too_long(error):
            self.permit.attempt_failed(error)

    def look_into(self, replies: Iterable[object]) -> None:
        """Settle by errors that are returned among the replies instead of being raised."""
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        if errors and self.permit is not None:
            self.guard.service.count("pipeline_errors", len(errors))
            telling = next((error for error in errors if classify(error) != Verdict.SUCCESS), errors[0])
            self._failed(self.permit, telling)

    def _failed(self, permit: Permit, exc: BaseException) -> None:
        if counter := counter_of(exc):
            self.guard.service.count(counter)
        if self._waited_too_long(exc):
            self.guard.service.count("blocking_timeouts")
            permit.release()
        else:
            permit.fail(exc)

    def _waited_too_long(self, exc: BaseException) -> bool:
        """Whether a blocking command was told to wait for longer than its socket does: that is the caller's mistake."""
        if self.command.operation.klass != "blocking" or not isinstance(exc, RedisTimeoutError):
            return False
        guard, wait = self.guard, wait_of(self._args)
        if wait < guard.socket_timeout or not str(exc).startswith("Timeout reading"):
            return False
        if not guard.warned:
            guard.warned = True
            _log.warning(
                "%s of service %r was told to wait %s, but its connection gives up after socket_timeout = %g s, on a "
                "healthy server too. Wait for less, or give the client that waits a longer socket_timeout.",
                self.command.operation.name, guard.service.name,
                "without end" if wait == inf else f"for {wait:g} s", guard.socket_timeout,
            )  # fmt: skip
        return True


_current: ContextVar[Admission | None] = ContextVar("switchgear_redis_admission", default=None)
