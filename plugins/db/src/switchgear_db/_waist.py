"""What stands between one engine and its driver: admits statements, and learns how they went. Loads SQLAlchemy.

A transaction is admitted as a whole, by its first statement. From then on, until it is committed or rolled back,
nothing in it is refused: what follows takes a permit where one is to be had, because how it fares is evidence, and goes
ahead without one where not. So no permit outlives the call it was taken for, and an application that thinks between two
statements is not slow. In AUTOCOMMIT each statement is admitted by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from switchgear.spi import CallNotPermitted, Operation, Permit, Service, Verdict
from switchgear_db import _metrics as metrics
from switchgear_db._classify import CONFIGURATION, CONTENTION, NO_WRITES, code_of, root
from switchgear_db._operations import COMMIT, FETCH, FINISH, operation_of

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

#: In the `info` of a connection: the domain of the transaction that is under way on it.
_BEGUN = "switchgear_db.begun"
#: On an exception: it has been judged.
_JUDGED = "_switchgear_db_judged"


class Waist:
    """The two domains of one engine, and the wrappers of its dialect's methods."""

    def __init__(self, service: Service, address: str) -> None:
        self._address = address
        self.read = f"{address}/read"
        self.write = f"{address}/write"
        self.serve(service)

    def serve(self, service: Service) -> None:
        """Be this service's from now on."""
        self.service = service
        service.group.reached_at(self._address)
        self._ended = {how: service.counter(metrics.TRANSACTIONS, outcome=how) for how in ("commit", "rollback")}
        self._rows = {kind: service.counter(metrics.ROWS, statement=kind) for kind in ("read", "write")}

    # -- statements ----------------------------------------------------------------------------------------------

    def statement(self, call: Callable[..., None]) -> Callable[..., None]:
        def guarded(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            connection: Any = getattr(context, "root_connection", None)
            info = _info(connection)
            if info is None:
                # SQLAlchemy itself, getting to know a new server: part of a connect that was admitted.
                call(cursor, statement, parameters, context)
                return
            operation = operation_of(statement)
            permit = self._permit(operation, connection, info)
            try:
                call(cursor, statement, parameters, context)
            except BaseException as exc:
                self.failed(permit, exc)
                raise
            if permit is not None:
                permit.succeed()
            rows = cursor.rowcount
            if isinstance(rows, int) and rows > 0:  # -1, or with some drivers None: not known
                self._rows["read" if operation.klass == "read" else "write"].add(rows)

        return guarded

    def statement_without_parameters(self, call: Callable[..., None]) -> Callable[..., None]:
        def without_parameters(cursor: Any, statement: str, _none: None, context: Any) -> None:
            call(cursor, statement, context)

        statement_guarded = self.statement(without_parameters)

        def guarded(cursor: Any, statement: str, context: Any = None) -> None:
            statement_guarded(cursor, statement, None, context)

        return guarded

    def _permit(self, operation: Operation, connection: Any, info: dict[str, Any]) -> Permit | None:
        """The permit for a statement; None: it goes ahead without one. Raises the refusal."""
        domain = self.read if operation.klass == "read" else self.write
        begun = info.get(_BEGUN)
        if begun is None:
            first = self.follow if operation is FINISH else self.service.admit
            permit = first(operation, domain)
            if not connection._is_autocommit_isolation():
                info[_BEGUN] = domain
        elif begun == self.read != domain:
            # The first write after reads. Its domain's recovery may hang on such writes, so it may be a probe.
            permit = self.follow(operation, domain, probe=True)
            info[_BEGUN] = domain
        else:
            permit = self.follow(operation, domain)
        return permit

    def follow(self, operation: Operation, domain: str, *, probe: bool = False) -> Permit | None:
        """A permit for what belongs to something admitted and goes on with or without one: None unless the breaker is
        closed or, with `probe`, wants a probe.
        """
        if probe or self.service.closed(domain):
            try:
                return self.service.admit(operation, domain)
            except CallNotPermitted:  # or it is closed, and ramping up
                return None
        return None

    # -- ends of transactions ------------------------------------------------------------------------------------

    def ending(self, call: Callable[..., None], outcome: str) -> Callable[..., None]:
        """A COMMIT shows how fast the server writes, and is evidence. A ROLLBACK is not: it mostly follows a failure,
        which its success would halve, and its own failure count twice.
        """

        def guarded(connection: Any, *arguments: Any, **named: Any) -> None:
            info = _info(connection) or {}
            domain = info.get(_BEGUN)
            permit = self.follow(COMMIT, domain) if domain and outcome == "commit" else None
            try:
                call(connection, *arguments, **named)
            except BaseException as exc:
                self.failed(permit, exc)
                raise
            finally:
                info.pop(_BEGUN, None)
            if permit is not None:
                permit.succeed()
            if domain:
                self._ended[outcome].tick()

        return guarded

    # -- failures ------------------------------------------------------------------------------------------------

    def failed(self, permit: Permit | None, exc: BaseException) -> None:
        """Settle the permit of a call, if it had one, by what the call raised."""
        setattr(root(exc), _JUDGED, True)
        code = code_of(exc)
        if code in CONTENTION:
            self.service.count(metrics.CONTENTION, kind=CONTENTION[code])
        elif code[:2] in CONFIGURATION:
            self.service.count(metrics.MISCONFIGURED)
        if permit is None:
            return
        if code in NO_WRITES and permit.domain == self.read:
            permit.settle(Verdict.SUCCESS)  # a read that turned out to write
        else:
            permit.fail(exc)

    def unjudged(self, exc: BaseException, operation: Operation) -> None:
        """Learn from what failed outside the calls that hold permits."""
        if isinstance(exc, Exception) and not isinstance(exc, CallNotPermitted) and not hasattr(root(exc), _JUDGED):
            self.failed(self.follow(operation, self.read), exc)

    def error(self, context: ExceptionContext) -> None:
        """SQLAlchemy met an error, which may have come up in reading from a server-side cursor."""
        if context.is_disconnect:
            self.service.count(metrics.DISCONNECTS)
        # Without a statement it is a ROLLBACK on a connection that failed before, or a ping that found one which died
        # while idle. Its successor will tell how the server is.
        if context.execution_context is not None:
            self.unjudged(context.original_exception, FETCH)


def _info(connection: Any) -> dict[str, Any] | None:
    """The `info` of a connection; it has none while SQLAlchemy sets it up, nor if it is the driver's own."""
    try:
        info: dict[str, Any] = connection.info
    except (AttributeError, NotImplementedError):
        return None
    return info if type(info) is dict else None
